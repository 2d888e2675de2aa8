"""One trial, in the order in which things happen: warm up, open, time, check, close."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from feedrate.bench.consumer.reading import reader
from feedrate.bench.gate.epoch import GateFailed, TimedRowsWrong
from feedrate.bench.host.environment import packages
from feedrate.bench.host.leftovers import Threads, left_over
from feedrate.bench.host.process_usage import Usage, since_process_start
from feedrate.bench.host.thread_times import LoaderCpu, ThreadTimes
from feedrate.bench.results import flags
from feedrate.bench.results.record import TrialResult
from feedrate.bench.timing.clock import now, utc
from feedrate.bench.trial.checks import Checks, check_rows, explain_timed_rows
from feedrate.bench.trial.context import TrialContext
from feedrate.bench.trial.merged import merged
from feedrate.bench.trial.off_clock import OffClock
from feedrate.bench.trial.timed_epoch import EpochTimer, TimedEpoch, gpu_bytes_used
from feedrate.bench.trial.training import TimedEpochs, time_loading, time_training
from feedrate.bench.trial.warm_up import DrawnModel, WarmUp, warm_up
from feedrate.loaders.base import Loader
from feedrate.loaders.memory.pool import peak_pool_bytes

MAX_STEPS = 20_000
"""Steps whose times a record keeps."""
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
    """Peaks, noted before the gate, which holds batches and hashes. What is on the device is None on the CPU."""

    torch_gpu_bytes: int | None = None
    loader_gpu_bytes: int | None = None
    loader_host_bytes: int | None = None
    """On the host: growth since just before the loader was opened. None for training, whose model is on the host, too."""


@dataclass(slots=True)
class Costs:
    """What a trial's loader costs outside the timed windows. Seconds of the wall unless the name says otherwise."""

    open_s: float
    open_cpu_s: float
    between_s: float = 0.0
    """From the start of the first window to the end of the last one or its evaluation, less the harness's own work.

    The opening of the loader on the valid split is added.
    """
    close_s: float = 0.0

    @property
    def all_in_s(self) -> float:
        """Opening, timed epochs, everything between them, and closing."""
        return self.open_s + self.between_s + self.close_s


def run_trial(context: TrialContext) -> tuple[TrialResult, Windows]:
    """Run the trial. Raises what the loader raises, and GateFailed or FormBroken if its rows are not the dataset's."""
    spec = context.spec
    gpu_bytes_before = gpu_bytes_used(spec.device)
    read = reader(spec.device, context.dataset.info.schema.tensors, context.most_batches("train"))
    at, imported_s, model = utc(), since_process_start(), DrawnModel(context)
    start = Start(at=at, imported_s=imported_s, backend=context.choice.adapter.backend(spec.device))
    warm = warm_up(context, model, read)
    host_bytes_before = Usage.now(memory=True).pss_bytes
    threads = Threads.now()
    loader, costs, cpu = _open(context)
    try:
        timer = EpochTimer.of(context, loader, read, cpu, gpu_bytes_before)
        timed = _timed(timer, model)
        whole_s = now() - timed.epochs[0].window[0] - timer.harness_s
        costs.between_s = timed.open_s + max(whole_s, sum(epoch.record.wall_s for epoch in timed.epochs))
        memory = _peak_memory(context, timed, host_bytes_before)
        checks = Checks() if context.replays else check_rows(timer, timed)
        in_force = context.choice.in_force(loader)
    finally:
        begin = now()
        loader.close()
        costs.close_s = now() - begin
    context.guard.require_untouched()
    result = _result(context, start, warm, costs, timed, memory)
    result = replace(result, options_in_force=in_force, flags=(*result.flags, *left_over(threads)))
    result = merged(context.group, _with_checks(context, result, checks, timer.off_clock))
    pairs = zip(timed.epochs, result.epochs or (), strict=True)  # the slowest rank ends an epoch
    return result, tuple((epoch.window[0], epoch.window[0] + record.wall_s) for epoch, record in pairs)


def _timed(timer: EpochTimer, model: DrawnModel) -> TimedEpochs:
    """Time the epochs. Raises GateFailed if their rows are wrong."""
    context = timer.context
    try:
        return time_loading(timer) if context.spec.mode == "load" else time_training(timer, model.on_device())
    except TimedRowsWrong as error:
        if context.group.size > 1:  # only this rank may be wrong, and a rank has a part of the rows only
            raise GateFailed(str(error)) from None
        raise GateFailed(explain_timed_rows(context, timer.loader, error)) from None


def _open(context: TrialContext) -> tuple[Loader, Costs, LoaderCpu]:
    """Open the loader, and measure what that costs."""
    context.guard.settle()
    cpu, before, begin = LoaderCpu(), ThreadTimes.now(), now()
    loader = context.open_loader("train", shuffle=context.spec.shuffle)
    open_s, after = now() - begin, ThreadTimes.now()
    open_cpu_s = after.process_s - before.process_s + max(after.children_s - before.children_s, 0.0)
    return loader, Costs(open_s, open_cpu_s), cpu


def _peak_memory(context: TrialContext, timed: TimedEpochs, host_bytes_before: int | None) -> Memory:
    if not context.on_gpu:
        peaks = [epoch.record.pss_bytes for epoch in timed.epochs if epoch.record.pss_bytes]
        if context.spec.mode != "load" or host_bytes_before is None or not peaks:
            return Memory()
        return Memory(loader_host_bytes=max(max(peaks) - host_bytes_before, 0))
    device = context.spec.device
    reserved = torch.cuda.max_memory_reserved(device)
    of_loader = reserved + peak_pool_bytes(device) if context.spec.mode == "load" else None
    return Memory(torch_gpu_bytes=reserved, loader_gpu_bytes=of_loader)


def _result(
    context: TrialContext, start: Start, warm: WarmUp, costs: Costs, timed: TimedEpochs, memory: Memory
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
        flags=(*adapter.cautions(), *context.import_flags, *context.guard.changed()),
        rows_checked="no" if context.replays else "every" if context.spec.check == "every" else "sampled",
        started_at=start.at,
        rows=sum(epoch.rows for epoch in epochs),
        wall_s=sum(epoch.wall_s for epoch in epochs),
        first_epochs=int(len(epochs) > 1),
        open_s=costs.open_s,
        open_cpu_s=costs.open_cpu_s,
        close_s=costs.close_s,
        all_in_s=costs.all_in_s,
        first_batch_s=costs.open_s + timed.epochs[0].first_batch_s,
        epochs=tuple(epochs),
        auc=tuple(evaluation.auc for evaluation in evaluations) or None,
        loss=tuple(evaluation.loss for evaluation in evaluations) or None,
        train_loss=timed.train_loss if context.spec.mode == "train" else None,
        step_wait_s=tuple(round(wait, 7) for epoch in sampled_epochs(timed.epochs) for wait in epoch.waits_s),
        step_s=tuple(round(step, 7) for epoch in sampled_epochs(timed.epochs) for step in epoch.steps_s),
        imported_s=start.imported_s,
        warmed_up_s=warm.warmed_up_s,
        to_last_auc_s=evaluations[-1].ended_s if evaluations else None,
        copy_bytes_per_s=warm.copy_bytes_per_s,
        step_bytes=timed.step_bytes,
        peak_gpu_bytes=max((epoch.gpu_bytes for epoch in epochs if epoch.gpu_bytes is not None), default=None),
        peak_torch_gpu_bytes=memory.torch_gpu_bytes,
        peak_loader_gpu_bytes=memory.loader_gpu_bytes,
        peak_loader_host_bytes=memory.loader_host_bytes,
        peak_pss_bytes=max((epoch.pss_bytes for epoch in epochs if epoch.pss_bytes), default=None),
        preparation_s=context.formats.seconds if context.formats else None,
        preparation_bytes=context.formats.bytes if context.formats else None,
        resident_fraction=max((share for share in residents if share is not None), default=None),
    )


def sampled_epochs(epochs: Sequence[TimedEpoch]) -> Sequence[TimedEpoch]:
    """Return the first epochs, as many as have MAX_STEPS steps together, and at least one."""
    ends = list(itertools.accumulate(len(epoch.waits_s) for epoch in epochs))
    return epochs[: max(1, sum(end <= MAX_STEPS for end in ends))]


def _with_checks(context: TrialContext, result: TrialResult, checks: Checks, off_clock: OffClock) -> TrialResult:
    """The result with the gate's measurements and the flags that follow."""
    whole = replace(
        result,
        shuffle=checks.shuffle,
        gate_s=checks.gate_s,
        off_clock_cpu_s=off_clock.cpu_s,
        off_clock_device_s=off_clock.device_s if context.on_gpu else None,
    )
    return flags.raised(whole, repeated_order=checks.repeated_order, late_epoch_s=checks.late_epoch_s)
