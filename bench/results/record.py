"""What a run leaves behind. A record is immutable and keeps raw samples; everything else is derived from them.

Bounds stand at the fields. Reading a record checks them, and docs/run.schema.json publishes them.

Format history of run.json:
  1  first
  2  the first epoch is timed apart and the gate comes after the timed epochs; page cache, shuffle quality, flags, cost of
     the harness, CPU time, memory at the end of each epoch, conditions of the GPU. Version 1 is read: what it lacks is None
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from feedrate.bench.results.bounds import Amount, Bytes, Count, SampledShare, Seconds, Share
from feedrate.bench.results.gpu_record import GpuRecord
from feedrate.bench.results.parts.harness import HarnessRecord as HarnessRecord  # which others import from here
from feedrate.bench.results.parts.memory import LimitRecord
from feedrate.bench.results.parts.network import NetworkRecord
from feedrate.bench.results.ranks_record import RanksRecord
from feedrate.bench.results.spec import TrialSpec

SCHEMA_VERSION = 2

Status = Literal["ok", "unavailable", "failed", "void"]
RowsChecked = Literal["no", "sampled", "every"]
"""Which rows of the timed epochs were compared with the dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where a run took place. It holds no host name and no user name."""

    feedrate: str
    commit: str | None
    dirty: bool | None
    """Whether tracked files, or untracked modules of feedrate, differed from the commit. Earlier, any untracked file counted."""
    started_at: str
    """UTC, ISO 8601."""
    command: str
    """The command as typed."""
    python: str
    platform: str
    cpu: str
    cores: Count
    """Cores that the process may use."""
    memory_bytes: Bytes
    gpu: str | None
    gpu_memory_bytes: Bytes | None
    driver: str | None
    cuda: str | None
    """The version that torch was built for."""
    packages: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRecord:
    """The dataset that a run used."""

    name: str
    fingerprint: str
    train_rows: Count
    valid_rows: Count
    cardinalities: Mapping[str, Count]
    best_auc: Share | None
    """The best AUC that any model could reach, if the labels were drawn from known probabilities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One timed epoch: from just before its first batch is requested until the device has finished its last step."""

    rows: Count
    """Rows delivered, counted batch by batch."""
    wall_s: Seconds
    wait_s: Seconds
    """Host time spent in the loader's next()."""
    wait_cpu_s: Seconds | None = None
    """CPU time of the consumer's thread in next(): the loader works there."""
    wait_others_cpu_s: Seconds | None = None
    """CPU time of the process's other threads while the consumer was in next()."""
    copy_s: Seconds | None = None
    """Host time in next() that the loader spent in copies to the device."""
    stall_s: Seconds | None = None
    """The part of wait_s in which the device had nothing to do: on the CPU all of it, None in mode load on a GPU."""
    gap_s: Seconds | None = None
    """GPU: device time between steps beyond stall_s: copies and kernels of the loader on the consumer's stream."""
    worker_cpu_s: Seconds | None = None
    """CPU time of the busiest child process."""
    cpu_s: Seconds | None = None
    """CPU time of the process and all its children."""
    storage_bytes: Bytes | None = None
    """Bytes read from storage. Reads that the page cache served are not counted."""
    read_bytes: Bytes | None = None
    """Bytes that passed through read calls, from the page cache or not. Memory-mapped files are not counted."""
    rss_bytes: Bytes | None = None
    """Resident memory of the process tree at the end of the epoch."""
    pss_bytes: Bytes | None = None
    """The same with shared pages counted once."""
    gpu_bytes: Bytes | None = None
    """Device memory in use at the end of the epoch, beyond what was in use before the trial."""
    eval_s: Seconds | None = None
    """The validation pass that follows, which is not part of wall_s."""
    thread_cpu_s: Seconds | None = None
    """CPU time of the consumer's thread, in next() and outside it."""
    run_queue_s: Seconds | None = None
    """Time in which the consumer's thread was ready to run but had no core."""
    others_run_queue_s: Seconds | None = None
    """The same of the loader's thread or worker process that waited longest for a core."""
    sampled_batches: Count | None = None
    """Batches that were copied for the comparison with the dataset after the clock."""
    sampling_s: Seconds | None = None
    """Host time of those copies, which is part of wall_s."""
    allreduce_s: Seconds | None = None
    """Several ranks: time in which the slowest rank averaged gradients with the others, beside other work or not. Training only."""
    exchange_s: Seconds | None = None
    """The same for rows of tables whose rows lie on several ranks, and for the gradients of these rows."""
    network: NetworkRecord | None = None
    """What was asked of an object store: by all ranks, with the waits of the slowest one. None for a local dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShuffleRecord:
    """How well an epoch is mixed: 1 is an ideal shuffle, 0 is file order. See bench/gate/shuffle.py."""

    quality: SampledShare
    """The lower one of the next two."""
    displacement: SampledShare
    """How far rows move from their position in the files, relative to an ideal shuffle."""
    diversity: SampledShare
    """How far apart the rows of a batch lie in the files, relative to an ideal shuffle."""
    expected_low: Share
    """An ideal shuffle of this many sampled rows has at least this quality."""
    samples: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What one trial measured. Fields that were not measured are None."""

    spec: TrialSpec
    status: Status
    detail: str = ""
    """Why the trial is unavailable, failed or void, in a sentence."""
    backend: str | None = None
    """The loader's library and where it worked."""
    deviations: Mapping[str, str] | None = None
    """Rules of the contract that the adapter declares broken, each with the reason."""
    options: Mapping[str, str] | None = None
    """All options of the loader, defaults included, and workers and prefetch if they were set for it alone."""
    options_in_force: Mapping[str, str] | None = None
    """Values that the loader chose for options that leave a choice to it. None in records of earlier versions of feedrate."""
    packages: Mapping[str, str] | None = None
    """Versions in the loader's own environment, if it has one."""
    repairs: tuple[str, ...] = ()
    """What the adapter put back into other libraries so that the loader's library works."""
    started_at: str | None = None
    run_at: str | None = None
    """When the `feedrate run` began that ran this trial. Only trials of the same one are paired by round."""
    flags: tuple[str, ...] = ()
    """What a reader must know even if the status is ok, a sentence each."""
    rows: Count | None = None
    """Rows delivered in the timed epochs."""
    wall_s: Seconds | None = None
    """Sum over the timed epochs."""
    first_epochs: Count = 0
    """Leading timed epochs that are not steady: 1 if there are two or more, otherwise 0."""
    open_s: Seconds | None = None
    """Time to open the loader."""
    first_batch_s: Seconds | None = None
    """From before the loader is opened until its first batch is ready on the device."""
    epochs: tuple[EpochRecord, ...] | None = None
    auc: tuple[Share, ...] | None = None
    """On the whole valid split after each epoch; training only."""
    loss: tuple[Amount, ...] | None = None
    """On the whole valid split after each epoch; training only."""
    train_loss: tuple[Amount, ...] | None = None
    """Mean over the rows of each epoch, as the model learned."""
    step_wait_s: tuple[Seconds, ...] | None = None
    """Host time in next() for each step of the timed epochs."""
    step_s: tuple[Seconds, ...] | None = None
    """Host time from one next() to the following one. On a GPU the host may run ahead."""
    imported_s: Seconds | None = None
    """From the start of the trial's process until its imports are done."""
    warmed_up_s: Seconds | None = None
    """From the start of the trial's process until it opens the loader: CUDA, compiled kernels, page cache."""
    to_last_auc_s: Seconds | None = None
    """From the start of the trial's process until the last AUC: imports, warm-up, opening, epochs and evaluations."""
    copy_bytes_per_s: Amount | None = None
    """GPU: bytes read and written per second by a copy within its memory, just before the epochs."""
    step_bytes: Amount | None = None
    """Bytes that the optimizer alone must move in a step. See bench/consumer/step_floor.py."""
    peak_rss_bytes: Bytes | None = None
    """Resident memory of the trial's process and its children together. Shared pages count for each of them."""
    peak_gpu_bytes: Bytes | None = None
    """Device memory beyond what was in use before: every pool, torch's and the loader's."""
    peak_pss_bytes: Bytes | None = None
    """Host memory at the ends of epochs, with shared pages counted once."""
    peak_torch_gpu_bytes: Bytes | None = None
    """Memory that torch's allocator reserved. The rest of peak_gpu_bytes is the loader's own pools and CUDA itself."""
    peak_loader_gpu_bytes: Bytes | None = None
    """Mode load: memory reserved since the loader was opened, by torch's allocator and by the default pool, which cudf uses."""
    gpu_busy_fraction: Share | None = None
    """Only in records before version 2; now in gpu."""
    gpu: GpuRecord | None = None
    shuffle: ShuffleRecord | None = None
    resident_fraction: Share | None = None
    """Share of the train files' pages in the page cache just before the loader was opened."""
    gate_s: Seconds | None = None
    """Time of the correctness gate's epoch, which is not part of wall_s."""
    rows_checked: RowsChecked | None = None
    """None in records of earlier versions of feedrate: no row of a timed epoch was checked."""
    close_s: Seconds | None = None
    """Time to close the loader."""
    all_in_s: Seconds | None = None
    """Opening and closing the loader, the timed epochs, and everything between them, evaluations included."""
    open_cpu_s: Seconds | None = None
    """CPU time of the process and its children while the loader was opened."""
    off_clock_cpu_s: Seconds | None = None
    """CPU time of the loader's threads and processes between the timed epochs."""
    off_clock_device_s: Seconds | None = None
    """GPU: time of work that was still under way on the device when a timed epoch was about to begin."""
    peak_loader_host_bytes: Bytes | None = None
    """Host memory beyond what the process used before the loader was opened, at the ends of epochs."""
    preparation_s: Seconds | None = None
    """Time to write the dataset in the library's own format, once, before the trials. None if the loader reads Parquet."""
    preparation_bytes: Bytes | None = None
    """Size of those files, both splits together."""
    memory_limit: LimitRecord | None = None
    """What the kernel counted of a trial with a memory limit, or None without one."""
    ranks: RanksRecord | None = None
    """What each rank measured. None if one process ran the trial."""

    @property
    def steady(self) -> tuple[EpochRecord, ...]:
        """The timed epochs without the first one, if there are several."""
        return (self.epochs or ())[self.first_epochs :]

    @property
    def rows_per_s(self) -> float | None:
        """Rows per second over the steady epochs."""
        wall_s = sum(epoch.wall_s for epoch in self.steady)
        return sum(epoch.rows for epoch in self.steady) / wall_s if wall_s else None

    @property
    def first_epoch_rows_per_s(self) -> float | None:
        """Rows per second of the first epoch; None if it counts as steady."""
        first = self.epochs[0] if self.epochs and self.first_epochs else None
        return first.rows / first.wall_s if first and first.wall_s else None

    @property
    def step_floor_s(self) -> float | None:
        """The least time that a step can take: what its optimizer must move, at the speed of a copy."""
        return self.step_bytes / self.copy_bytes_per_s if self.step_bytes and self.copy_bytes_per_s else None

    @property
    def mean_step_s(self) -> float | None:
        """Wall time of the steady epochs divided by the steps of a rank."""
        rows_per_s = self.rows_per_s
        return self.spec.batch_size * self.spec.ranks / rows_per_s if rows_per_s else None

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
    """The loader that ratios are computed against."""
    stopped: str = ""
    """Why no further round was run; empty if the run did not end by itself."""
    trials: tuple[TrialResult, ...] = ()
