"""Why a loader is waited for: pure functions of epoch records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feedrate.bench.results.record import EpochRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitCauses:
    """Seconds of waiting with an idle device, by what the loader did in the meantime."""

    fetch_s: float
    """The loader was blocked and none of its threads or processes computed: storage, locks, sleep."""
    network_s: float = 0.0
    """The same while one of them waited for an object store to answer."""
    core_s: float = 0.0
    """The loader was ready to run but waited for a core: other programs, or more threads than cores, were busy."""
    decode_s: float
    """The loader computed: on the consumer's thread, on another thread, or in a worker process."""
    copy_s: float
    """Copies from host to device: host time in copies, and device time between steps of a loader that copies."""
    device_s: float
    """Device time between steps of a loader that does not copy: its kernels on the consumer's stream."""

    @property
    def main(self) -> str:
        """The name of the largest cause."""
        return max(
            ("fetch", "network", "core", "decode", "copy", "device"), key=lambda name: getattr(self, f"{name}_s")
        )


def wait_causes(epochs: Sequence[EpochRecord]) -> WaitCauses | None:
    """Split the waits of some epochs by cause; None for records that lack the measurements (before version 2).

    CPU clocks split the wait. In next() the consumer's thread either computed (its own CPU time) or was blocked. While it
    was blocked, another thread computed (CPU time of the process minus the consumer's), or a worker process did. A worker's
    part is the busiest worker's share of the whole epoch: a worker that computes all the time is the bottleneck, and one
    that idles is waiting itself. The rest is waiting for something other than computation.

    A blocked thread may be ready to run and wait for a core. The system counts that for each thread over the window. The
    consumer's part within next() is taken in proportion to the time that it was off the CPU there and elsewhere.

    What remains is the network for as long as a thread waited for an object store within next(), and fetching otherwise.
    """
    fetch = network = core = decode = copy = device = 0.0
    for epoch in epochs:
        if epoch.stall_s is None or epoch.wait_cpu_s is None or epoch.wait_others_cpu_s is None:
            return None
        copied = min(epoch.copy_s or 0.0, epoch.wait_s)
        computed = max(min(epoch.wait_cpu_s, epoch.wait_s) - copied, 0.0)
        blocked = max(epoch.wait_s - computed - copied, 0.0)
        queued = min(_own_queue_s(epoch, blocked), blocked)
        rest = blocked - queued
        worker = (epoch.worker_cpu_s or 0.0) / epoch.wall_s if epoch.wall_s else 0.0
        elsewhere = rest * min(max(worker, epoch.wait_others_cpu_s / rest if rest else 0.0), 1.0)
        others = (epoch.others_run_queue_s or 0.0) / epoch.wall_s if epoch.wall_s else 0.0
        queued += min(rest * others, rest - elsewhere)
        share = epoch.stall_s / epoch.wait_s if epoch.wait_s else 0.0
        decode += (computed + elsewhere) * share
        core += queued * share
        idle = max(blocked - queued - elsewhere, 0.0)
        online = min(epoch.network.wait_s, idle) if epoch.network else 0.0
        fetch += (idle - online) * share
        network += online * share
        copy += copied * share
        if epoch.copy_s is None:
            device += epoch.gap_s or 0.0
        else:
            copy += epoch.gap_s or 0.0
    return WaitCauses(fetch_s=fetch, network_s=network, core_s=core, decode_s=decode, copy_s=copy, device_s=device)


def _own_queue_s(epoch: EpochRecord, blocked_s: float) -> float:
    """Return how long the consumer's thread waited for a core within next(). 0 if that was not measured."""
    if not epoch.run_queue_s or epoch.thread_cpu_s is None or epoch.wait_cpu_s is None:
        return 0.0
    elsewhere_s = max(epoch.wall_s - epoch.wait_s - max(epoch.thread_cpu_s - epoch.wait_cpu_s, 0.0), 0.0)
    return epoch.run_queue_s * blocked_s / (blocked_s + elsewhere_s) if blocked_s else 0.0
