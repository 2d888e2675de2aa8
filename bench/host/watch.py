"""Watches a trial from outside its process: memory of its process tree, and its device."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import psutil

from feedrate.bench.host.gpu import GpuSample, NvmlDevice, summary
from feedrate.bench.results.gpu_record import GpuRecord
from feedrate.bench.timing.clock import now

WATCH_EVERY_S = 0.1
"""Seconds between two samples."""


class Watch:
    """Samples a process tree's memory and the device in a thread of the suite, not of the trial."""

    def __init__(self, pid: int) -> None:
        self.peak_rss_bytes = 0
        """Largest sum of resident set sizes over the process tree so far."""
        self.gpu_samples: list[GpuSample] = []
        self.paused = False
        """While True, no samples are taken."""
        self._process = psutil.Process(pid)
        self._gpu: NvmlDevice | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self, device: str) -> None:
        """Start sampling the process tree, and the device if NVML knows it."""
        self._gpu = NvmlDevice.open(device)
        self._thread.start()

    def stop(self) -> None:
        """Stop sampling and release the device. Harmless if sampling never started."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._gpu is not None:
            self._gpu.close()

    def gpu_within(self, windows: Sequence[tuple[float, float]]) -> GpuRecord | None:
        """Summarize the device over (start, end) windows in seconds of timing.now(). None with too few samples."""
        if self._gpu is None:
            return None
        clock_hz = self._gpu.max_sm_clock_hz()
        return summary(self.gpu_samples, windows, period_s=WATCH_EVERY_S, sm_clock_max_hz=clock_hz)

    def peak_gpu_bytes(self) -> int | None:
        """Return the peak of device memory above what was in use when sampling began. None without samples."""
        used = [sample.used_bytes for sample in self.gpu_samples if sample.used_bytes is not None]
        return max(used) - used[0] if used else None

    def _run(self) -> None:
        while not self._stop.wait(WATCH_EVERY_S):
            if self.paused:
                continue
            self.peak_rss_bytes = max(self.peak_rss_bytes, self._tree_rss_bytes())
            if self._gpu is not None:
                self.gpu_samples.append(self._gpu.sample(now()))

    def _tree_rss_bytes(self) -> int:
        total = 0
        try:
            for process in (self._process, *self._process.children(recursive=True)):
                total += process.memory_info().rss
        except psutil.NoSuchProcess:  # a process ended between listing and reading; the next sample is complete again
            return total
        return total
