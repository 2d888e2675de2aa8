"""After the clock: one more epoch that is timed, one whose every row is compared with the dataset, and the order of the next.

Their numbers are drawn at random, so that no loader can prepare for them.
"""

from __future__ import annotations

import itertools
import random
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from feedrate.bench.datasets.rows.checksum import row_hashes
from feedrate.bench.gate.epoch import Delivered, GateFailed, TimedRowsWrong, WrongRows, check_epoch
from feedrate.bench.gate.row_diagnosis import explain
from feedrate.bench.host.ranks.group import Group, first_decides
from feedrate.bench.results.flags import is_late
from feedrate.bench.results.record import ShuffleRecord
from feedrate.bench.timing.clock import now
from feedrate.bench.trial.context import TrialContext
from feedrate.bench.trial.timed_epoch import EpochTimer
from feedrate.bench.trial.training import TimedEpochs, read_all
from feedrate.loaders.base import Loader
from feedrate.loaders.form import plain_batch
from feedrate.loaders.parquet.columns import read_columns

LATEST = 1000
"""How far beyond the timed epochs the numbers of the later ones may lie."""

LATE_TRIES = 3
"""Later epochs that are timed until one is not slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """The gate's measurements of a correct epoch."""

    shuffle: ShuffleRecord | None = None
    repeated_order: str = ""
    """A sentence if epochs had the same order or the same batches."""
    late_epoch_s: float | None = None
    """Time of an epoch with a number that the loader could not expect, without training."""
    gate_s: float | None = None
    """Time of all these epochs. None if there was no gate."""


def check_rows(timer: EpochTimer, timed: TimedEpochs) -> Checks:
    """Time one more epoch, and compare another one's rows with the dataset's. Raises GateFailed with what is wrong."""
    begin = now()
    first = len(timed.epochs) + _drawn(timer.context.group, 1)
    late_epoch_s = _time_late_epoch(timer, timed, first)
    number = first + LATE_TRIES
    delivered = _check_epoch(timer.context, timer.loader, number)
    return Checks(
        shuffle=delivered.shuffle,
        repeated_order=_repeated_order(timer, number + 1, delivered.start) if timer.context.spec.shuffle else "",
        late_epoch_s=late_epoch_s,
        gate_s=now() - begin,
    )


def _drawn(group: Group, least: int) -> int:
    """Return a number from `least` to LATEST, the same one on each rank, that no loader can know."""
    return int(group.all(b"%d" % random.SystemRandom().randrange(least, LATEST))[0])


def _time_late_epoch(timer: EpochTimer, timed: TimedEpochs, number: int) -> float:
    """Return the seconds of an epoch that the loader could not expect. A slow one is repeated: the machine may be busy."""
    steady = [epoch.record for epoch in timed.epochs[1:] or timed.epochs]
    times_s: list[float] = []
    while len(times_s) < LATE_TRIES and first_decides(
        timer.context.group, lambda: all(is_late(seconds, steady) for seconds in times_s)
    ):
        title = f"an epoch after the clock{', again' * bool(times_s)}"
        epoch = timer.time(number + len(times_s), partial(read_all, timer.read), title=title)
        times_s.append(epoch.record.wall_s)
    return min(times_s)


def explain_timed_rows(context: TrialContext, loader: Loader, error: TimedRowsWrong) -> str:
    """Return what is wrong with a loader whose timed epoch had wrong rows.

    If the error does not name wrong rows or columns, and the whole of another epoch is wrong, too, it says what is
    wrong there.
    """
    number = context.spec.epochs + _drawn(context.group, 0)
    try:
        _check_epoch(context, loader, number, explain_rows=not error.diagnosed)
    except GateFailed as whole:
        elsewhere = str(whole)
        alike = elsewhere.startswith(error.sentence)
        return f"{error.title}: {elsewhere}" if alike else f"{error}; another epoch: {elsewhere}"
    except WrongRows:  # the error has explained its rows
        return str(error)
    except Exception:  # the finding stands, however another epoch ends
        traceback.print_exc()
    return str(error)


def _check_epoch(context: TrialContext, loader: Loader, number: int, *, explain_rows: bool = True) -> Delivered:
    """Compare every row of an epoch with the dataset's. Raises GateFailed or FormBroken with what is wrong.

    explain_rows: whether wrong rows are explained. Otherwise WrongRows is raised.
    """
    try:
        return check_epoch(
            context.reported("check", loader.epoch(number), "train"),
            context.dataset.info.splits["train"],
            context.dataset.info.schema,
            order_sample=context.dataset.order_sample("train"),
            batch_size=context.spec.batch_size,
            device=context.spec.device,
            group=context.group,
        )
    except WrongRows as error:
        if not explain_rows:
            raise
        if context.group.size > 1:  # a rank has a part of the rows only
            raise GateFailed(f"all ranks together: {error.sentence}") from None
        raise GateFailed(_explained(context, loader, number, error.sentence)) from None


def _repeated_order(timer: EpochTimer, number: int, start: Sequence[int]) -> str:
    """Return a sentence if epochs had the same order. start: row hashes of the first batch of the epoch before `number`."""
    if timer.rows is not None and timer.rows.repeats.sentence:
        return timer.rows.repeats.sentence
    batches = iter(timer.loader.epoch(number))
    first = next(batches, None)
    alike = first is not None and len(start) > 1 and row_hashes(plain_batch(first)).tolist() == start
    del batches
    return "two epochs began with the same rows in the same order" if alike else ""


def _explained(context: TrialContext, loader: Loader, epoch: int, sentence: str) -> str:
    """The gate's sentence, and the cause that a row-by-row comparison finds."""
    most = 2 * context.dataset.info.splits["train"].rows // context.spec.batch_size + 2
    try:
        batches = itertools.islice(context.reported("compare rows", loader.epoch(epoch), "train"), most)
        why = explain(map(plain_batch, batches), read_columns(context.dataset.split("train")))
    except Exception as error:  # the gate's finding stands, however the row-by-row comparison ends
        traceback.print_exc()
        why = f"the row-by-row comparison failed with {type(error).__name__}: {error}"
    return f"{sentence}; {why}" if why else sentence
