"""When a run has seen enough. A rule receives each round's results and says whether another round is worth its time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.stats import Estimate, estimate, ratio
from feedrate.bench.run.plan import Plan
from feedrate.bench.timing.clock import now
from feedrate.loaders.errors import require_over_zero

PRECISION = 0.04
"""Default width of a ratio's interval that is narrow enough. Of runs that reach it within their budget, over 95 in 100 find a
change of 5 %."""
RATE_PRECISION = 0.08
"""Half width of a rate's 95 % interval that is narrow enough, as a share of the rate."""
BUDGET_S = 600.0
"""Default time budget of a run, in seconds."""
MIN_ROUNDS = 3
"""Rounds of a run whose rounds are not fixed, and at least one with each seed."""
MAX_ROUNDS = 200


def rule_for(plan: Plan, *, width: float, budget_s: float) -> StopRule:
    """Return fixed rounds if the plan has them, otherwise rounds until ratios are precise or the budget ends.

    width: of the 95 % interval, as a share of the ratio. Raises FeedrateError for a width or budget that is not over 0.
    """
    require_over_zero("--precision", width, hint=", for example 0.05 for 5 %")
    require_over_zero("--budget", budget_s)
    if plan.repeats is not None:
        return FixedRounds(plan.repeats, seeds=len(plan.seeds))
    min_rounds = max(MIN_ROUNDS, len(plan.seeds))
    return UntilPrecise(baseline=plan.compared_to, width=width, budget_s=budget_s, clock=now, min_rounds=min_rounds)


class StopRule(Protocol):
    """Decides after each round whether another one is run."""

    @property
    def max_rounds(self) -> int:
        """Rounds after which the run ends in any case."""
        ...

    def add(self, results: Sequence[TrialResult]) -> None:
        """Take the results of one more round."""
        ...

    @property
    def finished(self) -> str:
        """Why no further round is needed; empty if one is."""
        ...


@dataclass(slots=True)
class FixedRounds:
    """A fixed number of rounds with each seed, whatever they show."""

    repeats: int
    seeds: int = 1
    _rounds: int = 0

    @property
    def max_rounds(self) -> int:
        """All rounds."""
        return self.repeats * self.seeds

    def add(self, results: Sequence[TrialResult]) -> None:  # noqa: ARG002  (only their number counts)
        """Count one more round."""
        self._rounds += 1

    @property
    def finished(self) -> str:
        """Why no further round is needed; empty if one is."""
        if self._rounds < self.max_rounds:
            return ""
        each = f", {self.repeats} with each of {self.seeds} seeds" if self.seeds > 1 else ""
        plural = self.max_rounds > 1
        return f"{self.max_rounds} round{'s' * plural} {'were' if plural else 'was'} requested{each}"


RateKey = tuple[str, int, int, str]
"""Mode, batch size, ranks and loader: what the rounds repeat."""
RowRates = dict[tuple[str | None, int, int], float]
"""rows/s by session, repeat and seed: what identifies a round."""


@dataclass(slots=True)
class UntilPrecise:
    """Rounds until each ratio to the baseline and each rate is known precisely, or the time is up.

    Ratios are of rows/s in the same mode, with the same batch size and ranks, paired by round. Their 95 % interval must be narrower than `width`.
    Width is that of the whole interval as a share of the ratio. A rate's interval must lie within `RATE_PRECISION` of it, the
    ceiling's too. The rule looks at widths alone. If it stopped as soon as a difference showed, too many would show.
    """

    baseline: str
    width: float
    budget_s: float
    clock: Callable[[], float]
    min_rounds: int = MIN_ROUNDS
    max_rounds: int = MAX_ROUNDS
    _rows_per_s: dict[RateKey, RowRates] = field(default_factory=lambda: defaultdict(dict))
    _rounds: int = 0
    _longest_s: float = 0.0
    _began: float = field(init=False)
    _last: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self._last = self.clock()

    def add(self, results: Sequence[TrialResult]) -> None:
        """Take the results of one more round."""
        now = self.clock()
        self._longest_s, self._last = max(self._longest_s, now - self._last), now
        self._rounds += 1
        working = {trial.spec.repeat_of for trial in results if trial.status == "ok"}
        for mode, size, ranks, loader in list(self._rows_per_s):
            if (loader, mode, size, ranks) not in working:  # it has failed: its interval will not get narrower
                del self._rows_per_s[mode, size, ranks, loader]
        for trial in results:
            if trial.status == "ok" and trial.rows_per_s:
                spec = trial.spec
                key = trial.run_at, spec.repeat, spec.seed
                self._rows_per_s[spec.mode, spec.batch_size, spec.ranks, spec.loader][key] = trial.rows_per_s

    @property
    def finished(self) -> str:
        """Why no further round is needed; empty if one is."""
        if self._rounds >= self.max_rounds:
            return f"{self.max_rounds} rounds is the maximum"
        spent_s = self._last - self._began
        if self._rounds and spent_s + self._longest_s > self.budget_s:
            return f"the time budget of {self.budget_s:g} s leaves no room for another round"
        if self._rounds < self.min_rounds:
            return ""
        if any(_half_width(self._rate(key)) > RATE_PRECISION for key in self._rows_per_s):
            return ""
        ratios = list(self._ratios())
        if any(2 * _half_width(estimate) > self.width for estimate in ratios):
            return ""
        rates = f"every rate is known to ±{RATE_PRECISION:.0%} or better"
        if not self._rows_per_s:
            return "no loader has a result, so more rounds would not help"
        if not ratios:
            return f"no loader can be compared with {self.baseline}, and {rates}"
        return f"every ratio to {self.baseline} is known to {self.width:.1%} or better, and {rates}"

    def _rate(self, key: RateKey) -> Estimate:
        return estimate(list(self._rows_per_s[key].values()))

    def _ratios(self) -> Iterable[Estimate]:
        for (mode, size, ranks, loader), head in self._rows_per_s.items():
            base = self._rows_per_s.get((mode, size, ranks, self.baseline), {})
            rounds = sorted(head.keys() & base.keys())
            if loader != self.baseline and rounds:
                yield ratio([head[key] for key in rounds], [base[key] for key in rounds], paired=True)


def _half_width(estimate: Estimate) -> float:
    """Return half the interval's width as a share of the mean; infinite without an interval."""
    if estimate.low is None or estimate.high is None:
        return inf
    return (estimate.high - estimate.low) / 2 / estimate.mean
