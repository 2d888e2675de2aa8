"""One timed epoch, measured by the clock, the CPUs and the device."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import torch

from feedrate.bench.gate.epoch import GateFailed, wrong_count
from feedrate.bench.host.process_usage import Usage, since
from feedrate.bench.results.record import EpochRecord
from feedrate.bench.timing.device_marks import DeviceMarks
from feedrate.bench.timing.epoch_clock import EpochClock
from feedrate.bench.timing.ranges import span
from feedrate.bench.trial.context import TrialContext
from feedrate.bench.trial.warm_up import prepare_page_cache
from feedrate.loaders.base import Batch, Loader

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedEpoch:
    """A timed epoch and its raw samples."""

    record: EpochRecord
    window: tuple[float, float]
    """When the clock started and stopped, in seconds of clock.now()."""
    first_batch_s: float
    """Seconds from the start of the window until the first batch was ready on the device."""
    waits_s: array[float]
    """Seconds in next() for each step; an array takes a quarter of a list's memory, which is counted as the trial's."""
    steps_s: array[float]
    resident_fraction: float | None = None
    """Cold epochs after the first: share of the training files' pages in the page cache just before."""


@dataclass(frozen=True, slots=True)
class EpochTimer:
    """Times epochs of one loader with the same events and against the same memory in use."""

    context: TrialContext
    loader: Loader
    marks: DeviceMarks | None
    """CUDA events to record each epoch with; None on the CPU."""
    gpu_bytes_before: int | None
    """Device memory in use before the trial; None on the CPU."""

    @classmethod
    def of(cls, context: TrialContext, loader: Loader, gpu_bytes_before: int | None) -> EpochTimer:
        """Make a timer whose CUDA events serve all epochs."""
        marks = DeviceMarks(context.spec.device) if context.on_gpu else None
        return cls(context, loader, marks, gpu_bytes_before)

    def time(
        self, number: int, consume: Callable[[Iterator[Batch]], None], flush: Callable[[], None] = lambda: None
    ) -> TimedEpoch:
        """Time epoch `number` (from 0) while `consume` takes its batches. Raises GateFailed if it is not whole.

        flush: work that belongs to the epoch and comes after its last batch.
        """
        context, spec = self.context, self.context.spec
        resident = prepare_page_cache(context) if number and spec.cache == "cold" else None
        start, each_step = partial(self.loader.epoch, number), spec.mode != "load"
        clock = EpochClock(start, spec.device, self.marks, flush, each_step=each_step)
        before = Usage.now(memory=False)
        context.mark("window begins")
        with span("epoch", number):
            consume(context.reported(f"epoch {number + 1}", clock, "train"))
        context.mark("window ended")
        after = Usage.now(memory=True)
        if sentence := wrong_count(clock.rows, context.dataset.info.splits["train"].rows, spec.batch_size):
            raise GateFailed(f"timed epoch {number + 1}: {sentence}")
        used = gpu_bytes_used(spec.device)
        record = replace(
            epoch_record(clock, before, after),
            storage_bytes=since(after.storage_bytes, before.storage_bytes),
            read_bytes=since(after.read_bytes, before.read_bytes),
            rss_bytes=after.rss_bytes,
            pss_bytes=after.pss_bytes,
            gpu_bytes=_beyond(used, self.gpu_bytes_before),
        )
        return TimedEpoch(
            record=record,
            window=clock.window,
            first_batch_s=clock.first_batch_s(),
            waits_s=array("d", clock.waits_s),
            steps_s=array("d", clock.steps_s),
            resident_fraction=resident,
        )


def epoch_record(clock: EpochClock, before: Usage, after: Usage) -> EpochRecord:
    """The measurements of the clock and the CPUs for a window. Memory and bytes read are not filled in."""
    stall_s, gap_s = clock.stall_and_gap_s()
    return EpochRecord(
        rows=clock.rows,
        wall_s=clock.wall_s,
        wait_s=clock.wait_s,
        wait_cpu_s=clock.wait_cpu_s,
        wait_others_cpu_s=clock.wait_others_cpu_s,
        copy_s=clock.copy_s if clock.copies else None,
        stall_s=stall_s,
        gap_s=gap_s,
        worker_cpu_s=after.busiest_child_s(before),
        cpu_s=_beyond(after.cpu_s, before.cpu_s),
    )


def _beyond(after: Number | None, before: Number | None) -> Number | None:
    """The growth; None if it is unknown. It is also unknown if it is negative, because another process then had a part in it."""
    if after is None or before is None or after < before:
        return None
    return after - before


def gpu_bytes_used(device: str) -> int | None:
    """Bytes in use on the whole device, so that every pool counts; None on the CPU."""
    if device == "cpu":
        return None
    free, total = torch.cuda.mem_get_info(device)
    return total - free
