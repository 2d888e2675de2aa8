"""Draws the profiles beside a run: the parts of a step, and a timeline of some steps that can be zoomed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import accumulate

from feedrate.bench.results.profiles.explained import Explained
from feedrate.bench.results.profiles.record import Bar, Profile, settings
from feedrate.reports import units
from feedrate.reports.figures.figure import COLOURS, Figure

KNOWN = ("next", "forward", "backward", "optimizer", "decode", "copy", "shuffle")
"""Ranges with a colour of their own, which is the same in every timeline. All others are grey."""
MAX_BARS = 2_000
"""Maximum number of bars in a timeline. The longest ones are kept."""
PARTS = ("next", "forward", "backward", "optimizer")
"""Parts of a step, which follow each other on the consumer's thread."""
OTHER, REST, TOTAL = "other work", "rest", "total"


def heading(profile: Profile) -> str:
    """Describe a recording in one paragraph for people: steps, settings, device, profiler."""
    parts = [
        f"{profile.steps} steps of {units.format_seconds(profile.window_s / max(profile.steps, 1))}",
        settings(profile.spec),
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
    """Return two figures for each profile: the parts of its mean step, and a timeline of some steps."""
    figures = []
    for number, profile in enumerate(explained.profile for explained in profiles):
        if profile.steps and profile.window_s:
            figures.append(waterfall(profile, number))
        if profile.timeline:
            figures.append(timeline(profile, number))
    return figures


def waterfall(profile: Profile, number: int = 0) -> Figure:
    """Draw the mean step, part after part: the host's time and, with a device, the time of the work launched there."""
    ranges = {row.name: row for row in profile.ranges if row.thread == "main"}
    # A step that is a single CUDA graph has no parts.
    names = PARTS if any(name in ranges for name in PARTS[1:]) else (PARTS[0], "step")
    rows = [ranges.get(name) for name in names]
    host = [row.seconds if row else 0.0 for row in rows]
    data = [_bars(profile, "Host", names, [*host, 0.0], COLOURS[0])]
    if profile.device_busy_fraction is not None:
        device = [(row.device_s or 0.0) if row else 0.0 for row in rows]
        device.append(max(profile.device_busy_fraction * profile.window_s - sum(device), 0.0))
        data.append(_bars(profile, "Device", names, device, COLOURS[1]))
    device_text = (
        " Device bars show the work launched in each part, however late it ran. Other work was launched by other threads or "
        "ranges. Grey is idle time of the device."
        if len(data) > 1
        else ""
    )
    return Figure(
        name=f"waterfall-{number}",
        title=f"A step of {profile.spec.loader}",
        about=(
            f"The mean of {profile.steps} recorded steps, part after part. Each bar begins where the bar above it ends. The last bar is "
            f"the whole step, and grey is the rest of it. Host bars show the time of the consumer's thread.{device_text} Settings: "
            f"{settings(profile.spec)}."
        ),
        basis=f"Unit: ms; n = {profile.steps} steps of one recording; no interval: only one trial; page cache {profile.spec.cache}; "
        f"{profile.spec.device}.",
        data=data,
        layout={
            "barmode": "group",
            "xaxis": {"title": {"text": "time in the step, ms"}},
            "yaxis": {"autorange": "reversed", "type": "category", "title": {"text": "part"}},
            "showlegend": True,
        },
        x_text=lambda ms: f"{ms:.4g} ms",
    )


def _bars(
    profile: Profile, name: str, names: Sequence[str], seconds: Sequence[float], colour: str
) -> dict[str, object]:
    """Return the bars of the host or the device.

    seconds: time over all steps, for each part in `names` and then for other work.
    """
    step_s = profile.window_s / profile.steps
    parts = [total_s / profile.steps for total_s in seconds]
    parts.append(max(step_s - sum(parts), 0.0))
    lengths, begins = [*parts, step_s], [0.0, *list(accumulate(parts))[:-1], 0.0]
    colours = [*[colour] * len(seconds), COLOURS[7], colour]
    return {
        "type": "bar", "orientation": "h", "name": name, "base": [begin * 1e3 for begin in begins], "x": [length * 1e3 for length in lengths],
        "y": [*names, OTHER, REST, TOTAL], "customdata": [units.format_seconds(length) for length in lengths], "marker": {"color": colours},
        "hovertemplate": f"{name}, %{{y}}: %{{customdata}}<extra></extra>", "meta": {"rows": True},
    }  # fmt: skip


def timeline(profile: Profile, number: int = 0) -> Figure:
    """Draw one row for each thread and for the device. A nested range lies on top of the one around it."""
    bars = sorted(profile.timeline, key=lambda bar: bar.start_s - bar.end_s)[:MAX_BARS]
    names = list(dict.fromkeys(bar.name for bar in bars))
    rows = sorted({bar.row for bar in bars}, key=lambda row: (row != "main", row.startswith("device"), row))
    data = [_trace(name, [bar for bar in bars if bar.name == name]) for name in names]
    return Figure(
        name=f"timeline-{number}",
        title=f"Timeline of {profile.spec.loader}",
        about=(
            f"What each thread and the device did in some steps of {profile.spec.loader}. Drag to zoom, double-click to reset. "
            f"Whole recording: {heading(profile)}"
        ),
        basis=(
            f"Unit: ms; n = 1 recording; no interval: only one trial; page cache {profile.spec.cache}; {profile.spec.device}."
        ),
        data=data,
        layout={
            "barmode": "overlay",
            "xaxis": {"title": {"text": "time since the first of these steps began, ms"}},
            "yaxis": {
                "autorange": "reversed", "type": "category", "title": {"text": "thread"}, "categoryarray": [escape(row) for row in rows],
            },
            "showlegend": True,
        },
        x_text=lambda ms: f"{ms:.4g} ms",
    )  # fmt: skip


def _trace(name: str, bars: Sequence[Bar]) -> dict[str, object]:
    longest = max(bar.end_s - bar.start_s for bar in bars)
    return {
        "type": "bar", "orientation": "h", "name": escape(name), "base": [bar.start_s * 1e3 for bar in bars],
        "x": [(bar.end_s - bar.start_s) * 1e3 for bar in bars], "y": [escape(bar.row) for bar in bars],
        "customdata": [units.format_seconds(bar.end_s - bar.start_s) for bar in bars], "width": 0.85 if longest > 1e-3 else 0.6,
        "marker": {"color": COLOURS[KNOWN.index(name)] if name in KNOWN else COLOURS[7], "line": {"width": 0.0 if all(bar.row.startswith("device") for bar in bars) else 0.5, "color": "#ffffff"}},
        "hovertemplate": f"{escape(name)}: %{{customdata}}<extra></extra>", "meta": {"rows": True}, "showlegend": name in KNOWN,
    }  # fmt: skip
