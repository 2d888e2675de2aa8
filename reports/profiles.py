"""What profiles beside a run say: causes in words, and a timeline of some steps that can be zoomed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from feedrate.bench.profiling.explained import Explained
from feedrate.bench.profiling.record import Bar, Profile
from feedrate.reports import units
from feedrate.reports.figure import COLOURS, Figure

KNOWN = ("next", "forward", "backward", "optimizer", "decode", "copy", "shuffle")
"""Ranges that have a colour of their own, the same in every timeline; all others are grey."""
MOST_BARS = 2_000
"""Of a timeline that a page carries: the longest ones."""


def heading(profile: Profile) -> str:
    """What was recorded, in a line."""
    parts = [f"{profile.steps} steps of {units.seconds(profile.window_s / max(profile.steps, 1))}"]
    if profile.device_busy_fraction is not None:
        parts.append(f"device busy {units.percent(profile.device_busy_fraction)} (union of kernels and copies)")
    if profile.launches_per_step is not None:
        parts.append(f"{profile.launches_per_step:.0f} launches a step")
    return f"{', '.join(parts)}; recorded by {profile.profiler} {profile.version}. A profile explains; its speed is no result."


def timelines(profiles: Sequence[Explained]) -> list[Figure]:
    return [timeline(found.profile, number) for number, found in enumerate(profiles) if found.profile.timeline]


def timeline(profile: Profile, number: int = 0) -> Figure:
    """A row for each thread and for the device; a range within another lies upon it."""
    bars = sorted(profile.timeline, key=lambda bar: bar.start_s - bar.end_s)[:MOST_BARS]
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
        "customdata": [units.seconds(bar.end_s - bar.start_s) for bar in bars], "width": 0.85 if longest > 1e-3 else 0.6,
        "marker": {"color": COLOURS[KNOWN.index(name)] if name in KNOWN else COLOURS[7], "line": {"width": 0.5, "color": "#ffffff"}},
        "hovertemplate": f"{escape(name)}: %{{customdata}}<extra></extra>", "meta": {"rows": True}, "showlegend": name in KNOWN,
    }  # fmt: skip
