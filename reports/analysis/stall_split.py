"""Splits the training time that is lost to the loader by cause. Two methods measure the loss, and they must agree.

direct        within each step: waiting in next() while the device is idle, plus device time between steps
differential  between trials: 1 - the share of the ceiling, so the two can never disagree

The differential loss can be larger. The excess is not waiting: the model's own steps are slower beside the loader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feedrate.bench.results.parts.steps import steps_of
from feedrate.bench.results.record import EpochRecord, HarnessRecord, TrialResult
from feedrate.bench.results.wait_causes import wait_causes
from feedrate.reports import units
from feedrate.reports.analysis.references import ceiling_share


@dataclass(frozen=True, slots=True, kw_only=True)
class StallSplit:
    """Loss by cause. Every field is a share of the steady training time."""

    fetch: float
    """Waiting for something other than computation: storage, locks, sleep."""
    decode: float
    """Waiting for the loader to compute, in any thread or process."""
    copy: float
    """Waiting for copies from host to device."""
    core: float = 0.0
    """Waiting for a core: a thread or process of the trial was ready to run, but others used all cores."""
    network: float = 0.0
    """Waiting for an object store to answer."""
    overhead: float
    """Loss on the host: the calibrated cost of the harness and, on a GPU, steps that a loader on the host slows down.

    Those steps are slower because kernels are launched late: the interpreter's lock, busy cores, no lead after a wait.
    """
    contention: float
    """Loss on the device: the loader's kernels on the consumer's stream, and the steps that they slow down.

    On a CPU, it is steps that are slower because the loader uses the same cores. A negative value is noise.
    """
    direct: float
    """Loss measured within each step."""
    differential: float
    """Loss measured between trials."""

    @property
    def difference(self) -> float:
        """Differential loss minus direct loss."""
        return self.differential - self.direct


CAUSES = {
    "fetch": "fetch (blocked: storage, locks)",
    "network": "network (an object store answers)",
    "decode": "decode (the loader computes)",
    "copy": "host to device",
    "overhead": "host overhead (late launches, the harness)",
    "contention": "device contention (slower steps)",
    "core": "no core (ready, but all cores were busy)",
}
"""Causes of the loss, by field of `StallSplit`, with their names for people."""
MAIN_CAUSES = {
    "fetch": "waits for storage or locks",
    "network": "waits for the network",
    "decode": "decoding in the loader",
    "copy": "copies from host to device",
    "overhead": "overhead on the host",
    "contention": "contention for the device",
    "core": "waits for a core",
}
"""The same causes, in words that follow "because of"."""


def split(
    train: Sequence[TrialResult], replay: Sequence[TrialResult], harness: HarnessRecord | None
) -> StallSplit | None:
    """Split the loss of the train trials by cause.

    train: trials of one loader in mode train. replay: trials of mode replay, at the same batch size.
    harness: calibrated cost of the harness, or None if it was not measured.

    Returns None if there is no replay, or if the records are older than version 2.
    """
    epochs = [epoch for trial in train for epoch in trial.steady]
    replayed = [epoch for trial in replay for epoch in trial.steady]
    causes = wait_causes(epochs)
    if not epochs or not replayed or causes is None or wait_causes(replayed) is None:
        return None
    wall_s = sum(epoch.wall_s for epoch in epochs)
    direct = sum(_between_steps_s(epoch) for epoch in epochs) / wall_s
    share = ceiling_share(train, replay)
    if share is None:
        return None
    ratio = share[1].mean
    replayed_waits = sum(_between_steps_s(epoch) for epoch in replayed) / sum(epoch.wall_s for epoch in replayed)
    harness_share = _harness_share(train, harness, wall_s)
    slower = 1 - direct - ratio * (1 - replayed_waits)  # steps of training against the steps of the model only
    late = slower if causes.copy_s and train[0].spec.device != "cpu" else 0.0
    return StallSplit(
        fetch=causes.fetch_s / wall_s,
        network=causes.network_s / wall_s,
        decode=max(causes.decode_s / wall_s - harness_share, 0.0),
        copy=causes.copy_s / wall_s,
        core=causes.core_s / wall_s,
        overhead=min(harness_share, causes.decode_s / wall_s) + late,
        contention=slower - late + causes.device_s / wall_s,
        direct=direct,
        differential=1 - ratio,
    )


def main_cause(stall: StallSplit | None) -> str:
    """Return the largest cause as ", mainly because of ..."; empty if nothing is known or lost."""
    if stall is None:
        return ""
    name = max(CAUSES, key=lambda cause: float(getattr(stall, cause)))
    return f", mainly because of {MAIN_CAUSES[name]}" if getattr(stall, name) > 0 else ""


def loss_text(loss: float) -> str:
    """Format a loss: "12.0 %". No time is gained by waiting, so a negative one is noise and says so."""
    text = units.format_percent(loss)
    return f"none (noise: {text})" if text.startswith("-") else text


def _between_steps_s(epoch: EpochRecord) -> float:
    """Return the idle wait and the device time between steps, in seconds."""
    return (epoch.stall_s or 0.0) + (epoch.gap_s or 0.0)


def _harness_share(train: Sequence[TrialResult], harness: HarnessRecord | None, wall_s: float) -> float:
    """Return the harness's share of the time. It is spent between two steps and would otherwise count as decoding."""
    if harness is None:
        return 0.0
    steps = sum(sum(steps_of(trial)[trial.first_epochs :]) for trial in train)
    return harness.step_s * steps / wall_s
