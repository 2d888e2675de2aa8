"""What is compared: each quantity with its name, unit, direction and one sentence on what it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import Mode
from feedrate.bench.results.stats import percentile
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
    in_table: bool = True
    """Else in CSV and verdicts only: a table of all of them could not be read."""


def _wait(fraction: float) -> Callable[[TrialResult], float | None]:
    return lambda trial: percentile(trial.step_wait_s, fraction) if trial.step_wait_s else None


def _cpu_s_per_million_rows(trial: TrialResult) -> float | None:
    spent = [epoch.cpu_s for epoch in trial.steady if epoch.cpu_s is not None]
    rows = sum(epoch.rows for epoch in trial.steady)
    return sum(spent) / rows * 1e6 if spent and rows else None


def _rows_per_joule(trial: TrialResult) -> float | None:
    return trial.rows / trial.gpu.energy_j if trial.rows and trial.gpu and trial.gpu.energy_j else None


def _floor_fraction(trial: TrialResult) -> float | None:
    floor_s, step_s = trial.step_floor_s, trial.mean_step_s
    return floor_s / step_s if floor_s and step_s else None


def _eval_fraction(trial: TrialResult) -> float | None:
    pairs = [(epoch.eval_s, epoch.wall_s) for epoch in trial.steady if epoch.eval_s is not None]
    return sum(eval_s for eval_s, _ in pairs) / sum(wall_s for _, wall_s in pairs) if pairs else None


def _gpu_busy(trial: TrialResult) -> float | None:
    return trial.gpu.busy_fraction if trial.gpu else trial.gpu_busy_fraction


def _read_bytes(trial: TrialResult) -> float | None:
    read = [epoch.read_bytes for epoch in trial.epochs or () if epoch.read_bytes is not None]
    return sum(read) if read else None


METRICS = (
    Metric(
        "load_rows_per_s", "Loader alone", "rows/s", "higher", "load",
        "Rows delivered over wall time in the steady epochs, each batch read whole on its device and no model beside it.",
        lambda trial: trial.rows_per_s, units.format_rate,
    ),
    Metric(
        "train_rows_per_s", "Training", "rows/s", "higher", "train",
        "Rows delivered over wall time in the steady epochs, while the batches train the model; validation is outside of the clock.",
        lambda trial: trial.rows_per_s, units.format_rate,
    ),
    Metric(
        "stall_fraction", "Stall", "1", "lower", "train",
        "Share of the training time in which the consumer waited in next() and the device had nothing to do.",
        lambda trial: trial.stall_fraction, units.format_percent,
    ),
    Metric(
        "wait_fraction", "Waiting", "1", "lower", "train",
        "Share of the training time that the host spent in the loader's next(), whatever the device did meanwhile.",
        lambda trial: trial.wait_fraction, units.format_percent,
    ),
    Metric(
        "auc", "AUC", "1", "higher", "train",
        "Area under the ROC curve on the whole validation split after the last epoch.",
        lambda trial: trial.auc[-1] if trial.auc else None, units.format_auc,
    ),
    Metric(
        "shuffle_quality", "Shuffle", "1", "higher", "train",
        "From 0, the order of the files, to 1, an ideal shuffle: the lesser of displacement and batch diversity.",
        lambda trial: trial.shuffle.quality if trial.shuffle else None, units.format_three_decimals,
    ),
    Metric(
        "first_batch_s", "First batch", "s", "lower", "train",
        "From before the loader is opened until its first batch is ready on the device.",
        lambda trial: trial.first_batch_s, units.format_seconds,
    ),
    Metric(
        "first_epoch_rows_per_s", "First epoch", "rows/s", "higher", "train",
        "Rows over wall time in the first timed epoch, which is not among the steady ones.",
        lambda trial: trial.first_epoch_rows_per_s, units.format_rate, in_table=False,
    ),
    Metric(
        "peak_rss_bytes", "Host memory (RSS)", "B", "lower", "train",
        "Peak resident memory of the trial's process and its workers, torch itself included; pages that they share count for each.",
        lambda trial: trial.peak_rss_bytes, units.format_size,
    ),
    Metric(
        "peak_pss_bytes", "Host memory", "B", "lower", "train",
        "Peak memory of the trial's process and its workers at the ends of epochs, pages that they share counted once (PSS).",
        lambda trial: trial.peak_pss_bytes, units.format_size,
    ),
    Metric(
        "peak_gpu_bytes", "Device memory", "B", "lower", "train",
        "Device memory in use over what was used before, all pools, sampled ten times a second and after each epoch.",
        lambda trial: trial.peak_gpu_bytes, units.format_size,
    ),
    Metric(
        "peak_torch_gpu_bytes", "Device memory, torch", "B", "lower", "train",
        "Reserved by torch's allocator: model, gradients, and batches of loaders that use it.",
        lambda trial: trial.peak_torch_gpu_bytes, units.format_size, in_table=False,
    ),
    Metric(
        "peak_loader_gpu_bytes", "Device memory, loader", "B", "lower", "load",
        "Reserved by torch's allocator and the device's default pool (cudf's) since the loader was opened, the loader being alone.",
        lambda trial: trial.peak_loader_gpu_bytes, units.format_size, in_table=False,
    ),
    Metric(
        "step_s", "Step", "s", "lower", "train",
        "Wall time of the steady epochs over their steps.",
        lambda trial: trial.mean_step_s, units.format_seconds, in_table=False,
    ),
    Metric(
        "step_floor_fraction", "Step, share of floor", "1", "higher", "train",
        "The least time of a step, which is what its optimizer alone must move at the speed of a copy on that device, over the step's.",
        _floor_fraction, units.format_percent, in_table=False,
    ),
    Metric(
        "to_last_auc_s", "Start to last AUC", "s", "lower", "train",
        "From the start of the trial's process until the last AUC: imports, opening, warm-up, epochs and evaluations.",
        lambda trial: trial.to_last_auc_s, units.format_seconds, in_table=False,
    ),
    Metric(
        "eval_fraction", "Evaluation", "1", "lower", "train",
        "Validation pass over the training epoch before it; the first, in which rows are checked as well, is left out where there are more.",
        _eval_fraction, units.format_percent, in_table=False,
    ),
    Metric(
        "gpu_busy_fraction", "GPU busy", "1", "higher", "train",
        "Mean of NVML's utilization.gpu during the timed epochs: the share of time with any kernel resident.",
        _gpu_busy, units.format_percent,
    ),
    Metric(
        "rows_per_joule", "Rows per joule", "rows/J", "higher", "train",
        "Rows over the energy of the whole device during the timed epochs, from NVML's counter.",
        _rows_per_joule, units.format_count, in_table=False,
    ),
    Metric(
        "cpu_s_per_million_rows", "CPU", "s/M rows", "lower", "train",
        "CPU seconds of the process and all its children for a million rows.",
        _cpu_s_per_million_rows, units.format_seconds, in_table=False,
    ),
    Metric(
        "read_bytes", "Read", "B", "lower", "train",
        "Bytes through read calls in the timed epochs, from the page cache or not; memory-mapped files are not in it.",
        _read_bytes, units.format_size, in_table=False,
    ),
    *(
        Metric(
            f"wait_{name}_s", f"Wait, {name}", "s", "lower", "train",
            f"Host time in next() of a training step: {name} over the steps of a process.",
            _wait(fraction), units.format_seconds, in_table=False,
        )
        for name, fraction in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
    ),
)  # fmt: skip
BY_NAME = {metric.name: metric for metric in METRICS}
