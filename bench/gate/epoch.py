"""The correctness gate: compares a whole epoch's rows with the dataset's, on the device, outside any timed window.

Each batch is hashed as soon as it is handed over, as a consumer would read it, and again after the loader has moved on.
A batch that is right at first but wrong later was overwritten. One that is wrong at first but right later was not
ready.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from feedrate.bench.datasets.canonical import SplitInfo
from feedrate.bench.datasets.rows.checksum import Checksum, RowSum
from feedrate.bench.datasets.rows.order_sample import OrderSample
from feedrate.bench.gate.batch_watch import wrong_size
from feedrate.bench.gate.hashed_twice import HashedTwice
from feedrate.bench.gate.shuffle import ShuffleWatch
from feedrate.bench.host.ranks.group import ALONE, Group, shard_rows, total
from feedrate.bench.results.record import ShuffleRecord
from feedrate.bench.timing.clock import synchronise
from feedrate.loaders.base import Batch, Schema
from feedrate.loaders.form import plain_batch, require_form, spoken

HELD_BATCHES = 9
"""Batches kept while the loader continues, more than in any usual ring of buffers. Then all of them are hashed again.

The gate waits for the device only then. Waiting at each batch would let a copy finish that nothing orders before its
use.
"""
MAX_EXTRA_BATCHES = 4
"""Batches that may follow the expected end of an epoch before the gate decides that it never ends."""


class GateFailed(Exception):
    """The delivered rows are not the dataset's, so the trial is void."""


class EndlessEpoch(GateFailed):
    """An epoch has delivered so many rows that it seems never to end."""


class TimedRowsWrong(GateFailed):
    """A timed epoch's rows are not the dataset's."""

    def __init__(self, title: str, sentence: str, *, diagnosed: bool) -> None:
        """title: of the epoch. diagnosed: whether the sentence names the rows or columns that are wrong."""
        super().__init__(f"{title}: {sentence}")
        self.title, self.sentence, self.diagnosed = title, sentence, diagnosed


@dataclass(frozen=True, slots=True)
class Delivered:
    """Observations from an epoch that passed the gate."""

    start: list[int]
    """Row hashes of the first batch, in order."""
    shuffle: ShuffleRecord | None
    """Quality of the shuffle. None if it was not sampled or too few sampled rows arrived."""


class WrongRows(Exception):
    """The epoch's rows differ from the dataset's, possibly in number. `sentence` holds what the gate alone can tell."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def check_epoch(
    batches: Iterable[Batch],
    wanted: SplitInfo,
    schema: Schema,
    *,
    order_sample: OrderSample | None,
    batch_size: int,
    device: str,
    group: Group = ALONE,
) -> Delivered:
    """Check a whole epoch against the split.

    wanted: the split that the batches must deliver. order_sample: rows to judge the shuffle by, None to leave that out.
    group: the ranks whose shards together must be the split. The shuffle is judged within this rank's shard.
    Raises FormBroken for a batch of a wrong form, and GateFailed if a batch changes later, was not ready or has a wrong
    size, or if the epoch does not end.
    Raises WrongRows if the rows differ from the split's.
    """
    watch = ShuffleWatch(order_sample, shard_rows(group, wanted.rows), device) if order_sample else None
    hashed, held = HashedTwice(watch), list[Batch]()
    rows, odd = 0, None
    for number, batch in enumerate(map(plain_batch, batches)):
        require_form(batch, schema, device=device, batch_size=batch_size)
        if len(batch.label) != batch_size and odd is None:
            odd = number, len(batch.label)
        if device == "cpu":  # on a GPU this would wait for the device and hide a copy that is not ordered
            check_offsets(batch)
        rows += len(batch.label)
        refuse_endless(rows, wanted.rows, batch_size)
        hashed.add(batch)
        held.append(batch)
        if len(held) == HELD_BATCHES:
            _hash_again(held, hashed, device)
            held = []
    hashed.flush()
    _hash_again(held, hashed, device)
    at_once, later = (of_all_ranks(group, sums) for sums in (hashed.at_once, hashed.later))
    refuse_wrong(at_once, later, wanted, batch_size, [int(total) for total in hashed.sums])
    if sentence := wrong_size(odd, len(hashed.sums), batch_size):
        raise GateFailed(sentence)
    start = [] if hashed.start is None else hashed.start.tolist()
    return Delivered(start, watch.result(batch_size) if watch else None)


def of_all_ranks(group: Group, rows: RowSum) -> Checksum:
    """Return the checksum of the rows of all ranks together. Waits for the device and the ranks."""
    own = rows.result()
    if group.size == 1:
        return own
    return Checksum(total(group, own.rows), f"{total(group, int(own.digest, 16)) % 2**64:016x}")


def _hash_again(held: list[Batch], hashed: HashedTwice, device: str) -> None:
    """Wait for the device, then check and hash the held batches a second time."""
    synchronise(device)
    for batch in held:
        check_offsets(batch)
    hashed.again(held)


def check_offsets(batch: Batch) -> None:
    """Raise GateFailed unless offsets run from 0 to the number of values without decreasing. Waits for the device."""
    for name, (values, offsets) in batch.bags.items():
        if int(offsets[0]) != 0 or int(offsets[-1]) != len(values) or bool((offsets[1:] < offsets[:-1]).any()):
            raise GateFailed(
                f"the offsets of {spoken(name)} run from {int(offsets[0])} to {int(offsets[-1])}, but must run from 0 to "
                f"{len(values)}, the number of values, without decreasing"
            )


def most_rows(wanted_rows: int, batch_size: int) -> int:
    """Return the rows beyond which an epoch seems never to end."""
    return wanted_rows + MAX_EXTRA_BATCHES * batch_size


def refuse_endless(rows: int, wanted_rows: int, batch_size: int) -> None:
    """Raise EndlessEpoch if an epoch has delivered so many rows that it seems never to end."""
    if rows > most_rows(wanted_rows, batch_size):
        raise EndlessEpoch(
            f"an epoch does not end: it was stopped after {rows:,} rows, but the split has {wanted_rows:,}"
        )


def refuse_wrong(at_once: Checksum, later: Checksum, wanted: SplitInfo, batch_size: int, sums: list[int]) -> None:
    """Raise GateFailed or WrongRows unless both checksums of the epoch are the split's.

    at_once: rows as they were handed over. later: the same rows, hashed again.
    sums: the sum of row hashes of each batch, to recognise a batch that is repeated.
    """
    right = (wanted.rows, wanted.checksum)
    if (at_once.rows, at_once.digest) == right:
        if later.digest != wanted.checksum:
            raise GateFailed("a batch changed while the consumer held it: the loader reused its buffer")
        return
    if (later.rows, later.digest) == right:
        raise GateFailed(
            "a batch was not ready when it was handed over: its values were right only later "
            "(a copy is not ordered before the consumer's stream)"
        )
    if count := wrong_count(at_once.rows, wanted.rows, batch_size):
        raise WrongRows(count)
    repeated = next((number for number, (before, after) in enumerate(pairwise(sums)) if before == after), None)
    if repeated is not None:
        raise WrongRows(f"batch {repeated + 2} repeats batch {repeated + 1}")
    raise WrongRows(f"the checksum of the rows is {at_once.digest}, but must be {wanted.checksum}")


def wrong_count(rows: int, wanted: int, batch_size: int) -> str:
    """Return a sentence if an epoch of `rows` rows has the wrong length, and an empty string otherwise."""
    if rows == wanted:
        return ""
    difference = f"{wanted - rows:,} fewer" if rows < wanted else f"{rows - wanted:,} more"
    sentence = f"an epoch delivered {rows:,} rows, {difference} than the {wanted:,} in the split"
    if wanted - rows == (wanted % batch_size or batch_size):
        sentence += ": the last batch is missing"
    return sentence
