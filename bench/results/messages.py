"""What the suite and a trial's process send each other: JSON, one message per line. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import TrialSpec

Mark = Literal["window begins", "window ended"]
Progress = Callable[[str, int, int], None]
"""progress(phase, rows done, rows in all)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the child process reads from standard input."""

    spec: TrialSpec
    dataset: str
    only_prepare: bool = False
    """Write the dataset in the loader's own format, and run no trial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A line of the child's output: its progress, or at the end its result and the windows that it timed.

    Windows are in seconds of timing.clock.now().
    """

    phase: str = ""
    done: int = 0
    total: int = 0
    mark: Mark | None = None
    """Sent just before the clock of a timed epoch starts, and just after it has stopped."""
    result: TrialResult | None = None
    windows: tuple[tuple[float, float], ...] = ()
