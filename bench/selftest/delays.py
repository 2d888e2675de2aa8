"""Planted delays: what a trial measures against what a slow loader really did."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.results.wait_causes import wait_causes
from feedrate.bench.run.suite import run_suite

BATCH_SIZE = 400
"""Of 4,000 rows: ten batches an epoch."""
DELAY_S = 0.2
EPOCHS = 2
WAIT_TOLERANCE_S = 1e-3
WAIT_TOLERANCE = 0.02
RATE_TOLERANCE = 0.01
AGREEMENT_TOLERANCE = 0.05
"""Of the training time: a step beside a loader is a little slower than without one."""
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class PlantedDelay:
    kind: str
    pattern: str
    place: str
    cause: str
    """What the waiting must be put down to; empty: there is none in the steady epochs."""

    @property
    def name(self) -> str:
        return f"{self.kind}, {self.pattern}, in the {self.place}"


DELAYS = (
    PlantedDelay("sleep", "constant", "consumer", "fetch"),
    PlantedDelay("burn", "constant", "consumer", "decode"),
    PlantedDelay("sleep", "bursty", "consumer", "fetch"),
    PlantedDelay("sleep", "constant", "thread", "fetch"),
    PlantedDelay("burn", "constant", "thread", "decode"),
    PlantedDelay("sleep", "constant", "worker", "fetch"),
    PlantedDelay("burn", "constant", "worker", "decode"),
    PlantedDelay("sleep", "start", "consumer", ""),
)


@dataclass(frozen=True, slots=True)
class Measured:
    delay: PlantedDelay
    true_wait_s: float
    """A step, over the steady epochs."""
    wait_s: float
    true_rows_per_s: float
    rows_per_s: float
    cause: str
    first_batch_s: float
    detail: str = ""
    """Why there is no result."""

    @property
    def problems(self) -> list[str]:
        """Sentences on what is not as it should be."""
        if self.detail:
            return [self.detail]
        if not self.delay.cause:
            late = self.first_batch_s < DELAY_S or self.wait_s > DELAY_S / 10
            return (
                [f"a start of {DELAY_S:g} s shows as {self.first_batch_s:g} s, and {self.wait_s:g} s a step"]
                if late
                else []
            )
        found = []
        if abs(self.wait_s - self.true_wait_s) > max(WAIT_TOLERANCE * self.true_wait_s, WAIT_TOLERANCE_S):
            found.append(f"the wait of a step is {self.wait_s:.5f} s, and was {self.true_wait_s:.5f} s")
        if abs(self.rows_per_s / self.true_rows_per_s - 1) > RATE_TOLERANCE:
            found.append(f"rows/s are {self.rows_per_s:.1f}, and were {self.true_rows_per_s:.1f}")
        if self.cause != self.delay.cause:
            found.append(f"the wait is put down to {self.cause}, and was {self.delay.cause}")
        return found


def run(dataset: Path) -> Iterator[Measured]:
    """On the CPU, each in load mode; dataset: 4,000 training rows.

    Another program on the machine can spoil a single trial, so one that does not fit is repeated; a wrong clock is wrong
    each time.
    """
    for delay in DELAYS:
        for _ in range(ATTEMPTS):
            measured = _measured(delay, dataset)
            if not measured.problems:
                break
        yield measured


def _measured(delay: PlantedDelay, dataset: Path) -> Measured:
    with tempfile.TemporaryDirectory(prefix="feedrate-") as folder:
        truth = Path(folder) / "truth"
        options = f"kind={delay.kind}:pattern={delay.pattern}:place={delay.place}:truth={truth}"
        spec = TrialSpec(
            loader=f"slow:delay_s={DELAY_S}:{options}", mode="load", repeat=0, seed=0, batch_size=BATCH_SIZE,
            epochs=EPOCHS, device="cpu",
        )  # fmt: skip
        [trial] = run_suite([spec], dataset)
        return _compared(delay, trial, truth)


def _compared(delay: PlantedDelay, trial: TrialResult, truth: Path) -> Measured:
    causes = wait_causes(trial.steady)
    if trial.status != "ok" or causes is None or trial.first_batch_s is None:
        return Measured(delay, 0, 0, 0, 0, "", 0, f"{trial.status}: {trial.detail}")
    steps = sum(-(-epoch.rows // BATCH_SIZE) for epoch in trial.steady)
    made_s = sum(took for epoch, took in _read(truth) if 1 <= epoch < EPOCHS)
    # what is made while the consumer works is not waited for
    hidden_s = 0.0 if delay.place == "consumer" else sum(epoch.wall_s - epoch.wait_s for epoch in trial.steady)
    return Measured(
        delay=delay,
        true_wait_s=(made_s - hidden_s) / steps,
        wait_s=sum(epoch.wait_s for epoch in trial.steady) / steps,
        true_rows_per_s=sum(epoch.rows for epoch in trial.steady) / made_s if made_s else 0.0,
        rows_per_s=trial.rows_per_s or 0.0,
        cause=causes.main,
        first_batch_s=trial.first_batch_s,
    )


def _read(truth: Path) -> list[tuple[int, float]]:
    """(epoch, seconds) of each batch that was made; none where the loader did not get so far."""
    lines = truth.read_text().splitlines() if truth.exists() else []
    return [(int(epoch), float(took)) for epoch, took in (line.split() for line in lines)]


@dataclass(frozen=True, slots=True)
class Agreement:
    """The share of training that a known delay takes, found in two ways."""

    true: float
    direct: float
    """Waiting while the device is idle, step by step."""
    differential: float
    """1 - rows/s of train / rows/s of replay."""
    detail: str = ""

    @property
    def holds(self) -> bool:
        found = (self.direct, self.differential)
        return not self.detail and all(abs(share - self.true) <= AGREEMENT_TOLERANCE for share in found)


def agree(dataset: Path) -> Agreement:
    """Train on the CPU with a loader that computes in the consumer, and without a loader."""
    for _ in range(ATTEMPTS):
        found = _agreement(dataset)
        if found.holds:
            break
    return found


def _agreement(dataset: Path) -> Agreement:
    with tempfile.TemporaryDirectory(prefix="feedrate-") as folder:
        truth = Path(folder) / "truth"
        spec = TrialSpec(
            loader=f"slow:delay_s={DELAY_S / 5}:kind=burn:truth={truth}", mode="train", repeat=0, seed=0, batch_size=BATCH_SIZE,
            epochs=EPOCHS, device="cpu",
        )  # fmt: skip
        train, replay = run_suite([spec, replace(spec, mode="replay", loader="replay")], dataset)
        made_s = sum(took for epoch, took in _read(truth) if 1 <= epoch < EPOCHS)
    if not train.rows_per_s or not replay.rows_per_s or train.stall_fraction is None:
        return Agreement(0, 0, 0, f"{train.status}: {train.detail}; {replay.status}: {replay.detail}")
    wall_s = sum(epoch.wall_s for epoch in train.steady)
    return Agreement(made_s / wall_s, train.stall_fraction, 1 - train.rows_per_s / replay.rows_per_s)
