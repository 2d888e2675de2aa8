"""Times an epoch: when each batch was asked for and came, on the host and on the device."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from feedrate.bench.timing.clock import synchronise
from feedrate.bench.timing.device_marks import DeviceMarks
from feedrate.bench.timing.ranges import span
from feedrate.loaders import phases
from feedrate.loaders.base import Batch


class EpochClock:
    """Starts an epoch, hands on its batches and notes when each was asked for, when it came and how many rows it had."""

    def __init__(
        self,
        start: Callable[[], Iterator[Batch]],
        device: str,
        marks: DeviceMarks | None = None,
        flush: Callable[[], None] = lambda: None,
        *,
        each_step: bool = True,
    ) -> None:
        """marks: of an epoch that is over, to use its events again; flush: work that belongs to the epoch, after its last batch.

        each_step: False: on a GPU only the first batch is marked on the device, and there are neither stall nor CPU times: a
        loader alone may need less time for a batch than these would.
        """
        self._start, self._device, self._flush = start, device, flush
        self._detailed = each_step or device == "cpu"
        self.rows = 0
        self.wall_s = 0.0
        self.window = (0.0, 0.0)
        """When the clock started and stopped, in the seconds of now()."""
        self.copy_s = 0.0
        """Host time in next() that the loader spent in copies to the device."""
        self.copies = 0
        self._asked: list[float] = []
        self._came: list[float] = []
        self._cpu: list[float] = []
        self._marks = marks
        if marks is None and device != "cpu":
            self._marks = DeviceMarks(device)

    def __iter__(self) -> Iterator[Batch]:
        with phases.listening(PhaseWatch(self)):
            yield from self._batches()

    def _batches(self) -> Iterator[Batch]:
        asked, came, marks, clock = self._asked, self._came, self._marks, time.monotonic
        note_cpu, thread_cpu, process_cpu = self._cpu.extend, time.thread_time, time.process_time
        detailed, before = self._detailed, (0.0, 0.0)
        batches: Iterator[Batch] | None = None
        synchronise(self._device)
        if marks:
            marks.begin()
        while True:
            asked.append(clock())
            if detailed:
                before = thread_cpu(), process_cpu()
            mark = marks if detailed or not came else None
            if mark:
                mark.add()
            with span("next"):
                if batches is None:  # a loader may do its work before it returns an iterator: that is waiting, too
                    batches = iter(self._start())
                batch = next(batches, None)
            if mark:
                mark.add()
            if detailed:
                note_cpu((thread_cpu() - before[0], process_cpu() - before[1]))
            came.append(clock())
            if batch is None:
                break
            self.rows += batch.label.shape[0]  # what came, whatever the batch says of itself
            yield batch
        self._flush()
        synchronise(self._device)
        self.window = asked[0], clock()
        self.wall_s = self.window[1] - self.window[0]

    @property
    def waits_s(self) -> list[float]:
        """Host time in next() of each step."""
        return [came - asked for asked, came in zip(self._asked[:-1], self._came[:-1], strict=True)]

    @property
    def wait_s(self) -> float:
        """All host time in next(), the one that found the end included."""
        return sum(came - asked for asked, came in zip(self._asked, self._came, strict=True))

    @property
    def steps_s(self) -> list[float]:
        """From each request to the following one."""
        return [after - before for before, after in zip(self._asked[:-1], self._asked[1:], strict=True)]

    @property
    def wait_cpu_s(self) -> float | None:
        """The consumer thread's CPU time in next()."""
        return sum(self._cpu[::2]) if self._detailed else None

    @property
    def wait_others_cpu_s(self) -> float | None:
        """CPU time of the process's other threads while the consumer was in next()."""
        return max(sum(self._cpu[1::2]) - sum(self._cpu[::2]), 0.0) if self._detailed else None

    def first_batch_s(self) -> float:
        """From the start of the window until the first batch is ready on the device."""
        came_s = self._came[0]
        if self._marks:
            came_s = max(came_s, self._marks.gaps_s(self._asked[0])[0][1])
        return came_s - self._asked[0]

    def stall_and_gap_s(self) -> tuple[float | None, float | None]:
        """Waiting with an idle device; and device time between steps beyond that (None on the CPU)."""
        if self._marks is None:  # the consumer is the device: it is idle whenever it waits
            return self.wait_s, None
        if not self._detailed:
            return None, None
        gaps = self._marks.gaps_s(self._asked[0])
        stall = sum(
            overlap(gap, wait) for gap, wait in zip(gaps, zip(self._asked, self._came, strict=True), strict=True)
        )
        return stall, sum(end - start for start, end in gaps) - stall


def overlap(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Length of what two intervals have in common."""
    return max(min(one[1], other[1]) - max(one[0], other[0]), 0.0)


class PhaseWatch:
    """A range for each phase of a loader's threads; and for one clock the sum of `copy` in the thread that made it."""

    def __init__(self, clock: EpochClock) -> None:
        self._clock = clock
        self._thread = threading.get_ident()

    def __call__(self, phase: phases.Phase, amount: int | None) -> contextlib.AbstractContextManager[object]:
        if phase == "copy" and threading.get_ident() == self._thread:
            return self._copy(amount)
        return span(phase, amount)

    @contextlib.contextmanager
    def _copy(self, amount: int | None) -> Iterator[None]:
        began = time.monotonic()
        with span("to_device", amount):
            yield
        self._clock.copy_s += time.monotonic() - began
        self._clock.copies += 1
