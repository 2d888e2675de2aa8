"""Tests whether verdicts are correct.

A loader is compared with itself, both in real trials and by resampling them. It is also compared with a slower copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.results.stats import Direction, judge_ratio
from feedrate.bench.run.stopping import BUDGET_S, PRECISION, UntilPrecise
from feedrate.bench.run.suite import run_suite

MAX_FALSE_FRACTION = 0.05
"""Maximum share of comparisons of a loader with itself that may be called different."""
MIN_FOUND_FRACTION = 0.90
"""Minimum share of comparisons with a slower copy that must be called slower."""
SLOWDOWN = 0.05
"""Relative loss of rows/s of the slower copy."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One comparison of a loader with itself: the rows/s of both sides in each round."""

    base: tuple[float, ...]
    head: tuple[float, ...]

    @property
    def verdict(self) -> Direction:
        """The verdict on head against base."""
        return judge_ratio(self.head, self.base, paired=True).direction


def run_pairs(
    dataset: Path, *, pairs: int, rounds: int, device: str, batch_size: int, epochs: int, first: int = 0,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Pair]:  # fmt: skip
    """Compare native-batched with itself. Every trial has its own process, and each round a random order.

    pairs: number of comparisons. rounds: trials of each side in a comparison.
    first: number of the first pair, which seeds the random orders.
    Raises RuntimeError if a trial fails.
    """
    for pair in range(first, first + pairs):
        rates: dict[str, list[float]] = {"base": [], "head": []}
        for number in range(rounds):
            names = ["base", "head"]
            Random(1000 * pair + number).shuffle(names)
            for name in names:
                rates[name].append(_rows_per_s(dataset, number, device, batch_size, epochs))
        progress(pair + 1, first + pairs)
        yield Pair(tuple(rates["base"]), tuple(rates["head"]))


def share_called_different(pairs: Sequence[Pair]) -> float:
    """Return the share of comparisons that were called different."""
    return sum(pair.verdict in ("more", "less") for pair in pairs) / len(pairs)


def resample_verdicts(
    pairs: Sequence[Pair], *, comparisons: int, slowdown: float = 0.0, round_s: float = 4.0, seed: int = 0
) -> list[Direction]:
    """Simulate runs under the default stopping rule and return their verdicts.

    Each round is drawn from the recorded ones, and its two sides are assigned at random. Rounds are drawn as a whole,
    because the state of the machine affects both sides of a round.
    slowdown: relative loss of rows/s applied to the head. round_s: seconds of the time budget that a round takes.
    """
    rounds = [rates for pair in pairs for rates in zip(pair.base, pair.head, strict=True)]
    rng = Random(seed)
    return [_simulate_run(rounds, 1 - slowdown, round_s, rng) for _ in range(comparisons)]


def _simulate_run(rounds: Sequence[tuple[float, float]], factor: float, round_s: float, rng: Random) -> Direction:
    rule = UntilPrecise(baseline="base", width=PRECISION, budget_s=BUDGET_S, clock=_RoundClock(round_s))
    base: list[float] = []
    head: list[float] = []
    while not rule.finished:
        base_rate, head_rate = rng.sample(rng.choice(rounds), 2)
        base.append(base_rate)
        head.append(head_rate * factor)
        rule.add([_trial("base", len(base), base[-1]), _trial("head", len(head), head[-1])])
    return judge_ratio(head, base, paired=True).direction


class _RoundClock:
    """A clock that advances by one round each time it is read."""

    def __init__(self, round_s: float) -> None:
        self._now_s, self._round_s = -round_s, round_s

    def __call__(self) -> float:
        self._now_s += self._round_s
        return self._now_s


def _trial(loader: str, repeat: int, rows_per_s: float) -> TrialResult:
    from feedrate.bench.results.record import EpochRecord

    spec = TrialSpec(loader=loader, mode="load", repeat=repeat, seed=0, batch_size=1, epochs=1, device="cpu")
    epoch = EpochRecord(rows=1_000_000, wall_s=1_000_000 / rows_per_s, wait_s=0.0)
    return TrialResult(spec=spec, status="ok", rows=epoch.rows, wall_s=epoch.wall_s, epochs=(epoch,))


def _rows_per_s(dataset: Path, seed: int, device: str, batch_size: int, epochs: int) -> float:
    spec = TrialSpec(
        loader="native-batched", mode="load", repeat=0, seed=seed, batch_size=batch_size, epochs=epochs, device=device
    )
    [trial] = run_suite([spec], dataset)
    if trial.rows_per_s is None:
        raise RuntimeError(f"the trial of native-batched is {trial.status}: {trial.detail}")
    return trial.rows_per_s
