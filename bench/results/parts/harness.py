"""What the harness itself costs."""

from __future__ import annotations

from dataclasses import dataclass

from feedrate.bench.results.bounds import Amount, Count, Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class HarnessRecord:
    """What `feedrate calibrate` measures: the harness's own cost, with a loader and a model that do nothing."""

    step_s: Seconds
    """Host time per step beyond an empty loop."""
    steps: Count
    null_rows_per_s: Amount
    """The harness's own ceiling: what a loader without any cost would reach at the default batch size."""
