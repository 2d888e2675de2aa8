"""What the suite and a trial's process say to each other: JSON, a line a message. Without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import TrialSpec

Progress = Callable[[str, int, int], None]
"""phase, rows done, rows in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The child's standard input."""

    spec: TrialSpec
    dataset: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A line of the child's output: where it is, or at last its result and the windows it timed (seconds of timing.now())."""

    phase: str = ""
    done: int = 0
    total: int = 0
    result: TrialResult | None = None
    windows: tuple[tuple[float, float], ...] = ()
