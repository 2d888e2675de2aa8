"""Counts the trials of a `feedrate run`: which one is running, of how many, and how long the others will take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from feedrate.bench.timing.clock import now
from feedrate.reports import units


@dataclass(slots=True, kw_only=True)
class TrialCount:
    """The trials of one session."""

    per_round: int
    max_rounds: int
    planned: int | None
    """Trials in all, those that existed already included; None if the stopping rule decides."""
    budget_s: float | None = None
    """Time after which no round is started."""
    existing: int = 0
    """Trials that an earlier session ran. They count only if the number of rounds is fixed."""
    clock: Callable[[], float] = now
    finished: int = 0
    """Trials that this session has finished."""
    _began_s: float = field(init=False)
    _mean_s: float = 0.0
    """Mean time of the finished trials."""

    def __post_init__(self) -> None:
        self._began_s = self.clock()

    def add(self) -> None:
        """Count one more finished trial."""
        self.finished += 1
        self._mean_s = (self.clock() - self._began_s) / self.finished

    def name(self, number: int) -> str:
        """Return "3 of 12", "3 of at most 40", or "3 (round 1)" before a trial has finished. `number` counts from 1."""
        if self.planned is not None:
            return f"{self.existing + number} of {self.planned}"
        if self.finished == 0 or self.budget_s is None:
            return f"{number} (round {-(-number // self.per_round)})"
        return f"{number} of at most {self._at_most()}"

    def time_left(self) -> str:
        """Return "about 5 min left", or "up to 5 min left" if a stopping rule may end the run earlier; empty if not known."""
        if self.finished == 0:
            return ""
        spent_s = self.clock() - self._began_s
        if self.planned is None:
            left_s = self._trial_s() * (self._at_most() - self.finished)
            return f"up to {units.format_duration(left_s)} left"
        left_s = self._trial_s() * (self.planned - self.existing) - spent_s
        return f"about {units.format_duration(max(left_s, 0.0))} left"

    def _trial_s(self) -> float:
        """Mean time of a trial. The one that is running counts as soon as it raises the mean."""
        return max(self._mean_s, (self.clock() - self._began_s) / (self.finished + 1))

    def _at_most(self) -> int:
        """Trials that fit into the budget, in whole rounds, the current round included."""
        fitting = int((self.budget_s or 0.0) / (self._trial_s() * self.per_round))
        current = -(-(self.finished + 1) // self.per_round)
        return min(max(fitting, current), self.max_rounds) * self.per_round
