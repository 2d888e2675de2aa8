"""What records tell of one rank: the loader's work, the model's, bytes read, and bytes of gradients."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import log

import numpy as np

from feedrate.bench.results.record import EpochRecord, RunRecord, TrialResult
from feedrate.bench.results.spec import PARAMETER_TRANSFERS, Mode
from feedrate.bench.simulation.workload import MAX_JITTER, Workload
from feedrate.loaders.errors import FeedrateError

MIN_THREAD_SHARE = 0.5
"""Share of the wait in next() that must be CPU time of the consumer's own thread, for the loader to do all its work there."""
MIN_ROW_BYTES, MIN_EPOCH_BYTES = 1.0, 250_000
"""With fewer bytes read per row, or per epoch, a loader does not read rows. The rest is the harness, which reads /proc."""

MIN_BATCH_S, MAX_BATCH_S = 1e-9, 1e6
MAX_BATCH_BYTES = 1e16
_WORKERS = re.compile(r"[:,]workers=(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a user sets instead of what the record says. None: as the record says."""

    loader: str = ""
    """Empty: the fastest one alone."""
    batch_size: int | None = None
    """None: the largest one that was measured with and without the model."""
    bytes_per_row: float | None = None
    gradient_bytes: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the records tell, and of what kind their machine is."""

    loader: str
    dataset: str
    machine: str
    cores: int
    on_gpu: bool
    trials: tuple[int, int]
    """Trials of the loader alone, and of the model alone."""
    load_rows_per_s: float
    """Without waits for a core."""
    model_rows_per_s: float
    jitter: float | None
    """Standard deviation of the logarithm of the model's steps; None if they were not recorded."""
    work: Workload


def measured(records: Sequence[RunRecord], given: Given) -> Measured:
    """Read records of one machine and dataset. Raises FeedrateError, with the way out, if they lack something."""
    _require_alike(records)
    trials = [
        trial
        for record in records
        for trial in record.trials
        if trial.status == "ok" and trial.spec.ranks == 1 and sum(epoch.rows for epoch in trial.steady) > 0
    ]
    load, replay = _chosen(trials, given)
    first, spec = records[0], load[0].spec
    model_rows_per_s = _rows_per_s(replay)
    work = _with_loader(
        Workload(
            batch_size=spec.batch_size,
            prefetch=spec.prefetch * max(_workers(load[0]), 1),
            next_s=0.0, next_cores=1.0, background_s=0.0, background_cores=1.0,
            model_s=spec.batch_size / model_rows_per_s,
            model_cores=_cores(replay),
            read_bytes=spec.batch_size * _bytes_per_row(load, given),
            gradient_bytes=_gradient_bytes(replay, given),
        ),
        load,
    )  # fmt: skip
    _require_plausible(spec.loader, work)
    return Measured(
        loader=spec.loader,
        dataset=first.dataset.name,
        machine=first.environment.gpu or first.environment.cpu,
        cores=first.environment.cores,
        on_gpu=spec.device != "cpu",
        trials=(len(load), len(replay)),
        load_rows_per_s=spec.batch_size / work.background_s if work.background_s else _rows_per_s(load),
        model_rows_per_s=model_rows_per_s,
        jitter=_jitter(replay),
        work=work,
    )


def _require_plausible(loader: str, work: Workload) -> None:
    """Raise FeedrateError if the simulation could not count with the numbers."""
    seconds = {"the loader": work.next_s + work.background_s, "the model": work.model_s}
    for name, value in seconds.items():
        if not MIN_BATCH_S <= value <= MAX_BATCH_S:
            raise FeedrateError(
                f"{name} needs {value:.3g} s for a batch of {loader}, which is not plausible: run `feedrate validate`"
            )
    for name, value in (("read", work.read_bytes), ("averaged", work.gradient_bytes)):
        if value > MAX_BATCH_BYTES:
            raise FeedrateError(
                f"{value:.3g} bytes are {name} for a batch, which is not plausible: run `feedrate validate`"
            )


def _require_alike(records: Sequence[RunRecord]) -> None:
    for name, of in (("dataset", _dataset), ("machine", _machine)):
        different = sorted({of(record) for record in records})
        if len(different) > 1:
            raise FeedrateError(f"the records are not of one {name}: {different[0]} and {different[1]}")


def _dataset(record: RunRecord) -> str:
    return f"{record.dataset.name} ({record.dataset.fingerprint[:8]})"


def _machine(record: RunRecord) -> str:
    return f"{record.environment.gpu or record.environment.cpu} with {record.environment.cores} cores"


def _chosen(trials: Sequence[TrialResult], given: Given) -> tuple[list[TrialResult], list[TrialResult]]:
    """Return the trials of the loader alone and of the model alone, at one batch size."""
    load, replay = _of_mode(trials, "load"), _of_mode(trials, "replay")
    if not replay:
        raise FeedrateError(
            "no trial has the model without a loader: measure it with `feedrate run DATA --modes replay -o DIR`, and pass DIR, too"
        )
    loader = given.loader or _fastest(load)
    load = [trial for trial in load if trial.spec.loader == loader]
    if not load:
        raise FeedrateError(
            f"no trial has {loader} without the model: measure it with `feedrate run DATA --loaders {loader} --modes load -o DIR`, "
            "and pass DIR, too"
        )
    sizes = {trial.spec.batch_size for trial in load} & {trial.spec.batch_size for trial in replay}
    size = given.batch_size or max(sizes, default=0)
    if size not in sizes:
        known = f"measured: {', '.join(map(str, sorted(sizes)))}" if sizes else "no batch size was"
        raise FeedrateError(
            f"batch size is {size or 'not given'}, but loader and model must both be measured with it ({known})"
        )
    load, replay = ([trial for trial in kind if trial.spec.batch_size == size] for kind in (load, replay))
    _require_one_setting(load, "memory budgets", lambda trial: trial.spec.memory_budget_bytes)
    _require_one_setting(replay, "models", lambda trial: repr(trial.spec.model))
    _require_one_setting([*load, *replay], "devices", lambda trial: trial.spec.device)
    return load, replay


def _of_mode(trials: Iterable[TrialResult], mode: Mode) -> list[TrialResult]:
    return [trial for trial in trials if trial.spec.mode == mode]


def _fastest(load: Sequence[TrialResult]) -> str:
    """Return the loader that is fastest alone; LOADER, for a command to fill in, if none was measured alone."""
    loaders = {trial.spec.loader for trial in load}
    rates = {loader: _rows_per_s([trial for trial in load if trial.spec.loader == loader]) for loader in loaders}
    return max(sorted(rates), key=lambda loader: rates[loader], default="LOADER")


def _require_one_setting(trials: Sequence[TrialResult], name: str, of: Callable[[TrialResult], object]) -> None:
    values = {of(trial) for trial in trials}
    if len(values) > 1:
        raise FeedrateError(
            f"the trials of {trials[0].spec.loader} have {len(values)} {name}: pass records with one of them"
        )


def _with_loader(work: Workload, load: Sequence[TrialResult]) -> Workload:
    """Split the loader's work into that in the consumer's thread and that beside it."""
    wall_s, wait_s = _per_batch(load, "wall_s"), _per_batch(load, "wait_s")
    thread_s, cpu_s = _per_batch(load, "wait_cpu_s"), _per_batch(load, "cpu_s")
    assert wall_s is not None
    assert wait_s is not None
    reading_s = wall_s - wait_s
    loader_cpu_s = max(cpu_s - reading_s, 0.0) if cpu_s is not None else wait_s
    if (
        thread_s is None
    ):  # not measured in mode load on a GPU: loaders with workers, and those that read files, work ahead
        thread_s = 0.0 if _workers(load[0]) or work.read_bytes else wait_s
    if wait_s == 0 or thread_s >= MIN_THREAD_SHARE * wait_s:
        return replace(work, next_s=wait_s, next_cores=max(loader_cpu_s / wait_s, 1.0) if wait_s else 1.0)
    background_s = max(wall_s - (_per_batch(load, "others_run_queue_s") or 0.0), thread_s, MIN_BATCH_S)
    return replace(
        work,
        next_s=thread_s,
        background_s=background_s,
        background_cores=max((loader_cpu_s - thread_s) / background_s, 0.0),
    )


def _bytes_per_row(load: Sequence[TrialResult], given: Given) -> float:
    if given.bytes_per_row is not None:
        return given.bytes_per_row
    read, stored = (_per_batch(load, name) for name in ("read_bytes", "storage_bytes"))
    epochs = _steady(load)
    asked = [epoch.network.bytes for epoch in epochs if epoch.network]  # of an object store
    network = sum(asked) / sum(epoch.rows for epoch in epochs) * load[0].spec.batch_size if asked else None
    known = [value for value in (read, stored, network) if value is not None]
    if not known:
        raise FeedrateError(
            f"the trials of {load[0].spec.loader} have no bytes read: measure it again with `feedrate run DATA --loaders "
            f"{load[0].spec.loader} --modes load -o DIR`, or pass --bytes-per-row"
        )
    per_row, epoch_rows = max(known) / load[0].spec.batch_size, sum(epoch.rows for epoch in epochs) / len(epochs)
    return per_row if per_row >= max(MIN_ROW_BYTES, MIN_EPOCH_BYTES / epoch_rows) else 0.0


def _gradient_bytes(replay: Sequence[TrialResult], given: Given) -> float:
    if given.gradient_bytes is not None:
        return given.gradient_bytes
    model, step_bytes = replay[0].spec.model, replay[0].step_bytes
    if model.step == "fast" or step_bytes is None:
        why = "the fast step trains on one rank only" if model.step == "fast" else "the record does not have it"
        raise FeedrateError(
            f"the size of the gradients is not known, because {why}: measure `feedrate run DATA --modes replay --step eager -o DIR`, "
            "or pass --gradient-mb"
        )
    return step_bytes / PARAMETER_TRANSFERS[model.optimizer]


def _rows_per_s(trials: Sequence[TrialResult]) -> float:
    """Return the rate over all steady epochs; 0 if they took no time, which `_require_plausible` refuses."""
    epochs = _steady(trials)
    wall_s = sum(epoch.wall_s for epoch in epochs)
    return sum(epoch.rows for epoch in epochs) / max(wall_s, MIN_BATCH_S)


def _cores(trials: Sequence[TrialResult]) -> float:
    """Return how many cores were busy on average; one if that is not known."""
    cpu_s, wall_s = _per_batch(trials, "cpu_s"), _per_batch(trials, "wall_s")
    return cpu_s / wall_s if cpu_s and wall_s else 1.0


def _jitter(replay: Sequence[TrialResult]) -> float | None:
    """Return half the distance of the logarithms of two percentiles, 16 and 84: outliers do not count."""
    logarithms: list[float] = []
    for trial in replay:
        steps = trial.step_s or ()
        first = len(steps) // len(trial.epochs or (0,)) * trial.first_epochs
        logarithms += [log(step_s) for step_s in steps[first:] if step_s > 0]
    if not logarithms:
        return None
    low, high = np.percentile(logarithms, (16, 84))
    return min(float(high - low) / 2, MAX_JITTER)


def _workers(trial: TrialResult) -> int:
    options = {**(trial.options or {}), **(trial.options_in_force or {})}
    typed = _WORKERS.search(trial.spec.loader)  # records of earlier versions have no options
    value = options.get("workers", typed[1] if typed else "")
    return int(value) if value.isdecimal() else trial.spec.workers


def _steady(trials: Iterable[TrialResult]) -> list[EpochRecord]:
    return [without_queue(epoch) for trial in trials for epoch in trial.steady]


def without_queue(epoch: EpochRecord) -> EpochRecord:
    """Return the epoch without the time in which the consumer's thread was ready but had no core.

    The simulation shares the cores itself, so work must not contain that time.
    """
    queue_s = min(epoch.run_queue_s or 0.0, epoch.wall_s - (epoch.thread_cpu_s or 0.0))
    wait_queue_s = min(queue_s, epoch.wait_s - (epoch.wait_cpu_s or 0.0))
    return replace(epoch, wall_s=epoch.wall_s - max(queue_s, 0.0), wait_s=epoch.wait_s - max(wait_queue_s, 0.0))


def _per_batch(trials: Sequence[TrialResult], name: str) -> float | None:
    """Return the mean of a field over the batches of the steady epochs. None if an epoch lacks it."""
    epochs = _steady(trials)
    values = [getattr(epoch, name) for epoch in epochs]
    batches = sum(epoch.rows for epoch in epochs) / trials[0].spec.batch_size
    return None if None in values else sum(values) / batches
