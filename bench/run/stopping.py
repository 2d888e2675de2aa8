"""When a run has seen enough: a rule is told each round's results and says whether another round is worth its time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.stats import Estimate, ratio
from feedrate.bench.run.plan import Plan
from feedrate.bench.timing.clock import now
from feedrate.loaders.errors import require_over_zero


def rule_for(plan: Plan, *, width: float, budget_s: float) -> StopRule:
    """Fixed rounds where the plan has them; each seed at least once, and three rounds, where it has not."""
    require_over_zero("--precision", width, ": 0.05 asks for intervals of 5 %")
    require_over_zero("--budget", budget_s)
    if plan.repeats is not None:
        return FixedRounds(plan.repeats, seeds=len(plan.seeds))
    least = max(3, len(plan.seeds))
    return UntilPrecise(baseline=plan.compared_to, width=width, budget_s=budget_s, clock=now, least=least)


PRECISION = 0.04
"""Default width of a ratio's interval that is narrow enough: a change of 5 % is then found in over 95 of 100 runs that
reach it within their budget."""
BUDGET_S = 600.0


class StopRule(Protocol):
    @property
    def most(self) -> int:
        """Rounds after which it ends in any case."""
        ...

    def add(self, results: Sequence[TrialResult]) -> None:
        """The results of one more round."""
        ...

    @property
    def finished(self) -> str:
        """Why no further round is needed; empty: one is."""
        ...


@dataclass(slots=True)
class FixedRounds:
    """So many rounds with each seed, whatever they show."""

    repeats: int
    seeds: int = 1
    _rounds: int = 0

    @property
    def most(self) -> int:
        return self.repeats * self.seeds

    def add(self, results: Sequence[TrialResult]) -> None:  # noqa: ARG002  (it counts only)
        self._rounds += 1

    @property
    def finished(self) -> str:
        if self._rounds < self.most:
            return ""
        each = f", {self.repeats} with each of {self.seeds} seeds" if self.seeds > 1 else ""
        return f"{self.most} round{'s' * (self.most > 1)} {'were' if self.most > 1 else 'was'} asked for{each}"


@dataclass(slots=True)
class UntilPrecise:
    """Until the 95 % interval of each loader's ratio to the baseline is narrower than `width`, or the time is up.

    Ratios are of rows/s in the same mode and batch size, paired by round. Width is that of the whole interval as a share
    of the ratio. It looks at the width alone, never at whether a difference shows: stopping there would find too many.
    """

    baseline: str
    width: float
    budget_s: float
    clock: Callable[[], float]
    least: int = 3
    most: int = 200
    _rows_per_s: dict[tuple[str, int, str], dict[tuple[str | None, int, int], float]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    _rounds: int = 0
    _longest_s: float = 0.0
    _began: float = field(init=False)
    _last: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self._last = self.clock()

    def add(self, results: Sequence[TrialResult]) -> None:
        now = self.clock()
        self._longest_s, self._last = max(self._longest_s, now - self._last), now
        self._rounds += 1
        working = {trial.spec.repeat_of for trial in results if trial.status == "ok"}
        for loader, mode, size in [(key[2], key[0], key[1]) for key in self._rows_per_s]:
            if (loader, mode, size) not in working:  # it has failed: its interval will not get narrower
                del self._rows_per_s[mode, size, loader]
        for trial in results:
            if trial.status == "ok" and trial.rows_per_s:
                spec = trial.spec
                self._rows_per_s[spec.mode, spec.batch_size, spec.loader][trial.run_at, spec.repeat, spec.seed] = (
                    trial.rows_per_s
                )

    @property
    def finished(self) -> str:
        if self._rounds >= self.most:
            return f"{self.most} rounds are the most that are run"
        spent_s = self._last - self._began
        if self._rounds and spent_s + self._longest_s > self.budget_s:
            return f"the time budget of {self.budget_s:g} s leaves no room for another round"
        if self._rounds < self.least:
            return ""
        widths = [_width(found) for found in self._ratios()]
        if not widths:
            return f"there is no ratio to {self.baseline} to be known better"
        if any(width is None or width > self.width for width in widths):
            return ""
        return f"every ratio to {self.baseline} is known to {self.width:.1%} or better"

    def _ratios(self) -> Iterable[Estimate]:
        for (mode, size, loader), head in self._rows_per_s.items():
            base = self._rows_per_s.get((mode, size, self.baseline), {})
            both = sorted(head.keys() & base.keys())
            if loader != self.baseline and both:
                yield ratio([head[key] for key in both], [base[key] for key in both], paired=True)


def _width(found: Estimate) -> float | None:
    return None if found.low is None or found.high is None else (found.high - found.low) / found.mean
