from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from feedrate.bench.datasets.rows.checksum import RowSum
from feedrate.loaders.base import Batch, Split
from feedrate.loaders.parquet.columns import Columns, read_columns


@pytest.fixture(scope="module")
def columns(planted: Split) -> Columns:
    return read_columns(planted)


def _digest(*batches: Batch) -> str:
    rows = RowSum()
    for batch in batches:
        rows.add(batch)
    return rows.result().digest


def test_order_and_batching_do_not_matter(columns: Columns) -> None:
    whole = _digest(columns.slice(0, columns.rows))
    order = torch.randperm(columns.rows, generator=torch.Generator().manual_seed(1))
    assert _digest(*(columns.take(order[i : i + 700]) for i in range(0, columns.rows, 700))) == whole


def test_integer_width_does_not_matter(columns: Columns) -> None:
    batch = columns.slice(0, 1000)
    wide = Batch(
        {name: ids.long() for name, ids in batch.ids.items()},
        {name: (values.long(), offsets.long()) for name, (values, offsets) in batch.bags.items()},
        batch.dense,
        batch.label,
    )
    assert _digest(wide) == _digest(batch)


def _swap_two_labels(batch: Batch) -> Batch:
    label = batch.label.clone()
    with_one, with_zero = int((label == 1).nonzero()[0]), int((label == 0).nonzero()[0])
    label[with_one], label[with_zero] = 0, 1
    return replace(batch, label=label)


def _move_a_value_to_the_next_row(batch: Batch) -> Batch:
    values, offsets = batch.bags["genres"]
    moved = offsets.clone()
    row = int((offsets[1:-1] > offsets[:-2]).nonzero()[0]) + 1
    moved[row] -= 1
    return replace(batch, bags={**batch.bags, "genres": (values, moved)})


def _swap_values_within_a_bag(batch: Batch) -> Batch:
    values, offsets = batch.bags["genres"]
    changed = values.clone()
    for start, stop in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        if stop - start > 1 and values[start] != values[start + 1]:
            changed[start], changed[start + 1] = values[start + 1], values[start]
            break
    return replace(batch, bags={**batch.bags, "genres": (changed, offsets)})


def _swap_two_columns(batch: Batch) -> Batch:
    return replace(batch, ids={"row": batch.ids["user"], "user": batch.ids["row"]})


def _repeat_a_row_in_place_of_another(batch: Batch) -> Batch:
    return replace(batch, ids={name: torch.cat([ids[:1], ids[:-1]]) for name, ids in batch.ids.items()})


def _flip_the_last_bit_of_a_float(batch: Batch) -> Batch:
    age = batch.dense["age"].clone()
    age.view(torch.int32)[5] ^= 1
    return replace(batch, dense={"age": age})


@pytest.mark.parametrize(
    "change",
    [
        _swap_two_labels,
        _move_a_value_to_the_next_row,
        _swap_values_within_a_bag,
        _swap_two_columns,
        _repeat_a_row_in_place_of_another,
        _flip_the_last_bit_of_a_float,
    ],
)
def test_any_change_of_a_row_changes_the_sum(change: Callable[[Batch], Batch], columns: Columns) -> None:
    batch = columns.slice(0, 2000)
    assert _digest(change(batch)) != _digest(batch)


@pytest.mark.gpu
def test_the_device_computes_the_same_sum(columns: Columns) -> None:
    from feedrate.loaders.parquet.columns import batch_to

    batch = columns.slice(0, columns.rows)
    assert _digest(batch_to(batch, "cuda")) == _digest(batch)


def test_the_sum_is_the_one_that_datasets_were_written_with() -> None:
    """A change of the hash makes every prepared dataset fail its gate: raise FORMAT_VERSION with it."""
    batch = Batch(
        {"a": torch.tensor([1, 2], dtype=torch.int32)},
        {"b": (torch.tensor([3, 4, 5], dtype=torch.int32), torch.tensor([0, 0, 3], dtype=torch.int32))},
        {"c": torch.tensor([0.5, -1.0])},
        torch.tensor([0.0, 1.0]),
    )
    assert _digest(batch) == "e5143e36550580e4"
