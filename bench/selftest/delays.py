"""Planted delays. What a trial measures is compared with what a slow loader really did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.results.wait_causes import wait_causes
from feedrate.bench.run.suite import run_suite
from feedrate.loaders.scratch.temporary_folder import TemporaryFolder

BATCH_SIZE = 400
"""Rows in a batch. The dataset has 4,000 rows, which make ten batches per epoch."""
DELAY_S = 0.2
"""Mean delay of a batch."""
EPOCHS = 2
"""Epochs in a trial."""
WAIT_TOLERANCE_S = 1e-3
"""Accepted error of the wait per step in seconds. The larger of the two wait tolerances applies."""
WAIT_TOLERANCE = 0.02
"""Accepted relative error of the wait per step."""
RATE_TOLERANCE = 0.01
"""Accepted relative error of rows/s."""
AGREEMENT_TOLERANCE = 0.05
"""Accepted error of a share of the training time. A step beside a loader is slightly slower than without one."""
ATTEMPTS = 5
"""Attempts before a wrong measurement counts."""


@dataclass(frozen=True, slots=True)
class PlantedDelay:
    """A delay of the loader `slow`, and the cause that its wait must be attributed to."""

    kind: str
    pattern: str
    place: str
    cause: str
    """Expected main cause of the wait. Empty if the steady epochs have no wait."""

    @property
    def name(self) -> str:
        """Name of the delay in the output of the self-test."""
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
    """What a trial measured with a planted delay, beside the truth."""

    delay: PlantedDelay
    true_wait_s: float
    """True wait per step, over the steady epochs."""
    wait_s: float
    """Measured wait per step, over the steady epochs."""
    true_rows_per_s: float
    rows_per_s: float
    cause: str
    """Main cause that the wait was attributed to."""
    first_batch_s: float
    detail: str = ""
    """Why there is no result. Empty if there is one."""

    @property
    def problems(self) -> list[str]:
        """Sentences on wrong measurements. Empty if all are within their tolerances."""
        if self.detail:
            return [self.detail]
        if not self.delay.cause:
            if self.first_batch_s >= DELAY_S and self.wait_s <= DELAY_S / 10:
                return []
            return [
                f"a start of {DELAY_S:g} s was measured as a first batch after {self.first_batch_s:g} s "
                f"and a wait of {self.wait_s:g} s per step"
            ]
        problems = []
        if abs(self.wait_s - self.true_wait_s) > max(WAIT_TOLERANCE * self.true_wait_s, WAIT_TOLERANCE_S):
            problems.append(f"the wait per step is {self.wait_s:.5f} s, but was {self.true_wait_s:.5f} s")
        if abs(self.rows_per_s / self.true_rows_per_s - 1) > RATE_TOLERANCE:
            problems.append(f"throughput is {self.rows_per_s:.1f} rows/s, but was {self.true_rows_per_s:.1f} rows/s")
        if self.cause != self.delay.cause:
            problems.append(f"the cause of the wait is {self.cause}, but was {self.delay.cause}")
        return problems


def run(dataset: Path) -> Iterator[Measured]:
    """Run a loader-only trial on the CPU for each delay.

    dataset: a prepared folder with 4,000 training rows.
    Another program on the machine can spoil a single trial, so a trial with problems is repeated. A wrong clock is
    wrong every time.
    """
    for delay in DELAYS:
        for _ in range(ATTEMPTS):
            measured = _measure(delay, dataset)
            if not measured.problems:
                break
        yield measured


def _measure(delay: PlantedDelay, dataset: Path) -> Measured:
    with TemporaryFolder() as folder:
        truth = folder.path / "truth"
        options = f"kind={delay.kind}:pattern={delay.pattern}:place={delay.place}:truth={truth}"
        spec = TrialSpec(
            loader=f"slow:delay_s={DELAY_S}:{options}", mode="load", repeat=0, seed=0, batch_size=BATCH_SIZE,
            epochs=EPOCHS, device="cpu",
        )  # fmt: skip
        [trial] = run_suite([spec], dataset)
        return _compare_with_truth(delay, trial, truth)


def _compare_with_truth(delay: PlantedDelay, trial: TrialResult, truth: Path) -> Measured:
    causes = wait_causes(trial.steady)
    if trial.status != "ok" or causes is None or trial.first_batch_s is None:
        return Measured(delay, 0, 0, 0, 0, "", 0, f"{trial.status}: {trial.detail}")
    steps = sum(-(-epoch.rows // BATCH_SIZE) for epoch in trial.steady)
    production_s = _steady_production_s(truth)
    # batches produced while the consumer works cause no wait
    hidden_s = 0.0 if delay.place == "consumer" else sum(epoch.wall_s - epoch.wait_s for epoch in trial.steady)
    return Measured(
        delay=delay,
        true_wait_s=(production_s - hidden_s) / steps,
        wait_s=sum(epoch.wait_s for epoch in trial.steady) / steps,
        true_rows_per_s=sum(epoch.rows for epoch in trial.steady) / production_s if production_s else 0.0,
        rows_per_s=trial.rows_per_s or 0.0,
        cause=causes.main,
        first_batch_s=trial.first_batch_s,
    )


def _steady_production_s(truth: Path) -> float:
    """Return the seconds that the loader took to produce the batches of the steady epochs.

    Each line of the file holds the epoch and the seconds of one batch. There is no file if the loader failed early.
    """
    lines = truth.read_text().splitlines() if truth.exists() else []
    return sum(float(seconds) for epoch, seconds in (line.split() for line in lines) if 1 <= int(epoch) < EPOCHS)


@dataclass(frozen=True, slots=True)
class Agreement:
    """The share of the training time that a known delay takes, 0..1, measured in two ways."""

    true: float
    direct: float
    """Waiting with an idle device, summed over the steps."""
    differential: float
    """1 - rows/s of training / rows/s of the model only."""
    detail: str = ""
    """Why there is no result. Empty if there is one."""

    @property
    def holds(self) -> bool:
        """Whether both measurements are within the tolerance of the truth."""
        shares = (self.direct, self.differential)
        return not self.detail and all(abs(share - self.true) <= AGREEMENT_TOLERANCE for share in shares)


def measure_agreement(dataset: Path) -> Agreement:
    """Train on the CPU with a loader that computes in the consumer's thread, and run replay.

    dataset: a prepared folder with 4,000 training rows. A measurement that does not hold is repeated, as in run().
    """
    for _ in range(ATTEMPTS):
        agreement = _measure_shares(dataset)
        if agreement.holds:
            break
    return agreement


def _measure_shares(dataset: Path) -> Agreement:
    with TemporaryFolder() as folder:
        truth = folder.path / "truth"
        spec = TrialSpec(
            loader=f"slow:delay_s={DELAY_S / 5}:kind=burn:truth={truth}", mode="train", repeat=0, seed=0, batch_size=BATCH_SIZE,
            epochs=EPOCHS, device="cpu",
        )  # fmt: skip
        train, replay = run_suite([spec, replace(spec, mode="replay", loader="replay")], dataset)
        production_s = _steady_production_s(truth)
    if not train.rows_per_s or not replay.rows_per_s or train.stall_fraction is None:
        return Agreement(0, 0, 0, f"{train.status}: {train.detail}; {replay.status}: {replay.detail}")
    wall_s = sum(epoch.wall_s for epoch in train.steady)
    return Agreement(production_s / wall_s, train.stall_fraction, 1 - train.rows_per_s / replay.rows_per_s)
