"""What a run leaves behind: immutable, raw samples kept, everything else derived from them.

Format history of run.json:
  1  first
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from feedrate.bench.spec import TrialSpec

SCHEMA_VERSION = 1
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
    eval_s: float | None = None
    """The validation pass that follows, outside of wall_s."""


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
    started_at: str | None = None
    rows: int | None = None
    """Delivered in the timed epochs."""
    wall_s: float | None = None
    """Sum of the timed epochs."""
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
    peak_rss_bytes: int | None = None
    """Of the trial's process and its children together; pages they share count for each."""
    peak_gpu_bytes: int | None = None
    """Over what the device had in use before: every pool, torch's and the loader's."""
    gpu_busy_fraction: float | None = None
    """Mean over the timed epochs of NVML's utilization.gpu: the share of time with any kernel resident."""

    @property
    def rows_per_s(self) -> float | None:
        return self.rows / self.wall_s if self.rows is not None and self.wall_s else None

    @property
    def wait_fraction(self) -> float | None:
        """Share of the timed epochs that the host spent waiting in next()."""
        return sum(epoch.wait_s for epoch in self.epochs) / self.wall_s if self.epochs and self.wall_s else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """run.json."""

    schema_version: int = SCHEMA_VERSION
    environment: Environment
    dataset: DatasetRecord
    trials: tuple[TrialResult, ...] = ()
