"""One trial, in the order in which things happen: warm up, open, time, check, close."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from feedrate.bench.consumer.reading import reader, sums
from feedrate.bench.host.environment import packages
from feedrate.bench.host.process_usage import since_process_start
from feedrate.bench.results import flags
from feedrate.bench.results.record import TrialResult
from feedrate.bench.timing.clock import now, utc
from feedrate.bench.trial.checks import Checks, check_rows
from feedrate.bench.trial.context import TrialContext
from feedrate.bench.trial.timed_epoch import EpochTimer, gpu_bytes_used
from feedrate.bench.trial.training import TimedEpochs, time_loading, time_training
from feedrate.bench.trial.warm_up import DrawnModel, WarmUp, warm_up
from feedrate.loaders.memory.pool import peak_pool_bytes

Windows = tuple[tuple[float, float], ...]
"""Start and end of each timed epoch, in seconds of clock.now()."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The beginning of the trial."""

    at: str
    """UTC, ISO 8601."""
    imported_s: float
    """Seconds since the process started, when everything was imported."""
    backend: str
    """The loader's library and where it works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Peaks on the device, noted before the gate, which holds batches and hashes. All None on the CPU."""

    torch_gpu_bytes: int | None = None
    loader_gpu_bytes: int | None = None


def run_trial(context: TrialContext) -> tuple[TrialResult, Windows]:
    """Run the trial. Raises what the loader raises, and GateFailed if its rows are not the dataset's."""
    spec = context.spec
    gpu_bytes_before = gpu_bytes_used(spec.device)
    read = reader(spec.device) if spec.mode == "load" else sums
    at, imported_s, model = utc(), since_process_start(), DrawnModel(context)
    start = Start(at=at, imported_s=imported_s, backend=context.choice.adapter.backend(spec.device))
    warm = warm_up(context, model, read)
    begin = now()
    loader = context.open_loader("train", shuffle=spec.shuffle)
    try:
        open_s = now() - begin
        timer = EpochTimer.of(context, loader, gpu_bytes_before)
        timed = time_loading(timer, read) if spec.mode == "load" else time_training(timer, model.on_device())
        memory = _peak_memory(context)
        checks = Checks() if context.choice.adapter.replays else check_rows(context, loader)
    finally:
        loader.close()
    result = _result(context, start, warm, open_s, timed, memory)
    return _with_checks(result, checks), tuple(epoch.window for epoch in timed.epochs)


def _peak_memory(context: TrialContext) -> Memory:
    if not context.on_gpu:
        return Memory()
    device = context.spec.device
    reserved = torch.cuda.max_memory_reserved(device)
    of_loader = reserved + peak_pool_bytes(device) if context.spec.mode == "load" else None
    return Memory(torch_gpu_bytes=reserved, loader_gpu_bytes=of_loader)


def _result(
    context: TrialContext, start: Start, warm: WarmUp, open_s: float, timed: TimedEpochs, memory: Memory
) -> TrialResult:
    adapter, epochs = context.choice.adapter, [epoch.record for epoch in timed.epochs]
    evaluations = timed.evaluations
    residents = [warm.resident_fraction, *(epoch.resident_fraction for epoch in timed.epochs)]
    return TrialResult(
        spec=context.spec,
        status="ok",
        backend=start.backend,
        deviations=dict(adapter.deviations),
        options=context.choice.described(),
        packages=None if adapter.environment is None else packages(),
        repairs=adapter.repairs(),
        flags=adapter.cautions(),
        started_at=start.at,
        rows=sum(epoch.rows for epoch in epochs),
        wall_s=sum(epoch.wall_s for epoch in epochs),
        first_epochs=int(len(epochs) > 1),
        open_s=open_s,
        first_batch_s=open_s + timed.epochs[0].first_batch_s,
        epochs=tuple(epochs),
        auc=tuple(evaluation.auc for evaluation in evaluations) or None,
        loss=tuple(evaluation.loss for evaluation in evaluations) or None,
        train_loss=timed.train_loss if context.spec.mode == "train" else None,
        step_wait_s=tuple(round(wait, 7) for epoch in timed.epochs for wait in epoch.waits_s),
        step_s=tuple(round(step, 7) for epoch in timed.epochs for step in epoch.steps_s),
        imported_s=start.imported_s,
        warmed_up_s=warm.warmed_up_s,
        to_last_auc_s=evaluations[-1].ended_s if evaluations else None,
        copy_bytes_per_s=warm.copy_bytes_per_s,
        step_bytes=timed.step_bytes,
        peak_gpu_bytes=max((epoch.gpu_bytes for epoch in epochs if epoch.gpu_bytes is not None), default=None),
        peak_torch_gpu_bytes=memory.torch_gpu_bytes,
        peak_loader_gpu_bytes=memory.loader_gpu_bytes,
        peak_pss_bytes=max((epoch.pss_bytes for epoch in epochs if epoch.pss_bytes), default=None),
        resident_fraction=max((share for share in residents if share is not None), default=None),
    )


def _with_checks(result: TrialResult, checks: Checks) -> TrialResult:
    """The result with the gate's measurements and the flags that follow."""
    whole = replace(result, shuffle=checks.shuffle, gate_s=checks.gate_s)
    return flags.raised(whole, same_order=checks.same_order)
