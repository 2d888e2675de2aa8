"""Defines every metric that reports compare: its name, unit, better direction, and a sentence that explains it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import Mode
from feedrate.bench.results.stats import percentile
from feedrate.reports import units


@dataclass(frozen=True, slots=True)
class Metric:
    """One quantity that reports compare."""

    name: str
    """Key in CSV and JSON, and name in conditions."""
    title: str
    """Column heading, for people."""
    unit: str
    """SI unit. "1" means a share from 0 to 1."""
    better: Literal["higher", "lower", "neither"]
    """Which direction is an improvement."""
    modes: tuple[Mode, ...]
    """Modes of the trials that the metric is taken from: the first one that a run has. See `mode_in`."""
    about: str
    """What the metric measures, in sentences for people."""
    of: Callable[[TrialResult], float | None]
    """Value for one trial, or None if it was not measured."""
    text: Callable[[float | None], str]
    """Format for people."""
    once: bool = False
    """Whether it is measured once for all trials of a loader. Such a value has no interval, and is not compared."""
    in_table: bool = True
    """Whether tables show it. The others are only in CSV and verdicts, because one table of all would be unreadable."""

    def mode_in(self, modes: Collection[Mode]) -> Mode:
        """Return the mode whose trials the metric is taken from if trials of these modes were run."""
        return next((mode for mode in self.modes if mode in modes), self.modes[0])


def _wait(fraction: float) -> Callable[[TrialResult], float | None]:
    return lambda trial: percentile(trial.step_wait_s, fraction) if trial.step_wait_s else None


def _cpu_s_per_million_rows(trial: TrialResult) -> float | None:
    cpu_s = [epoch.cpu_s for epoch in trial.steady if epoch.cpu_s is not None]
    rows = sum(epoch.rows for epoch in trial.steady)
    return sum(cpu_s) / rows * 1e6 if cpu_s and rows else None


def _all_in_rows_per_s(trial: TrialResult) -> float | None:
    return trial.rows / trial.all_in_s if trial.rows and trial.all_in_s else None


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
    n_bytes = [epoch.read_bytes for epoch in trial.epochs or () if epoch.read_bytes is not None]
    return sum(n_bytes) if n_bytes else None


LOAD: tuple[Mode, ...] = ("load",)
TRAIN: tuple[Mode, ...] = ("train",)
EITHER: tuple[Mode, ...] = ("train", "load")
"""Training, or the loader only if nothing was trained."""

METRICS = (
    Metric(
        "load_rows_per_s", "Loader only", "rows/s", "higher", LOAD,
        "Rows delivered per second of wall time in the steady epochs, without a model. Each batch is read in full on its device.",
        lambda trial: trial.rows_per_s, units.format_rate,
    ),
    Metric(
        "train_rows_per_s", "Training", "rows/s", "higher", TRAIN,
        "Rows delivered per second of wall time in the steady epochs, while the batches train the model. Validation is not timed.",
        lambda trial: trial.rows_per_s, units.format_rate,
    ),
    Metric(
        "all_in_rows_per_s", "All-in", "rows/s", "higher", EITHER,
        "Rows of the timed epochs per second from opening the loader until it is closed. Evaluations and everything else between "
        "the epochs count. It is that of training, or of the loader only if nothing was trained.",
        _all_in_rows_per_s, units.format_rate,
    ),
    Metric(
        "stall_fraction", "Stall", "1", "lower", TRAIN,
        "Share of the training time in which the consumer waited in next() while the device was idle.",
        lambda trial: trial.stall_fraction, units.format_percent,
    ),
    Metric(
        "wait_fraction", "Waiting", "1", "lower", TRAIN,
        "Share of the training time that the host spent in the loader's next(), whether or not the device was busy.",
        lambda trial: trial.wait_fraction, units.format_percent,
    ),
    Metric(
        "auc", "AUC", "1", "higher", TRAIN,
        "Area under the ROC curve on the whole validation split after the last epoch.",
        lambda trial: trial.auc[-1] if trial.auc else None, units.format_auc,
    ),
    Metric(
        "shuffle_quality", "Shuffle", "1", "higher", EITHER,
        "How well rows are mixed: 0 is file order, 1 is an ideal shuffle. It is the smaller of displacement and batch diversity.",
        lambda trial: trial.shuffle.quality if trial.shuffle else None, units.format_three_decimals,
    ),
    Metric(
        "first_batch_s", "First batch", "s", "lower", EITHER,
        "Time from just before the loader is opened until its first batch is ready on the device.",
        lambda trial: trial.first_batch_s, units.format_seconds,
    ),
    Metric(
        "preparation_s", "Preparation", "s", "lower", EITHER,
        "Time to write both splits in the library's own format, and the size of these files. It is done once, before the trials.",
        lambda trial: trial.preparation_s, units.format_seconds, once=True,
    ),
    Metric(
        "preparation_bytes", "Preparation, size", "B", "lower", EITHER,
        "Size of both splits in the library's own format.",
        lambda trial: trial.preparation_bytes, units.format_size, once=True, in_table=False,
    ),
    Metric(
        "first_epoch_rows_per_s", "First epoch", "rows/s", "higher", TRAIN,
        "Rows delivered per second of wall time in the first timed epoch, which is not one of the steady epochs.",
        lambda trial: trial.first_epoch_rows_per_s, units.format_rate, in_table=False,
    ),
    Metric(
        "peak_rss_bytes", "Host memory (RSS)", "B", "lower", EITHER,
        "Peak resident memory of the trial's process and its workers, including torch. Pages that several processes share count for each of them.",
        lambda trial: trial.peak_rss_bytes, units.format_size,
    ),
    Metric(
        "peak_pss_bytes", "Host memory", "B", "lower", EITHER,
        "Peak memory of the trial's process and its workers, measured at the end of each epoch. Shared pages count once (PSS).",
        lambda trial: trial.peak_pss_bytes, units.format_size,
    ),
    Metric(
        "peak_gpu_bytes", "Device memory", "B", "lower", EITHER,
        "Peak device memory above what was in use before the trial, over all pools. It is sampled ten times a second and after each epoch.",
        lambda trial: trial.peak_gpu_bytes, units.format_size,
    ),
    Metric(
        "peak_torch_gpu_bytes", "Device memory, torch", "B", "lower", TRAIN,
        "Peak device memory reserved by torch's allocator: model, gradients, and batches of loaders that use it.",
        lambda trial: trial.peak_torch_gpu_bytes, units.format_size, in_table=False,
    ),
    Metric(
        "peak_loader_gpu_bytes", "Device memory, loader", "B", "lower", LOAD,
        "Peak device memory reserved by torch's allocator and the device's default pool (cudf's) after the loader opened. No model runs.",
        lambda trial: trial.peak_loader_gpu_bytes, units.format_size, in_table=False,
    ),
    Metric(
        "peak_loader_host_bytes", "Host memory, loader", "B", "lower", LOAD,
        "Peak host memory above what the process used before the loader was opened, measured at the end of each epoch. No model runs.",
        lambda trial: trial.peak_loader_host_bytes, units.format_size, in_table=False,
    ),
    Metric(
        "open_cpu_s", "Opening, CPU", "s", "lower", EITHER,
        "CPU seconds of the process and its children while the loader was opened.",
        lambda trial: trial.open_cpu_s, units.format_seconds, in_table=False,
    ),
    Metric(
        "off_clock_cpu_s", "Off the clock, CPU", "s", "lower", EITHER,
        "CPU seconds of the loader's threads and processes between the timed epochs and while it was closed.",
        lambda trial: trial.off_clock_cpu_s, units.format_seconds, in_table=False,
    ),
    Metric(
        "off_clock_device_s", "Off the clock, device", "s", "lower", EITHER,
        "Device time of work that was still under way when a timed epoch was about to begin.",
        lambda trial: trial.off_clock_device_s, units.format_seconds, in_table=False,
    ),
    Metric(
        "close_s", "Closing", "s", "lower", EITHER,
        "Time to close the loader after the last epoch.",
        lambda trial: trial.close_s, units.format_seconds, in_table=False,
    ),
    Metric(
        "step_s", "Step", "s", "lower", TRAIN,
        "Wall time of the steady epochs divided by their number of steps.",
        lambda trial: trial.mean_step_s, units.format_seconds, in_table=False,
    ),
    Metric(
        "step_floor_fraction", "Step, share of floor", "1", "higher", TRAIN,
        "Minimum time of a step divided by its actual time. The minimum is the optimizer's memory traffic at the speed of a device copy.",
        _floor_fraction, units.format_percent, in_table=False,
    ),
    Metric(
        "to_last_auc_s", "Start to last AUC", "s", "lower", TRAIN,
        "Time from the start of the trial's process until the last AUC: imports, opening the loader, warm-up, epochs and evaluations.",
        lambda trial: trial.to_last_auc_s, units.format_seconds, in_table=False,
    ),
    Metric(
        "eval_fraction", "Evaluation", "1", "lower", TRAIN,
        "Time of a validation pass divided by that of the training epoch before it. The first pass also checks rows, so it counts only if it is the only one.",
        _eval_fraction, units.format_percent, in_table=False,
    ),
    Metric(
        "gpu_busy_fraction", "GPU busy", "1", "higher", TRAIN,
        "Share of time with any kernel on the device: the mean of NVML's utilization.gpu during the timed epochs.",
        _gpu_busy, units.format_percent,
    ),
    Metric(
        "rows_per_joule", "Rows per joule", "rows/J", "higher", TRAIN,
        "Rows delivered in the timed epochs per joule that the whole device used, from NVML's energy counter.",
        _rows_per_joule, units.format_count, in_table=False,
    ),
    Metric(
        "cpu_s_per_million_rows", "CPU", "s/M rows", "lower", EITHER,
        "CPU seconds of the process and all its children per million rows.",
        _cpu_s_per_million_rows, units.format_seconds, in_table=False,
    ),
    Metric(
        "read_bytes", "Read", "B", "lower", EITHER,
        "Bytes read by read calls in the timed epochs, including those from the page cache. Memory-mapped files are not counted.",
        _read_bytes, units.format_size, in_table=False,
    ),
    *(
        Metric(
            f"wait_{name}_s", f"Wait, {name}", "s", "lower", TRAIN,
            f"Host time that a training step spends in next(): {name} over the steps of a process.",
            _wait(fraction), units.format_seconds, in_table=False,
        )
        for name, fraction in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
    ),
)  # fmt: skip
"""All metrics, in the order of tables."""
BY_NAME = {metric.name: metric for metric in METRICS}
"""All metrics by name."""
REPLACED_BY = {"wait_fraction": "stall_fraction", "peak_rss_bytes": "peak_pss_bytes"}
"""Maps a metric to the better one, which replaces it in tables and sentences if it was measured."""
