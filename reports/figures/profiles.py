"""What profiles beside a run say: causes in words, what a step consists of, and a timeline of some steps that can be zoomed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import accumulate

from feedrate.bench.results.profiles.explained import Explained
from feedrate.bench.results.profiles.record import Bar, Profile, settings
from feedrate.reports import units
from feedrate.reports.figures.figure import COLOURS, Figure

KNOWN = ("next", "forward", "backward", "optimizer", "decode", "copy", "shuffle")
"""Ranges that have a colour of their own, the same in every timeline; all others are grey."""
MAX_BARS = 2_000
"""Of a timeline that a page carries: the longest ones."""
PARTS = ("next", "forward", "backward", "optimizer")
"""Of a step, one after the other on the consumer's thread."""
OTHER, REST, WHOLE = "other work", "the rest", "in all"


def heading(profile: Profile) -> str:
    """What was recorded, in a line."""
    parts = [
        f"{profile.steps} steps of {units.format_seconds(profile.window_s / max(profile.steps, 1))}",
        settings(profile.spec),
    ]
    if profile.device_busy_fraction is not None:
        parts.append(f"device busy {units.format_percent(profile.device_busy_fraction)} (union of kernels and copies)")
    if profile.launches_per_step is not None:
        parts.append(f"{profile.launches_per_step:.0f} launches a step")
    return f"{', '.join(parts)}; recorded by {profile.profiler} {profile.version}. A profile explains; its speed is no result."


def profile_figures(profiles: Sequence[Explained]) -> list[Figure]:
    """For each profile what a step consists of, and a timeline of some steps."""
    made = []
    for number, found in enumerate(profiles):
        if found.profile.steps and found.profile.window_s:
            made.append(waterfall(found.profile, number))
        if found.profile.timeline:
            made.append(timeline(found.profile, number))
    return made


def waterfall(profile: Profile, number: int = 0) -> Figure:
    """The mean step, part after part: the host's time and, with a device, that of what it launched there."""
    ranges = {row.name: row for row in profile.ranges if row.thread == "main"}
    # a step that is one CUDA graph has no parts
    names = PARTS if any(name in ranges for name in PARTS[1:]) else (PARTS[0], "step")
    rows = [ranges.get(name) for name in names]
    host = [row.seconds if row else 0.0 for row in rows]
    data = [_bars(profile, "Host", names, [*host, 0.0], COLOURS[0])]
    if profile.device_busy_fraction is not None:
        device = [(row.device_s or 0.0) if row else 0.0 for row in rows]
        device.append(max(profile.device_busy_fraction * profile.window_s - sum(device), 0.0))
        data.append(_bars(profile, "Device", names, device, COLOURS[1]))
    launched = (
        f" Device: the work that was launched in each part, however late it ran; {OTHER}: that of other threads and ranges; grey: idle."
        if len(data) > 1
        else ""
    )
    return Figure(
        name=f"waterfall-{number}",
        title=f"A step of {profile.spec.loader}",
        about=(
            f"The mean of {profile.steps} recorded steps, part after part: each bar begins where the one above ends, and the last is "
            f"the whole; grey is what is left of it. Host: the consumer's thread.{launched} Here: {settings(profile.spec)}."
        ),
        basis=f"Unit: ms; n = {profile.steps} steps of one recording; no interval: means of one trial; page cache {profile.spec.cache}; "
        f"{profile.spec.device}.",
        data=data,
        layout={
            "barmode": "group",
            "xaxis": {"title": {"text": "ms of a step"}},
            "yaxis": {"autorange": "reversed", "type": "category", "title": {"text": "part"}},
            "showlegend": True,
        },
        x_text=lambda ms: f"{ms:.4g} ms",
    )


def _bars(
    profile: Profile, name: str, names: Sequence[str], seconds: Sequence[float], colour: str
) -> dict[str, object]:
    """seconds: over all steps, of the parts by name and of other work."""
    whole = profile.window_s / profile.steps
    parts = [own / profile.steps for own in seconds]
    parts.append(max(whole - sum(parts), 0.0))
    lengths, begins = [*parts, whole], [0.0, *list(accumulate(parts))[:-1], 0.0]
    colours = [*[colour] * len(seconds), COLOURS[7], colour]
    return {
        "type": "bar", "orientation": "h", "name": name, "base": [begin * 1e3 for begin in begins], "x": [own * 1e3 for own in lengths],
        "y": [*names, OTHER, REST, WHOLE], "customdata": [units.format_seconds(own) for own in lengths], "marker": {"color": colours},
        "hovertemplate": f"{name}, %{{y}}: %{{customdata}}<extra></extra>", "meta": {"rows": True},
    }  # fmt: skip


def timeline(profile: Profile, number: int = 0) -> Figure:
    """A row for each thread and for the device; a range within another lies upon it."""
    bars = sorted(profile.timeline, key=lambda bar: bar.start_s - bar.end_s)[:MAX_BARS]
    names = list(dict.fromkeys(bar.name for bar in bars))
    rows = sorted({bar.row for bar in bars}, key=lambda row: (row != "main", row.startswith("device"), row))
    data = [_trace(name, [bar for bar in bars if bar.name == name]) for name in names]
    return Figure(
        name=f"timeline-{number}",
        title=f"Timeline of {profile.spec.loader}",
        about=(
            f"Some steps of {profile.spec.loader}: what each thread was in, and the device. Drag to zoom, double-click to go back. "
            f"{heading(profile)}"
        ),
        basis=(
            f"Unit: ms; n = 1 recording; no interval: one trial; page cache {profile.spec.cache}; {profile.spec.device}."
        ),
        data=data,
        layout={
            "barmode": "overlay",
            "xaxis": {"title": {"text": "ms since the first of these steps began"}},
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
