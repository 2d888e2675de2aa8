"""One timed epoch, measured by the clock, the CPUs and the device."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TypeVar

import torch

from feedrate.bench.consumer.reading import BatchReader
from feedrate.bench.gate.epoch import EndlessEpoch, GateFailed
from feedrate.bench.gate.timed_rows import TimedRows
from feedrate.bench.host.process_usage import Usage, since
from feedrate.bench.host.thread_times import LoaderCpu, ThreadTimes
from feedrate.bench.results.messages import Mark
from feedrate.bench.results.parts.network import NetworkRecord
from feedrate.bench.results.record import EpochRecord
from feedrate.bench.timing.clock import now, synchronise
from feedrate.bench.timing.device_marks import DeviceMarks
from feedrate.bench.timing.epoch_clock import EpochClock
from feedrate.bench.timing.ranges import span
from feedrate.bench.trial.context import TrialContext
from feedrate.bench.trial.off_clock import OffClock
from feedrate.bench.trial.warm_up import prepare_page_cache
from feedrate.loaders.base import Batch, Loader
from feedrate.loaders.form import epoch_of, require_form

Number = TypeVar("Number", int, float)
MEMORY_EVERY_S = 0.2
"""Seconds between two readings of memory, which can take longer than a short epoch."""
FIRST_EPOCHS = 6
"""Epochs after which memory is read in any case: they tell a leak from a loader that fills its buffers."""


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


@dataclass(slots=True)
class EpochTimer:
    """Times epochs of one loader with the same events and against the same memory in use."""

    context: TrialContext
    loader: Loader
    marks: DeviceMarks | None
    """CUDA events to record each epoch with; None on the CPU."""
    gpu_bytes_before: int | None
    """Device memory in use before the trial; None on the CPU."""
    read: BatchReader
    """Reads every batch, whatever else consumes it."""
    rows: TimedRows | None
    """Checks what the epochs delivered; None for the built-in loader that replays batches."""
    off_clock: OffClock
    harness_s: float = 0.0
    """Seconds that the harness has spent around the windows."""
    _last: tuple[float, float] | None = None
    _last_window: tuple[float, float] | None = None
    _memory_read_at: float = field(default=0.0)

    @classmethod
    def of(
        cls, context: TrialContext, loader: Loader, read: BatchReader, cpu: LoaderCpu, gpu_bytes_before: int | None
    ) -> EpochTimer:
        """Make a timer whose CUDA events serve all epochs."""
        spec = context.spec
        marks = DeviceMarks(spec.device) if context.on_gpu else None
        rows = None
        if not context.replays:
            rows = TimedRows(
                context.dataset,
                "train",
                read,
                batch_size=spec.batch_size,
                device=spec.device,
                every=spec.check == "every",
                group=context.group,
            )
        return cls(context, loader, marks, gpu_bytes_before, read, rows, OffClock(cpu))

    def time(
        self,
        number: int,
        consume: Callable[[Iterator[Batch]], None],
        flush: Callable[[], None] = lambda: None,
        *,
        title: str = "",
    ) -> TimedEpoch:
        """Time epoch `number` (from 0) while `consume` takes its batches. Raises GateFailed if its rows are wrong.

        flush: work that belongs to the epoch and comes after its last batch. title: of an epoch that is not one of the
        timed ones, which the suite is not told of.
        """
        context, spec = self.context, self.context.spec
        resident = prepare_page_cache(context) if number and spec.cache == "cold" and not title else None
        start, each_step = partial(epoch_of, self.loader, number), spec.mode != "load"
        self._await_device()
        begin = now()
        self._begin_rows()
        context.group.barrier()
        clock = EpochClock(start, spec.device, self.marks, flush, each_step=each_step)
        before, threads_before = Usage.now(memory=False), ThreadTimes.now()
        self.off_clock.window_begins(threads_before)
        self._mark("window begins", title)
        with span("epoch", number):
            batches = context.reported(title or f"epoch {number + 1}", clock, "train", self.rows)
            try:
                consume(batches if number else self._guarded(batches))
            except EndlessEpoch as error:
                raise GateFailed(self._explain_endless(error, start)) from None
        context.group.barrier()
        self._mark("window ended", title)
        threads = ThreadTimes.now()
        self.off_clock.window_ended(threads, clock.rows)
        after = Usage.now(memory=self._memory_due(number))
        self._check(title or f"timed epoch {number + 1}", clock)
        record = self._with_memory(epoch_record(clock, before, after), before, after)
        self._last = clock.wall_s, record.sampling_s or 0.0
        # before the first window lies nothing that counts
        self.harness_s += now() - (begin if self._last_window else clock.window[0]) - clock.wall_s
        self._last_window = clock.window
        return TimedEpoch(
            record=with_cores(record, threads_before, threads),
            window=clock.window,
            first_batch_s=clock.first_batch_s(),
            waits_s=array("d", clock.waits_s),
            steps_s=array("d", clock.steps_s),
            resident_fraction=resident,
        )

    def _explain_endless(self, error: EndlessEpoch, start: Callable[[], Iterator[Batch]]) -> str:
        if self.rows is None or self.context.group.size > 1:  # another reading would lack the other ranks' rows
            return str(error)
        return self.rows.explain_endless(error, lambda: self.context.reported("compare rows", start(), "train"))

    def _await_device(self) -> None:
        """Wait for work that the loader left on the device, and note how long that took."""
        if self.context.on_gpu:
            begin = now()
            synchronise(self.context.spec.device)
            self.off_clock.device_s += now() - begin

    def _begin_rows(self) -> None:
        if self.rows is not None:
            self.rows.begin(self._last)
        else:
            self.read.begin(-(-self.context.rows_of("train") // self.context.spec.batch_size))

    def _mark(self, mark: Mark, title: str) -> None:
        if not title:
            self.context.mark(mark)

    def _check(self, title: str, clock: EpochClock) -> None:
        self.context.guard.require_untouched()
        if self.rows is not None:
            self.rows.end(title, clock.rows)

    def _guarded(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield the batches of the first epoch. Look at the form of the first one, and after it at what must not be replaced."""
        spec, schema = self.context.spec, self.context.dataset.info.schema
        for number, batch in enumerate(batches):
            if number == 0:
                require_form(batch, schema, device=spec.device, batch_size=spec.batch_size)
            yield batch
            if number == 0:
                self.context.guard.require_untouched()

    def _memory_due(self, number: int) -> bool:
        due = number < FIRST_EPOCHS or now() - self._memory_read_at > MEMORY_EVERY_S
        if due:
            self._memory_read_at = now()
        return due

    def _with_memory(self, record: EpochRecord, before: Usage, after: Usage) -> EpochRecord:
        used, rows = gpu_bytes_used(self.context.spec.device), self.rows
        return replace(
            record,
            storage_bytes=since(after.storage_bytes, before.storage_bytes),
            read_bytes=since(after.read_bytes, before.read_bytes),
            rss_bytes=after.rss_bytes or None,
            pss_bytes=after.pss_bytes,
            gpu_bytes=_beyond(used, self.gpu_bytes_before),
            sampled_batches=rows.copied if rows else None,
            sampling_s=rows.copied_s if rows else None,
        )


def with_cores(record: EpochRecord, before: ThreadTimes, after: ThreadTimes) -> EpochRecord:
    """Return the record with the CPU time of the consumer's thread and the waits for a core, between two readings."""
    return replace(
        record,
        thread_cpu_s=after.consumer_run_s(before),
        run_queue_s=after.consumer_queue_s(before),
        others_run_queue_s=after.others_queue_s(before),
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
        network=_network(clock, before, after),
    )


def _network(clock: EpochClock, before: Usage, after: Usage) -> NetworkRecord | None:
    if before.network is None or after.network is None:
        return None
    return NetworkRecord(**asdict(after.network.since(before.network)), wait_s=clock.wait_network_s)


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
