"""Times an epoch: when each batch was requested and received, on the host and on the device."""

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
from feedrate.loaders.form import plain_batch
from feedrate.loaders.stores.traffic import traffic_so_far


class EpochClock:
    """Starts an epoch, passes on its batches, and records when each was requested and received. Also counts rows."""

    def __init__(
        self,
        start: Callable[[], Iterator[Batch]],
        device: str,
        marks: DeviceMarks | None = None,
        flush: Callable[[], None] = lambda: None,
        *,
        each_step: bool = True,
    ) -> None:
        """Prepare the clock. It starts when the iteration does.

        start: begins the epoch and returns its batches.
        marks: device marks of a finished epoch, whose events are reused. Default: new ones on a GPU.
        flush: work after the last batch that still belongs to the epoch.
        each_step: whether to measure the device and CPU time of every step. If False on a GPU, only the first batch is
        marked on the device, and stall and CPU times are None. Measuring them can take longer than a loader takes for
        a batch.
        """
        self._start, self._device, self._flush = start, device, flush
        self._detailed = each_step or device == "cpu"
        self.rows = 0
        """Rows received so far."""
        self.wall_s = 0.0
        """Length of the window in seconds. 0 until the epoch has ended."""
        self.window = (0.0, 0.0)
        """Start and stop of the clock, in seconds on the scale of now()."""
        self.copy_s = 0.0
        """Host seconds that the loader spent copying to the device within next()."""
        self.copies = 0
        """Number of copies within next() that `copy_s` covers."""
        self.wait_network_s = 0.0
        """Seconds in next() in which a thread of the loader waited for an object store."""
        self._requested: list[float] = []
        self._received: list[float] = []
        self._cpu: list[float] = []
        self._marks = marks
        if marks is None and device != "cpu":
            self._marks = DeviceMarks(device)

    def __iter__(self) -> Iterator[Batch]:
        with phases.listening(PhaseWatch(self)):
            yield from self._batches()

    def _batches(self) -> Iterator[Batch]:
        requested, received, marks, clock = self._requested, self._received, self._marks, time.monotonic
        note_cpu, thread_cpu, process_cpu = self._cpu.extend, time.thread_time, time.process_time
        detailed, before = self._detailed, (0.0, 0.0)
        traffic = traffic_so_far()
        network_s = traffic.waited_s if traffic else _no_network
        batches: Iterator[Batch] | None = None
        synchronise(self._device)
        if marks:
            marks.begin()
        while True:
            requested.append(clock())
            if detailed:
                before = thread_cpu(), process_cpu()
            network_before_s = network_s()
            mark = marks if detailed or not received else None
            if mark:
                mark.add()
            with span("next"):
                if batches is None:  # a loader may do its work before it returns an iterator, which is waiting too
                    batches = iter(self._start())
                batch = next(batches, None)
                if batch is not None:  # the loader cannot change it afterwards, and lazy work is done within next()
                    batch = plain_batch(batch)
            if mark:
                mark.add()
            if detailed:
                note_cpu((thread_cpu() - before[0], process_cpu() - before[1]))
            self.wait_network_s += network_s() - network_before_s
            received.append(clock())
            if batch is None:
                break
            self.rows += batch.label.numel()
            yield batch
        batches = None  # what the iterator does when it is dropped belongs to the epoch
        self._flush()
        synchronise(self._device)
        self.window = requested[0], clock()
        self.wall_s = self.window[1] - self.window[0]

    @property
    def waits_s(self) -> list[float]:
        """Host seconds in next(), for each step."""
        return [end - start for start, end in zip(self._requested[:-1], self._received[:-1], strict=True)]

    @property
    def wait_s(self) -> float:
        """All host seconds in next(), including the call that found the end."""
        return sum(end - start for start, end in zip(self._requested, self._received, strict=True))

    @property
    def steps_s(self) -> list[float]:
        """Seconds from each request to the next one."""
        return [after - before for before, after in zip(self._requested[:-1], self._requested[1:], strict=True)]

    @property
    def wait_cpu_s(self) -> float | None:
        """CPU seconds of the consumer thread in next(). None if steps are not measured."""
        return sum(self._cpu[::2]) if self._detailed else None

    @property
    def wait_others_cpu_s(self) -> float | None:
        """CPU seconds of the other threads while the consumer was in next(). None if steps are not measured."""
        return max(sum(self._cpu[1::2]) - sum(self._cpu[::2]), 0.0) if self._detailed else None

    def first_batch_s(self) -> float:
        """Return the seconds from the start of the window until the first batch was ready on the device."""
        ready_s = self._received[0]
        if self._marks:
            ready_s = max(ready_s, self._marks.gaps_s(self._requested[0])[0][1])
        return ready_s - self._requested[0]

    def stall_and_gap_s(self) -> tuple[float | None, float | None]:
        """Return the stall and the remaining gap, in seconds.

        The stall is waiting with an idle device. The gap is other device time between steps, and None on the CPU.
        Both are None on a GPU if steps are not measured.
        """
        if self._marks is None:  # the consumer is the device, which is idle whenever the consumer waits
            return self.wait_s, None
        if not self._detailed:
            return None, None
        gaps = self._marks.gaps_s(self._requested[0])
        waits = zip(self._requested, self._received, strict=True)
        stall = sum(overlap(gap, wait) for gap, wait in zip(gaps, waits, strict=True))
        return stall, max(sum(end - start for start, end in gaps) - stall, 0.0)  # rounding may put it below 0


def _no_network() -> float:
    return 0.0


def overlap(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Return the length of the intersection of two intervals (start, end)."""
    return max(min(first[1], second[1]) - max(first[0], second[0]), 0.0)


class PhaseWatch:
    """Opens a range for each phase that a loader reports. Adds `copy` phases of the consumer's thread to its clock."""

    def __init__(self, clock: EpochClock) -> None:
        self._clock = clock
        self._thread = threading.get_ident()

    def __call__(self, phase: phases.Phase, amount: int | None) -> contextlib.AbstractContextManager[object]:
        """Return the context of a phase. amount: the payload of the range, if any."""
        if phase == "copy" and threading.get_ident() == self._thread:
            return self._copy(amount)
        return span(phase, amount)

    @contextlib.contextmanager
    def _copy(self, amount: int | None) -> Iterator[None]:
        started_s = time.monotonic()
        with span("to_device", amount):
            yield
        self._clock.copy_s += time.monotonic() - started_s
        self._clock.copies += 1
