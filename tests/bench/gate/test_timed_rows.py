"""What timed epochs delivered is compared with the dataset: sums of all batches, and the rows of some."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest
import torch

from feedrate.bench.consumer.reading import reader
from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.gate.batch_copy import BatchCopy
from feedrate.bench.gate.batch_watch import NEVER
from feedrate.bench.gate.epoch import GateFailed
from feedrate.bench.gate.repeats import RepeatedBatches
from feedrate.bench.gate.timed_rows import MAX_COPIES, TimedRows
from feedrate.bench.trial.context import reported
from feedrate.loaders.base import Batch
from feedrate.loaders.form import FormBroken
from feedrate.loaders.parquet.columns import epoch_order, read_columns

SIZE = 300
Change = Callable[[list[Batch]], list[Batch]]


def epoch(dataset: Dataset, number: int, split: str = "train") -> list[Batch]:
    columns = read_columns(dataset.split(split))  # type: ignore[arg-type]
    order = torch.from_numpy(epoch_order(columns.rows, shuffle=True, seed=0, epoch=number).copy())
    return [columns.take(order[start : start + SIZE]) for start in range(0, columns.rows, SIZE)]


def watched(dataset: Dataset, *, every: bool = False) -> tuple[TimedRows, Callable[[Iterable[Batch]], None]]:
    """Return a watch, and a function that passes one epoch through it as a trial does."""
    rows = dataset.info.splits["train"].rows
    read = reader("cpu", dataset.info.schema.tensors, batches=14)
    watch = TimedRows(dataset, "train", read, batch_size=SIZE, device="cpu", every=every)

    def run(batches: Iterable[Batch]) -> None:
        watch.begin((1.0, 0.001))
        seen = 0
        for batch in reported("epoch", iter(batches), rows, SIZE, lambda *_progress: None, watch):
            read(batch)
            seen += batch.rows
        watch.end("timed epoch 1", seen)

    return watch, run


def test_right_epochs_pass_and_a_few_batches_are_copied(small: Dataset) -> None:
    watch, run = watched(small)
    for number in range(3):
        run(epoch(small, number))
    assert watch.repeats.sentence == ""
    assert watch.next == NEVER
    counts = []
    for before in (None, (1.0, 1e-9), (1e-9, 1.0)):
        watch.begin(before)
        counts.append(len(watch._places) + 1)
    assert counts == [2, min(MAX_COPIES, -(-4000 // SIZE)), 1]


def other_labels(batches: list[Batch]) -> list[Batch]:
    return [replace(batch, label=batch.label.roll(1)) for batch in batches]


def one_repeated(batches: list[Batch]) -> list[Batch]:
    return [*batches[:2], batches[1], *batches[3:]]


def four_times_the_size(batches: list[Batch]) -> list[Batch]:
    whole = batches[0].map(lambda tensor: tensor)
    bags = {
        name: (
            torch.cat([batch.bags[name][0] for batch in batches[:4]]),
            torch.cat([torch.zeros(1, dtype=torch.int32), *(b.bags[name][1].diff() for b in batches[:4])])
            .cumsum(0)
            .int(),
        )
        for name in whole.bags
    }
    ids = {name: torch.cat([batch.ids[name] for batch in batches[:4]]) for name in whole.ids}
    return [Batch(ids, bags, {}, torch.cat([batch.label for batch in batches[:4]])), *batches[4:]]


def short_in_the_middle(batches: list[Batch]) -> list[Batch]:
    return [batches[-1], *batches[:-1]]


def one_missing(batches: list[Batch]) -> list[Batch]:
    return batches[1:]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            other_labels,
            r"rows that were compared, [\d,]+ rows are not in the train split: the values of the label match",
        ),
        (one_repeated, r"batch 3 repeats batch 2"),
        (short_in_the_middle, r"batch 1 of 14 has 100 rows, but must have the batch size, 300"),
        (one_missing, r"3,700 rows, 300 fewer"),
    ],
)
def test_wrong_epochs_are_named(small: Dataset, change: Change, words: str) -> None:
    _watch, run = watched(small)
    with pytest.raises(GateFailed, match=rf"timed epoch 1: .*{words}"):
        for number in range(60):  # which batches are copied is a matter of chance
            run(change(epoch(small, number)))


def test_larger_batches_are_wrong_even_if_none_of_them_was_copied(small: Dataset) -> None:
    watch, run = watched(small)
    watch.begin = lambda _before: setattr(watch, "next", -1)  # type: ignore[method-assign,assignment]
    with pytest.raises(GateFailed, match="batch 1 of 11 has 1,200 rows, but must have the batch size, 300"):
        run(four_times_the_size(epoch(small, 0)))


def test_rows_of_the_other_split_are_recognised(small: Dataset) -> None:
    batches = [*epoch(small, 0, "valid")[:3], *epoch(small, 0)[3:]]
    _watch, run = watched(small, every=True)
    with pytest.raises(GateFailed, match=r"\d+ rows are not in the train split: they are rows of the valid split"):
        run(batches)
    _watch, run = watched(small)
    with pytest.raises(GateFailed, match=r"do not add up to those of the train split|they are rows of the valid split"):
        run(batches)


@pytest.mark.parametrize("place", [0, 7, 13])
def test_with_every_a_single_wrong_row_is_found(small: Dataset, place: int) -> None:
    _watch, run = watched(small, every=True)
    run(epoch(small, 0))
    batches = epoch(small, 1)
    label = batches[place].label.clone()
    label[5] = 0.5
    batches[place] = replace(batches[place], label=label)
    with pytest.raises(GateFailed, match="of 4,000 rows that were compared, 1 row is not in the train split"):
        run(batches)


def test_a_copied_batch_of_a_wrong_form_is_refused(small: Dataset) -> None:
    _watch, run = watched(small)
    with pytest.raises(FormBroken, match="int16"):
        for number in range(60):
            run([replace(b, ids={name: ids.short() for name, ids in b.ids.items()}) for b in epoch(small, number)])


@pytest.mark.parametrize("ids", [torch.int32, torch.int64])
def test_a_copy_has_the_same_values_and_shares_no_memory(small: Dataset, ids: torch.dtype) -> None:
    batch = epoch(small, 0)[0].map(lambda tensor: tensor if tensor.is_floating_point() else tensor.to(ids))
    copy = BatchCopy.of(batch)
    expected = [tensor.clone() for tensor in batch.tensors()]
    for tensor in batch.tensors():
        tensor.zero_()
    assert all(torch.equal(now, then) for now, then in zip(copy.batch().tensors(), expected, strict=True))
    assert [tensor.dtype for tensor in copy.batch().tensors()] == [tensor.dtype for tensor in expected]


def test_epochs_with_the_same_batches_are_recognised() -> None:
    rng = np.random.default_rng(0)
    sums = rng.integers(0, 2**60, (10, 3), dtype=np.uint64)
    same, permuted, few = (RepeatedBatches(512) for _ in range(3))
    for repeats, second in ((same, sums), (permuted, sums[::-1]), (few, np.concatenate([sums[:4], sums[4:] + 1]))):
        repeats.add("timed epoch 1", sums)
        repeats.add("timed epoch 2", second)
    assert same.sentence == "timed epoch 2 had the batches of timed epoch 1 in the same order"
    assert permuted.sentence == "timed epoch 2 had the batches of timed epoch 1 in another order"
    assert few.sentence == ""
    assert RepeatedBatches(512).within(np.concatenate([sums, sums[3:4]])) == (3, 10)
