"""Draws the profiles beside a run: the parts of a step. timelines.py prepares the timeline of single steps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from feedrate.bench.results.profiles.explained import Explained
from feedrate.bench.results.profiles.record import Profile, settings
from feedrate.reports import units
from feedrate.reports.figures.figure import COLOURS, Figure

PARTS = ("next", "forward", "backward", "optimizer")
"""Parts of a step, which follow each other on the consumer's thread."""
OTHER, LOOP, IDLE, TOTAL = "other work", "rest of the loop", "idle", "total"


def heading(profile: Profile) -> str:
    """Describe a recording in one paragraph for people: steps, settings, device, profiler."""
    parts = [
        f"{profile.steps} steps of {units.format_seconds(profile.window_s / max(profile.steps, 1))}",
        settings(profile.spec, profile.rank),
    ]
    if profile.device_busy_fraction is not None:
        parts.append(f"device busy {units.format_percent(profile.device_busy_fraction)} (union of kernels and copies)")
    if profile.launches_per_step is not None:
        parts.append(f"{profile.launches_per_step:.0f} launches per step")
    return (
        f"{', '.join(parts)}. Recorded by {profile.profiler} {profile.version}. Recording costs time, so the speed of a profile is not a "
        "result."
    )


def profile_figures(profiles: Sequence[Explained]) -> list[Figure]:
    """Return a figure for each profile: the parts of its mean step."""
    return [
        waterfall(explained.profile, number)
        for number, explained in enumerate(profiles)
        if explained.profile.steps and explained.profile.window_s
    ]


def waterfall(profile: Profile, number: int = 0) -> Figure:
    """Draw the mean step, part after part: the host's time and, with a device, the time of the work launched there."""
    ranges = {row.name: row for row in profile.ranges if row.thread == "main"}
    # A step that is a single CUDA graph has no parts.
    names = PARTS if any(name in ranges for name in PARTS[1:]) else (PARTS[0], "step")
    rows = [ranges.get(name) for name in names]
    host = [row.seconds if row else 0.0 for row in rows]
    data = [_bars(profile, "Host", names, host, LOOP, COLOURS[0])]
    device_text = ""
    if profile.device_busy_fraction is not None:
        device = [(row.device_s or 0.0) if row else 0.0 for row in rows]
        device.append(max(profile.device_busy_fraction * profile.window_s - sum(device), 0.0))
        data.append(_bars(profile, "Device", (*names, OTHER), device, IDLE, COLOURS[1]))
        device_text = (
            " Device bars show the work launched in each part, however late it ran. Other work was launched by other threads or "
            "ranges. Hatched is the time in which the device is idle."
        )
    order = [*names, *([OTHER] if len(data) > 1 else []), LOOP, *([IDLE] if len(data) > 1 else []), TOTAL]
    return Figure(
        name=f"waterfall-{number}",
        title=f"A step of {profile.title}",
        about=(
            f"The mean of {profile.steps} recorded steps, part after part, with each part's share of the step. Each bar begins where the one "
            f"before it ends. The last bar is the whole step. Host bars show the time of the consumer's thread.{device_text} Settings: "
            f"{settings(profile.spec, profile.rank)}."
        ),
        basis=f"Unit: ms; n = {profile.steps} steps of one recording; no interval: only one trial; page cache {profile.spec.cache}; "
        f"{profile.spec.device}.",
        data=data,
        layout={
            "barmode": "group",
            "xaxis": {"title": {"text": "time in the step, ms"}, "range": [0, profile.window_s / profile.steps * 1e3 * 1.15]},
            "yaxis": {"autorange": "reversed", "type": "category", "title": {"text": "part"}, "categoryarray": order},
            "showlegend": True,
        },
        x_text=lambda ms: f"{ms:.4g} ms",
    )  # fmt: skip


def _bars(
    profile: Profile, name: str, names: Sequence[str], seconds: Sequence[float], rest: str, colour: str
) -> dict[str, object]:
    """Return the bars of the host or the device.

    seconds: time over all steps, for each part in `names`. rest: the name of what remains of the step.
    """
    step_s = profile.window_s / profile.steps
    parts = [total_s / profile.steps for total_s in seconds]
    parts.append(max(step_s - sum(parts), 0.0))
    lengths, begins = [*parts, step_s], [0.0, *list(accumulate(parts))[:-1], 0.0]
    shares = [units.format_percent(length / step_s) for length in lengths]
    texts = [f"{units.format_seconds(length)}, {share}" for length, share in zip(lengths, shares, strict=True)]
    return {
        "type": "bar", "orientation": "h", "name": name, "base": [begin * 1e3 for begin in begins], "x": [length * 1e3 for length in lengths],
        "y": [*names, rest, TOTAL], "customdata": texts, "text": shares, "textposition": "outside", "cliponaxis": False,
        "marker": {
            "color": [*[colour] * len(seconds), COLOURS[7], colour],
            "pattern": {"shape": [*[""] * len(seconds), "/" if rest == IDLE else "", ""]},
        },
        "hovertemplate": f"{name}, %{{y}}: %{{customdata}}<extra></extra>", "meta": {"rows": True},
    }  # fmt: skip
