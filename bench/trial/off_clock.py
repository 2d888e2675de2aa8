"""Measures the work that a loader's threads and processes do outside the timed windows."""

from __future__ import annotations

from feedrate.bench.host.thread_times import LoaderCpu, ThreadTimes

EVALUATION_ALLOWANCE = 2.0
"""CPU time per row that an evaluation may take, as a multiple of that of the timed epochs."""


class OffClock:
    """Adds up the CPU time of the loader's own threads and processes between the windows, and work left on the device."""

    def __init__(self, cpu: LoaderCpu) -> None:
        """cpu: knows the threads that are not the loader's. Create this once the loader is open."""
        self._cpu = cpu
        self._last = cpu.spent_s(ThreadTimes.now())
        self._gaps_s = 0.0
        self._windows_s = 0.0
        self._windows = self._window_rows = 0
        self._evaluations_s = 0.0
        self._evaluations = self._evaluated_rows = 0
        self.device_s = 0.0
        """Seconds of waiting for the device before windows: work that was still under way there."""

    def window_begins(self, times: ThreadTimes) -> None:
        """Take the reading just before a window."""
        self._gaps_s += self._since_last(times)

    def window_ended(self, times: ThreadTimes, rows: int) -> None:
        """Take the reading just after a window of so many rows."""
        self._windows_s += self._since_last(times)
        self._windows += 1
        self._window_rows += rows

    def skip(self) -> None:
        """Leave out what was done since the last reading."""
        self._last = self._cpu.spent_s(ThreadTimes.now())

    def evaluation_begins(self) -> None:
        """Take a reading just before an evaluation."""
        self._gaps_s += self._since_last(ThreadTimes.now())

    def evaluation_ended(self, rows: int) -> None:
        """Take a reading just after an evaluation of so many rows."""
        self._evaluations_s += self._since_last(ThreadTimes.now())
        self._evaluations += 1
        self._evaluated_rows += rows

    @property
    def cpu_s(self) -> float | None:
        """CPU seconds outside the windows. None if unknown.

        Of evaluations, only what they take beyond EVALUATION_ALLOWANCE counts, and beyond a timed epoch each: starting
        workers takes as long for few rows as for many.
        """
        if self._last is None or not self._windows:
            return None
        by_rows_s = EVALUATION_ALLOWANCE * self._windows_s / self._window_rows * self._evaluated_rows
        by_number_s = self._windows_s / self._windows * self._evaluations
        return self._gaps_s + max(self._evaluations_s - max(by_rows_s, by_number_s), 0.0)

    def _since_last(self, times: ThreadTimes) -> float:
        before, self._last = self._last, self._cpu.spent_s(times)
        return 0.0 if before is None or self._last is None else max(self._last - before, 0.0)
