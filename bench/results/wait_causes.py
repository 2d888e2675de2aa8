"""Why a loader is waited for: pure functions of epoch records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feedrate.bench.results.record import EpochRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitCauses:
    """Seconds of waiting with an idle device, by what the loader did in the meantime."""

    fetch_s: float
    """The loader was blocked and none of its threads or processes computed: storage, network, locks, sleep."""
    decode_s: float
    """The loader computed: on the consumer's thread, on another thread, or in a worker process."""
    copy_s: float
    """Copies from host to device: host time in copies, and device time between steps of a loader that copies."""
    device_s: float
    """Device time between steps of a loader that does not copy: its kernels on the consumer's stream."""

    @property
    def main(self) -> str:
        """The name of the largest cause."""
        return max(("fetch", "decode", "copy", "device"), key=lambda name: getattr(self, f"{name}_s"))


def wait_causes(epochs: Sequence[EpochRecord]) -> WaitCauses | None:
    """Split the waits of some epochs by cause; None for records that lack the measurements (before version 2).

    CPU clocks split the wait. In next() the consumer's thread either computed (its own CPU time) or was blocked. While it
    was blocked, another thread computed (CPU time of the process minus the consumer's), or a worker process did. A worker's
    part is the busiest worker's share of the whole epoch: a worker that computes all the time is the bottleneck, and one
    that idles is waiting itself. The rest is waiting for something other than computation.
    """
    fetch = decode = copy = device = 0.0
    for epoch in epochs:
        if epoch.stall_s is None or epoch.wait_cpu_s is None or epoch.wait_others_cpu_s is None:
            return None
        copied = min(epoch.copy_s or 0.0, epoch.wait_s)
        computed = max(min(epoch.wait_cpu_s, epoch.wait_s) - copied, 0.0)
        blocked = max(epoch.wait_s - computed - copied, 0.0)
        worker = (epoch.worker_cpu_s or 0.0) / epoch.wall_s if epoch.wall_s else 0.0
        elsewhere = blocked * min(max(worker, epoch.wait_others_cpu_s / blocked if blocked else 0.0), 1.0)
        share = epoch.stall_s / epoch.wait_s if epoch.wait_s else 0.0
        decode += (computed + elsewhere) * share
        fetch += (blocked - elsewhere) * share
        copy += copied * share
        if epoch.copy_s is None:
            device += epoch.gap_s or 0.0
        else:
            copy += epoch.gap_s or 0.0
    return WaitCauses(fetch_s=fetch, decode_s=decode, copy_s=copy, device_s=device)
