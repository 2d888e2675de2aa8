"""The gate on hand-made faulty batches. Whole trials with planted faults are in tests/bench/selftest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.gate import hashed_twice
from feedrate.bench.gate.epoch import Delivered, GateFailed, WrongRows, check_epoch, wrong_count
from feedrate.bench.gate.row_diagnosis import explain, explain_rows
from feedrate.bench.trial.context import reported
from feedrate.loaders.base import Batch
from feedrate.loaders.form import FormBroken
from feedrate.loaders.parquet.columns import Columns, read_columns

SIZE = 600


@pytest.fixture(scope="module")
def columns(small: Dataset) -> Columns:
    return read_columns(small.split("train"))


def _batches(columns: Columns) -> list[Batch]:
    return [columns.slice(start, min(start + SIZE, columns.rows)) for start in range(0, columns.rows, SIZE)]


def _check(batches: list[Batch] | Iterator[Batch], small: Dataset) -> Delivered:
    info = small.info
    return check_epoch(batches, info.splits["train"], info.schema, order_sample=None, batch_size=SIZE, device="cpu")


def test_a_correct_epoch_passes_in_any_order(columns: Columns, small: Dataset) -> None:
    batches = _batches(columns)
    forward, backward = _check(batches, small), _check([*batches[-2::-1], batches[-1]], small)
    assert len(forward.start) == SIZE
    assert forward.start != backward.start


def test_small_batches_are_judged_alike_whether_hashed_alone_or_together(
    columns: Columns, small: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = torch.randperm(columns.rows, generator=torch.Generator().manual_seed(0))
    batches, train = [columns.take(rows) for rows in order.split(SIZE)], small.info.splits["train"]
    delivered = []
    for together in (1, 1500, 10**6):
        monkeypatch.setattr(hashed_twice, "TOGETHER_ROWS", together)
        sample = small.order_sample("train")
        delivered.append(
            check_epoch(batches, train, small.info.schema, order_sample=sample, batch_size=SIZE, device="cpu")
        )
        with pytest.raises(WrongRows, match="batch 3 repeats batch 2"):
            _check([*batches[:2], batches[1], *batches[3:]], small)
    assert delivered[0].shuffle is not None
    assert delivered[0].shuffle.samples > 3000
    assert delivered[1:] == delivered[:1] * 2


def test_a_batch_overwritten_later_is_distinguished_from_one_that_was_not_ready(
    columns: Columns, small: Dataset
) -> None:
    def overwritten() -> Iterator[Batch]:
        kept = [replace(batch, label=batch.label.clone()) for batch in _batches(columns)]
        for number, batch in enumerate(kept):
            if number == 2:
                kept[0].label.neg_()
            yield batch

    with pytest.raises(GateFailed, match="the loader reused its buffer"):
        _check(overwritten(), small)

    def late() -> Iterator[Batch]:
        for batch in _batches(columns):
            label = torch.zeros_like(batch.label)
            yield replace(batch, label=label)
            label.copy_(batch.label)

    with pytest.raises(GateFailed, match="was not ready when it was handed over"):
        _check(late(), small)


def test_columns_of_different_lengths_are_rejected(columns: Columns, small: Dataset) -> None:
    batch = _batches(columns)[0]
    name = next(iter(batch.ids))
    with pytest.raises(FormBroken, match=f"a batch has 600 labels, but 599 rows of {name}"):
        _check([replace(batch, ids={**batch.ids, name: batch.ids[name][1:]})], small)
    bag, (values, offsets) = next(iter(batch.bags.items()))
    with pytest.raises(FormBroken, match=f"has 600 offsets of {bag}, but must have 601"):
        _check([replace(batch, bags={bag: (values, offsets[:-1])})], small)
    with pytest.raises(
        GateFailed, match=f"the offsets of {bag} run from 1 to [0-9]+, but must run from 0 to {len(values)}, "
    ):
        _check([replace(batch, bags={bag: (values, offsets + 1)})], small)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (1000, ""),
        (999, "an epoch delivered 999 rows, 1 fewer than the 1,000 in the split"),
        (1001, "an epoch delivered 1,001 rows, 1 more than the 1,000 in the split"),
        (900, "an epoch delivered 900 rows, 100 fewer than the 1,000 in the split: the last batch is missing"),
    ],
)
def test_a_wrong_length_gives_a_sentence(rows: int, sentence: str) -> None:
    assert wrong_count(rows, 1000, 300) == sentence


def test_wrong_labels_are_reported_and_explained(columns: Columns, small: Dataset) -> None:
    batches = _batches(columns)
    wrong = [replace(batches[0], label=1 - batches[0].label), *batches[1:]]
    with pytest.raises(WrongRows, match="checksum"):
        _check(wrong, small)
    assert "rows are not in the dataset: the values of the label" in explain(wrong, columns)
    assert explain(batches, columns) == ""
    assert explain([], columns) == "the loader delivered no batches"


def test_a_column_with_its_values_in_different_rows_is_named(columns: Columns) -> None:
    batches = _batches(columns)
    name = next(iter(batches[0].ids))
    wrong = [replace(batch, ids={**batch.ids, name: batch.ids[name].roll(1)}) for batch in batches]
    assert f"the values of {name} match the dataset but belong to different rows" in explain(wrong, columns)


def test_rows_that_come_more_than_once_are_counted(columns: Columns) -> None:
    batches = _batches(columns)
    hint = "does each worker deliver all rows"
    for wrong, sentence in (
        (batches[1:], f"{SIZE} rows are missing"),
        ([*batches, batches[0]], f"{SIZE} rows are delivered more than once"),
        ([*batches[:-1], batches[0]], r"\d+ rows are missing and \d+ rows are delivered more than once"),
        (2 * batches, rf"each row is delivered twice: {hint}\?"),
        (3 * batches, rf"each row is delivered more than once: {hint}\?"),
        (batches, ""),
    ):
        assert re.fullmatch(sentence, explain(wrong, columns))


def test_narrowed_ids_are_named_even_if_the_dataset_has_them_all(columns: Columns) -> None:
    batch = columns.take(torch.arange(0, columns.rows, 4))
    movies = batch.ids["movieId"]
    narrow = torch.where(movies > 255, movies % 50 + 1, movies)
    assert set(narrow.tolist()) <= set(columns.ids["movieId"].tolist())
    narrowed = replace(batch, ids={**batch.ids, "movieId": narrow})
    assert explain_rows([narrowed], columns).startswith("movieId was cast to a narrower type (its largest id is 25")
    few = columns.slice(0, 4)
    other = replace(few, ids={**few.ids, "movieId": columns.ids["movieId"].sort().values[:4]})
    assert "the values of movieId match the dataset but belong to different rows" in explain_rows([other], columns)


def test_two_wrong_columns_are_not_blamed_on_one(columns: Columns) -> None:
    batches = _batches(columns)
    wrong = [
        replace(batch, ids={name: ids.roll(1 + number) for number, (name, ids) in enumerate(batch.ids.items())})
        for batch in batches
    ]
    assert explain(wrong, columns).endswith("values of several columns belong to different rows")


def test_a_label_with_a_wrong_dtype_is_rejected(columns: Columns, small: Dataset) -> None:
    batch = _batches(columns)[0]
    with pytest.raises(FormBroken, match=r"the label\'s dtype is torch\.int64, but must be torch\.float32"):
        _check([replace(batch, label=batch.label.long())], small)


def test_empty_batches_without_an_end_are_void(columns: Columns) -> None:
    empty = columns.slice(0, 0)
    with pytest.raises(GateFailed, match="a batch without rows came after 0 rows"):
        list(reported("epoch 1", iter([empty] * 9), 4000, SIZE, lambda _phase, _done, _total: None))
