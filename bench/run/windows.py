"""Compares the clock of a trial's process with the suite's own clock, and finds out if the machine was suspended.

The suite notes when each mark of a timed window arrives. A trial whose clock runs at another rate is void.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from feedrate.bench.results.messages import Mark
from feedrate.bench.results.record import TrialResult

TOLERANCE = 0.05
"""Share by which the two clocks may differ."""
MAX_SUSPENDED_S = 0.1
"""Seconds of suspension that are not worth a flag. The two clocks are read one after the other."""
LATENCY_S = 0.1
"""Seconds in all by which marks may arrive late for other reasons than those below, such as page faults."""
WINDOW_LATENCY_S = 0.005
"""Seconds that a mark may wait for the suite's interpreter lock, which changes hands every 5 ms."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A mark and when the suite received it."""

    mark: Mark
    at_s: float
    """Seconds of clock.now() in the suite."""
    queued_s: float
    """Seconds that the receiving thread had waited for a core until then, since it started."""
    suspended_s: float = 0.0
    """Seconds for which the machine had been suspended until then, since it was started."""


def clock_fault(result: TrialResult, windows: Sequence[tuple[float, float]], stamps: Sequence[Stamp]) -> str:
    """Return a sentence if the trial's clock is not the suite's clock, and an empty one if it is.

    windows: start and end of each timed epoch by the trial's clock, in seconds.
    """
    expected: list[Mark] = ["window begins", "window ended"] * len(result.epochs or ())
    if [stamp.mark for stamp in stamps] != expected or 2 * len(windows) != len(expected):
        return (
            f"its record has {len(result.epochs or ())} timed epochs and {len(windows)} windows, but the suite was told of "
            f"{len(stamps) / 2:g}"
        )
    if not windows:
        return ""
    late_s = LATENCY_S + stamps[-1].queued_s - stamps[0].queued_s
    seen_s = sum(end.at_s - begin.at_s for begin, end in pairs(stamps))
    for timed_s in (sum(epoch.wall_s for epoch in result.epochs or ()), sum(end - begin for begin, end in windows)):
        if _differ(timed_s, seen_s, late_s + len(windows) * WINDOW_LATENCY_S):
            return f"its clock shows {timed_s:.2f} s for the timed epochs, the suite's clock {seen_s:.2f} s"
    timed_s, seen_s = windows[-1][1] - windows[0][0], stamps[-1].at_s - stamps[0].at_s
    if _differ(timed_s, seen_s, late_s):
        return (
            f"its clock shows {timed_s:.2f} s from the first timed epoch to the last, the suite's clock {seen_s:.2f} s"
        )
    return ""


def suspended(stamps: Sequence[Stamp]) -> tuple[str, ...]:
    """Return the flag of a machine that was suspended between the first timed epoch and the last."""
    lost_s = stamps[-1].suspended_s - stamps[0].suspended_s if stamps else 0.0
    if lost_s <= MAX_SUSPENDED_S:
        return ()
    return (
        f"the machine was suspended for {lost_s:,.1f} s during the timed epochs: caches and clocks of the device changed",
    )


def pairs(stamps: Sequence[Stamp]) -> list[tuple[Stamp, Stamp]]:
    """Return the beginning and the end of each window."""
    return list(pairwise(stamps))[::2]


def _differ(timed_s: float, seen_s: float, late_s: float) -> bool:
    return abs(timed_s - seen_s) > TOLERANCE * max(timed_s, seen_s) + late_s
