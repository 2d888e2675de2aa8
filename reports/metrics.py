"""What is compared: each quantity with its name, unit, direction and one sentence on what it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from feedrate.bench.record import TrialResult
from feedrate.bench.spec import Mode
from feedrate.reports import units


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    title: str
    unit: str
    better: Literal["higher", "lower", "neither"]
    mode: Mode
    """Of the trials that it is taken from."""
    about: str
    of: Callable[[TrialResult], float | None]
    text: Callable[[float | None], str]


METRICS = (
    Metric(
        "load_rows_per_s", "Loader alone", "rows/s", "higher", "load",
        "Rows delivered over wall time, each batch read whole on its device and no model beside it.",
        lambda trial: trial.rows_per_s, units.rate,
    ),
    Metric(
        "train_rows_per_s", "Training", "rows/s", "higher", "train",
        "Rows delivered over wall time while the batches train the model; validation is outside of the clock.",
        lambda trial: trial.rows_per_s, units.rate,
    ),
    Metric(
        "wait_fraction", "Waiting", "1", "lower", "train",
        "Share of the training time that the host spent in the loader's next().",
        lambda trial: trial.wait_fraction, units.percent,
    ),
    Metric(
        "auc", "AUC", "1", "higher", "train",
        "Area under the ROC curve on the whole validation split after the last epoch.",
        lambda trial: trial.auc[-1] if trial.auc else None, units.auc,
    ),
    Metric(
        "first_batch_s", "First batch", "s", "lower", "train",
        "From before the loader is opened until its first batch is ready on the device.",
        lambda trial: trial.first_batch_s, units.seconds,
    ),
    Metric(
        "peak_rss_bytes", "Host memory", "B", "lower", "train",
        "Peak resident memory of the trial's process and its workers, torch itself included.",
        lambda trial: trial.peak_rss_bytes, units.size,
    ),
    Metric(
        "peak_gpu_bytes", "Device memory", "B", "lower", "train",
        "Device memory in use over what was used before, all pools, looked at after each epoch.",
        lambda trial: trial.peak_gpu_bytes, units.size,
    ),
    Metric(
        "gpu_busy_fraction", "GPU busy", "1", "higher", "train",
        "Mean of NVML's utilization.gpu during the timed epochs: the share of time with any kernel resident.",
        lambda trial: trial.gpu_busy_fraction, units.percent,
    ),
)  # fmt: skip
