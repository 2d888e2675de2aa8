"""The correctness gate: a whole epoch's rows against the dataset's, on the device and outside of any timed window.

Each batch is hashed as soon as it is handed over, as a consumer would read it, and again when the loader has moved on:
what is right at first and wrong later was overwritten; what is wrong at first and right later was not ready.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import torch

from feedrate.bench.datasets.canonical import SplitInfo
from feedrate.bench.datasets.checksum import Checksum, RowSum
from feedrate.bench.datasets.order_sample import OrderSample
from feedrate.bench.gate.shuffle import ShuffleWatch
from feedrate.bench.results.record import ShuffleRecord
from feedrate.bench.timing.clock import synchronise
from feedrate.loaders.base import Batch

HELD = 9
"""Batches kept while the loader goes on, more than any usual ring of buffers; then all of them are looked at again.

Only then the device is waited for: waiting at each batch would let a copy finish that nothing orders before its use.
"""
TOO_MANY_BATCHES = 4
"""An epoch that goes on for so many batches past its end is taken for one that never ends."""


class GateFailed(Exception):
    """The rows delivered are not the dataset's: the trial is void."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a gate saw of an epoch that was right."""

    start: list[int]
    """Row hashes of its first batch, in order."""
    shuffle: ShuffleRecord | None


class WrongRows(Exception):
    """As many rows as there should be or not, and not the dataset's; `sentence` says what the gate itself can tell."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def check_epoch(
    batches: Iterable[Batch], wanted: SplitInfo, *, order_sample: OrderSample | None, batch_size: int, device: str
) -> Delivered:
    """Raises GateFailed where the epoch is wrong in its form, WrongRows where it is in its rows."""
    at_once, later = RowSum(), RowSum()
    watch = ShuffleWatch(order_sample, wanted.rows, device) if order_sample else None
    held: list[Batch] = []
    sums: list[torch.Tensor] = []
    start: torch.Tensor | None = None
    rows = 0
    for batch in batches:
        check_form(batch, device)
        if device == "cpu":  # on a GPU looking at offsets waits for it, and would hide a copy that is not ordered
            check_offsets(batch)
        rows += len(batch.label)
        refuse_endless(rows, wanted.rows, batch_size)
        hashes = at_once.add(batch)
        sums.append(hashes.sum())
        start = hashes if start is None else start
        if watch:
            watch.add(hashes)
        held.append(batch)
        if len(held) == HELD:
            _look_again(held, later, device)
            held = []
    _look_again(held, later, device)
    refuse_wrong(at_once.result(), later.result(), wanted, batch_size, [int(s) for s in sums])
    assert start is not None, "a split has rows"
    return Delivered(start.tolist(), watch.result(batch_size) if watch else None)


def _look_again(held: list[Batch], later: RowSum, device: str) -> None:
    synchronise(device)
    for batch in held:
        check_offsets(batch)
        later.add(batch)


def check_form(batch: Batch, device: str) -> None:
    """One number of rows for all columns, and all on the trial's device."""
    rows = len(batch.label)
    if batch.label.dtype != torch.float32:
        raise GateFailed(f"the label is {batch.label.dtype}, not torch.float32")
    found = {tensor.device.type for tensor in batch.tensors()}
    if found != {torch.device(device).type}:
        raise GateFailed(f"batches are on {', '.join(sorted(found))}, not on {torch.device(device).type}")
    if batch.rows != rows:
        raise GateFailed(f"a batch says that it has {batch.rows:,} rows, and holds {rows:,}")
    for name, column in (*batch.ids.items(), *batch.dense.items()):
        if len(column) != rows:
            raise GateFailed(f"a batch of {rows:,} labels has {len(column):,} rows of {name}")
    for name, (_values, offsets) in batch.bags.items():
        if len(offsets) != rows + 1:
            raise GateFailed(f"a batch of {rows:,} rows has {len(offsets):,} offsets of {name}, not {rows + 1:,}")


def check_offsets(batch: Batch) -> None:
    """From 0, never down, up to the number of values. Waits for the device."""
    for name, (values, offsets) in batch.bags.items():
        if int(offsets[0]) != 0 or int(offsets[-1]) != len(values) or bool((offsets[1:] < offsets[:-1]).any()):
            raise GateFailed(
                f"the offsets of {name} run from {int(offsets[0])} to {int(offsets[-1])}, and there are {len(values)} values"
            )


def refuse_endless(rows: int, wanted_rows: int, batch_size: int) -> None:
    if rows > wanted_rows + TOO_MANY_BATCHES * batch_size:
        raise GateFailed(f"an epoch does not end: it was stopped after {rows:,} rows, and there are {wanted_rows:,}")


def refuse_wrong(at_once: Checksum, later: Checksum, wanted: SplitInfo, batch_size: int, sums: list[int]) -> None:
    right = (wanted.rows, wanted.checksum)
    if (at_once.rows, at_once.digest) == right:
        if later.digest != wanted.checksum:
            raise GateFailed("a batch changed while the consumer held it: the loader used its buffer again")
        return
    if (later.rows, later.digest) == right:
        raise GateFailed(
            "a batch was not ready when it was handed over: read at once it differs from what it holds later "
            "(a copy that is not ordered before the consumer's stream)"
        )
    if count := wrong_count(at_once.rows, wanted.rows, batch_size):
        raise WrongRows(count)
    again = next((number for number, (one, two) in enumerate(pairwise(sums)) if one == two), None)
    if again is not None:
        raise WrongRows(f"batch {again + 1} is batch {again} again")
    raise WrongRows(f"the rows' checksum is {at_once.digest}, not {wanted.checksum}")


def wrong_count(rows: int, wanted: int, batch_size: int) -> str:
    """A sentence for an epoch of another length; empty where the length is right."""
    if rows == wanted:
        return ""
    apart = f"{wanted - rows:,} fewer" if rows < wanted else f"{rows - wanted:,} more"
    sentence = f"an epoch delivered {rows:,} rows, {apart} than the {wanted:,} there are"
    if wanted - rows == (wanted % batch_size or batch_size):
        sentence += ": the last batch is missing"
    return sentence
