"""What a run leaves behind: immutable, raw samples kept, everything else derived from them.

Format history of run.json:
  1  first
  2  the first epoch is timed apart and the gate comes after the timed epochs; page cache, shuffle quality, flags, cost of
     the harness, CPU time, memory at the end of each epoch, conditions of the GPU. Reads 1: what it lacks is None
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from feedrate.bench.results.spec import TrialSpec

SCHEMA_VERSION = 2
Status = Literal["ok", "unavailable", "failed", "void"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where a run took place. Never a host name, a user name or a path."""

    feedrate: str
    commit: str | None
    dirty: bool | None
    """Whether the checkout had changes that the commit does not hold."""
    started_at: str
    """UTC, ISO 8601."""
    command: str
    python: str
    platform: str
    cpu: str
    cores: int
    """That this process may use."""
    memory_bytes: int
    gpu: str | None
    gpu_memory_bytes: int | None
    driver: str | None
    cuda: str | None
    """The version torch was built for."""
    packages: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRecord:
    name: str
    fingerprint: str
    train_rows: int
    valid_rows: int
    cardinalities: Mapping[str, int]
    best_auc: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One timed epoch: from before its first batch is asked for until the device has finished its last step."""

    rows: int
    """Delivered, counted batch by batch."""
    wall_s: float
    wait_s: float
    """Host time spent in the loader's next()."""
    wait_cpu_s: float | None = None
    """The consumer thread's CPU time in next(): the loader works there."""
    wait_others_cpu_s: float | None = None
    """CPU time of the process's other threads while the consumer was in next()."""
    copy_s: float | None = None
    """Host time in next() that the loader spent in copies to the device."""
    stall_s: float | None = None
    """The part of wait_s in which the device had nothing to do; on the CPU all of it; None for a loader alone on a GPU."""
    gap_s: float | None = None
    """GPU: device time between steps beyond stall_s: copies and kernels of the loader on the consumer's stream."""
    worker_cpu_s: float | None = None
    """CPU time of the busiest child process."""
    cpu_s: float | None = None
    """CPU time of the process and all its children."""
    storage_bytes: int | None = None
    """Read from storage; what the page cache served is not in it."""
    read_bytes: int | None = None
    """Passed through read calls, from the page cache or not; memory-mapped files are not in it."""
    rss_bytes: int | None = None
    """Resident memory of the process tree when the epoch had ended."""
    pss_bytes: int | None = None
    """The same, shared pages counted once."""
    gpu_bytes: int | None = None
    """In use on the device when the epoch had ended, over what was used before the trial."""
    eval_s: float | None = None
    """The validation pass that follows, outside of wall_s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuRecord:
    """The device during the timed epochs, sampled from outside the trial's process."""

    samples: int
    period_s: float
    busy_fraction: float | None = None
    """Mean of NVML's utilization.gpu: the share of time with any kernel resident."""
    sm_clock_hz: float | None = None
    """Mean."""
    sm_clock_max_hz: float | None = None
    """The device's greatest."""
    power_w: float | None = None
    """Mean."""
    temperature_c: float | None = None
    """Greatest."""
    energy_j: float | None = None
    """Of the whole device, from NVML's counter."""
    throttled: tuple[str, ...] = ()
    """NVML's clocks event reasons that held the clocks down, in words."""
    at_s: tuple[float, ...] = ()
    """Of the samples, since the first timed epoch began."""
    busy: tuple[float | None, ...] = ()
    """utilization.gpu at these times."""
    gpm: GpmValues | None = None
    """Means over the stretches between samples that lie within a timed epoch, from NVML's GPM; None where the device has none."""
    sm_active: tuple[float | None, ...] = ()
    """GPM's SM activity at the same times as `busy`; None without GPM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShuffleRecord:
    """How well an epoch is mixed: 1 is an ideal shuffle, 0 file order. See bench/gate/shuffle.py."""

    quality: float
    """The lesser of the next two."""
    displacement: float
    """How far rows move from their place in the files, over what an ideal shuffle moves them."""
    diversity: float
    """How far apart in the files the rows of a batch lie, over the same of an ideal shuffle."""
    expected_low: float
    """An ideal shuffle of this many sampled rows has at least this quality."""
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HarnessRecord:
    """What `feedrate calibrate` measures: the harness's own cost, with a loader and a model that do nothing."""

    step_s: float
    """Host time a step beyond an empty loop."""
    steps: int
    null_rows_per_s: float
    """What a loader at no cost would reach at the default batch size: the harness's own ceiling."""


MAX_ROWS_PER_S = 1e13
"""No device reads a byte for each of so many rows."""
TOLERANCE = 1e-6
"""What rounding may add to a share, or to seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    spec: TrialSpec
    status: Status
    detail: str = ""
    """Why it is not ok, in a sentence."""
    backend: str | None = None
    """The loader's library and where it worked."""
    deviations: Mapping[str, str] | None = None
    """Conformance rules its adapter declares broken -> why."""
    options: Mapping[str, str] | None = None
    """The loader's own, all of them, defaults included; and workers and prefetch where they were set for it alone."""
    packages: Mapping[str, str] | None = None
    """Where the loader has an environment of its own: versions there."""
    repairs: tuple[str, ...] = ()
    """What its adapter put back into other libraries to make the loader's run."""
    started_at: str | None = None
    run_at: str | None = None
    """When the `feedrate run` that ran it began: only trials of one such are paired by round."""
    flags: tuple[str, ...] = ()
    """What a reader has to know though the trial is ok: a sentence each."""
    rows: int | None = None
    """Delivered in the timed epochs."""
    wall_s: float | None = None
    """Sum of the timed epochs."""
    first_epochs: int = 0
    """Leading timed epochs that are not steady: 1 where there are two or more, else 0."""
    open_s: float | None = None
    """Opening the loader."""
    first_batch_s: float | None = None
    """From before the loader is opened until its first batch is ready on the device."""
    epochs: tuple[EpochRecord, ...] | None = None
    auc: tuple[float, ...] | None = None
    """On the whole valid split after each epoch; train mode only."""
    loss: tuple[float, ...] | None = None
    """On the whole valid split after each epoch; train mode only."""
    train_loss: tuple[float, ...] | None = None
    """Mean over the rows of each epoch, as the model learned."""
    step_wait_s: tuple[float, ...] | None = None
    """Host time in next() for each step of the timed epochs."""
    step_s: tuple[float, ...] | None = None
    """Host time from one next() to the following; on a GPU the host may run ahead."""
    imported_s: float | None = None
    """From the start of the trial's process until it has imported what it needs."""
    warmed_up_s: float | None = None
    """From the start of the trial's process until it is warm and opens the loader: CUDA, kernels compiled, the page cache."""
    to_last_auc_s: float | None = None
    """From the start of the trial's process until the last AUC: imports, opening, warm-up, epochs and evaluations."""
    copy_bytes_per_s: float | None = None
    """GPU: read and written by a copy within its memory, just before the epochs."""
    step_bytes: float | None = None
    """What the optimizer alone must move in a step; see bench/consumer/step_floor.py."""
    peak_rss_bytes: int | None = None
    """Of the trial's process and its children together; pages they share count for each."""
    peak_gpu_bytes: int | None = None
    """Over what the device had in use before: every pool, torch's and the loader's."""
    peak_pss_bytes: int | None = None
    """Of host memory at the ends of epochs, pages that processes share counted once."""
    peak_torch_gpu_bytes: int | None = None
    """Reserved by torch's allocator; peak_gpu_bytes less this is the loader's own pools and CUDA itself."""
    peak_loader_gpu_bytes: int | None = None
    """Mode load: reserved, since the loader was opened, by torch's allocator and the device's default pool, which cudf uses."""
    gpu_busy_fraction: float | None = None
    """Of records before version 2; now in gpu."""
    gpu: GpuRecord | None = None
    shuffle: ShuffleRecord | None = None
    resident_fraction: float | None = None
    """Of the train files' pages, in the page cache just before the loader was opened."""
    gate_s: float | None = None
    """The correctness gate's epoch, outside of wall_s."""

    @property
    def steady(self) -> tuple[EpochRecord, ...]:
        """The timed epochs without the first, where there are more."""
        return (self.epochs or ())[self.first_epochs :]

    @property
    def rows_per_s(self) -> float | None:
        """Over the steady epochs."""
        wall_s = sum(epoch.wall_s for epoch in self.steady)
        return sum(epoch.rows for epoch in self.steady) / wall_s if wall_s else None

    @property
    def first_epoch_rows_per_s(self) -> float | None:
        first = self.epochs[0] if self.epochs and self.first_epochs else None
        return first.rows / first.wall_s if first and first.wall_s else None

    @property
    def step_floor_s(self) -> float | None:
        """The least time of a step: what its optimizer must move, at the speed of a copy."""
        return self.step_bytes / self.copy_bytes_per_s if self.step_bytes and self.copy_bytes_per_s else None

    @property
    def mean_step_s(self) -> float | None:
        """Wall time of the steady epochs over their steps."""
        rows_per_s = self.rows_per_s
        return self.spec.batch_size / rows_per_s if rows_per_s else None

    @property
    def wait_fraction(self) -> float | None:
        """Share of the steady epochs that the host spent waiting in next()."""
        return self._share([epoch.wait_s for epoch in self.steady])

    @property
    def stall_fraction(self) -> float | None:
        """Share of the steady epochs in which the consumer waited in next() and the device had nothing to do."""
        return self._share([epoch.stall_s for epoch in self.steady])

    def _share(self, parts: Sequence[float | None]) -> float | None:
        wall_s = sum(epoch.wall_s for epoch in self.steady)
        known = [part for part in parts if part is not None]
        return sum(known) / wall_s if wall_s and known and len(known) == len(parts) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """run.json."""

    schema_version: int = SCHEMA_VERSION
    environment: Environment
    dataset: DatasetRecord
    harness: HarnessRecord | None = None
    baseline: str | None = None
    """The loader that ratios are taken to."""
    stopped: str = ""
    """Why no further round was run; empty: the run did not end by itself."""
    trials: tuple[TrialResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GpmValues:
    """Means between two samples; what the device does not tell is None."""

    sm_active: float | None = None
    """Share of SMs and time with a warp."""
    sm_occupancy: float | None = None
    """Warps on them, as a share of the most there could be."""
    dram_active: float | None = None
    """Bandwidth of device memory, as a share of its greatest."""
    pcie_received_bytes_per_s: float | None = None
    """By the device."""
    pcie_sent_bytes_per_s: float | None = None
