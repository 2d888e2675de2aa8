"""Where training loses time to its loader, found in two ways that must agree.

direct        in each step: waiting in next() while the device is idle, and device time between steps
differential  between trials: training against the model alone, 1 - rows/s of train / rows/s of replay
What the second has beyond the first is no waiting: the model's own steps are slower beside the loader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feedrate.bench.results.record import EpochRecord, HarnessRecord, TrialResult
from feedrate.bench.results.wait_causes import wait_causes


@dataclass(frozen=True, slots=True, kw_only=True)
class StallSplit:
    """Shares of the steady training time."""

    fetch: float
    """Waiting for something that is no computation: storage, network, locks, sleep."""
    decode: float
    """Waiting for the loader to compute, wherever."""
    copy: float
    """Host to device."""
    overhead: float
    """The host: the harness's own cost as calibrated, and on a GPU steps that are slower beside a loader that lives on the host,
    because kernels are launched late (the interpreter's lock, busy cores, no lead after a wait)."""
    contention: float
    """The device: the loader's kernels on the consumer's stream, and steps that are slower beside them; on a CPU steps that are
    slower because the loader uses the same cores. Below 0 is noise."""
    direct: float
    differential: float

    @property
    def difference(self) -> float:
        return self.differential - self.direct


CAUSES = {
    "fetch": "fetch (blocked: storage, locks)",
    "decode": "decode (the loader computes)",
    "copy": "host to device",
    "overhead": "host overhead (late launches, the harness)",
    "contention": "device contention (slower steps)",
}


def split(
    train: Sequence[TrialResult], replay: Sequence[TrialResult], harness: HarnessRecord | None
) -> StallSplit | None:
    """None where there is no replay, or the records are of before version 2."""
    epochs = [epoch for trial in train for epoch in trial.steady]
    alone = [epoch for trial in replay for epoch in trial.steady]
    causes = wait_causes(epochs)
    if not epochs or not alone or causes is None or wait_causes(alone) is None:
        return None
    wall_s, rows = sum(epoch.wall_s for epoch in epochs), sum(epoch.rows for epoch in epochs)
    waited_s = sum(_between_steps_s(epoch) for epoch in epochs)
    model_s = (wall_s - waited_s) / rows
    model_alone_s = sum(epoch.wall_s - _between_steps_s(epoch) for epoch in alone) / sum(epoch.rows for epoch in alone)
    harness_share = _harness(train, harness, wall_s)
    slower = (model_s - model_alone_s) * rows / wall_s
    late = slower if causes.copy_s and train[0].spec.device != "cpu" else 0.0
    alone_s = sum(epoch.wall_s for epoch in alone) / sum(epoch.rows for epoch in alone)
    return StallSplit(
        fetch=causes.fetch_s / wall_s,
        decode=max(causes.decode_s / wall_s - harness_share, 0.0),
        copy=causes.copy_s / wall_s,
        overhead=min(harness_share, causes.decode_s / wall_s) + late,
        contention=slower - late + causes.device_s / wall_s,
        direct=waited_s / wall_s,
        differential=1 - alone_s / (wall_s / rows),
    )


def _between_steps_s(epoch: EpochRecord) -> float:
    return (epoch.stall_s or 0.0) + (epoch.gap_s or 0.0)


def _harness(train: Sequence[TrialResult], harness: HarnessRecord | None, wall_s: float) -> float:
    """The calibrated cost of a step lies between two steps, so it would else be taken for decoding."""
    if harness is None:
        return 0.0
    steps = sum(-(-epoch.rows // trial.spec.batch_size) for trial in train for epoch in trial.steady)
    return harness.step_s * steps / wall_s
