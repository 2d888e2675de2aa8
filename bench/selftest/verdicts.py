"""Are verdicts right? A loader compared with itself, really and by resampling; and with a copy of itself made slower."""

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
"""Share of comparisons of a loader with itself that may be called different."""
MIN_FOUND_FRACTION = 0.90
"""Share of comparisons with a slower copy that must be called slower."""
SLOWDOWN = 0.05


@dataclass(frozen=True, slots=True)
class Pair:
    """One comparison of a loader with itself: rows/s of both, by round."""

    base: tuple[float, ...]
    head: tuple[float, ...]

    @property
    def verdict(self) -> Direction:
        return judge_ratio(self.head, self.base, paired=True).direction


def run_pairs(
    dataset: Path, *, pairs: int, rounds: int, device: str, batch_size: int, epochs: int, first: int = 0,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Pair]:  # fmt: skip
    """Run native-batched against native-batched, every trial a process of its own, rounds in random order.

    first: the first pair's number, for orders are drawn by it.
    """
    for pair in range(first, first + pairs):
        found: dict[str, list[float]] = {"base": [], "head": []}
        for number in range(rounds):
            names = ["base", "head"]
            Random(1000 * pair + number).shuffle(names)
            for name in names:
                found[name].append(_rows_per_s(dataset, number, device, batch_size, epochs))
        progress(pair + 1, first + pairs)
        yield Pair(tuple(found["base"]), tuple(found["head"]))


def share_called_different(pairs: Sequence[Pair]) -> float:
    """Share of the comparisons that were called different."""
    return sum(pair.verdict in ("more", "less") for pair in pairs) / len(pairs)


def resample_verdicts(
    pairs: Sequence[Pair], *, comparisons: int, slowdown: float = 0.0, round_s: float = 4.0, seed: int = 0
) -> list[Direction]:
    """Verdicts of whole runs under the default stop rule, each round drawn from the recorded ones, its sides at random.

    Whole rounds, because what the machine did to both sides of one belongs together.
    slowdown: by how much the head's rows/s are made less. round_s: what a round takes of the time budget.
    """
    rounds = [both for pair in pairs for both in zip(pair.base, pair.head, strict=True)]
    rng = Random(seed)
    return [_one_run(rounds, 1 - slowdown, round_s, rng) for _ in range(comparisons)]


def _one_run(rounds: Sequence[tuple[float, float]], factor: float, round_s: float, rng: Random) -> Direction:
    rule = UntilPrecise(baseline="base", width=PRECISION, budget_s=BUDGET_S, clock=_Clock(round_s))
    base: list[float] = []
    head: list[float] = []
    while not rule.finished:
        one, other = rng.sample(rng.choice(rounds), 2)
        base.append(one)
        head.append(other * factor)
        rule.add([_trial("base", len(base), base[-1]), _trial("head", len(head), head[-1])])
    return judge_ratio(head, base, paired=True).direction


class _Clock:
    """Each look is a round later."""

    def __init__(self, round_s: float) -> None:
        self._at, self._round_s = -round_s, round_s

    def __call__(self) -> float:
        self._at += self._round_s
        return self._at


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
        raise RuntimeError(f"native-batched is {trial.status}: {trial.detail}")
    return trial.rows_per_s
