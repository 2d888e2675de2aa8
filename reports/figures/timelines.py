"""Turns profiles into the data of the page's timelines and flame graphs, which pages/profile.js draws."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from feedrate.bench.results.profiles.record import PARTS, Bar, Flame, Lane, LaneKind, Profile
from feedrate.reports import units
from feedrate.reports.figures.figure import COLOURS
from feedrate.reports.names import plain

LEGEND = {
    "next": COLOURS[0], "forward": COLOURS[1], "backward": COLOURS[2], "optimizer": COLOURS[3], "decode": COLOURS[4], "copy": COLOURS[5],
    "shuffle": COLOURS[6], "step": "#9AA1A9", "other": COLOURS[7], "waits for the device": "#B3123A",
}  # fmt: skip
"""Colours by range, and by the part that launched a kernel or called a function. They are those of the other figures."""
UNLISTED = {
    "to_device": COLOURS[5], "wait": "#C3C8CE",
    "library 0": "#7FB3D5", "library 1": "#F0B27A", "library 2": "#82C9A5", "library 3": "#D7BDE2",
}  # fmt: skip
"""Colours that the legend does not list. In flame graphs, a colour is a library."""
TIMELINE = "timeline"
DEVICE: frozenset[LaneKind] = frozenset({"kernels", "copies"})
"""Kinds of lanes that show what a device did."""
ON_DEVICE = ": kernels and copies have the colour of the part that launched them. Hatched times are those in which the device is idle."
"""What the page says of such lanes."""
ROWS: dict[str, tuple[LaneKind, str]] = {
    "device: kernels": ("kernels", "device"),
    "device: copies": ("copies", "device"),
}
"""Kinds and titles of rows in records without lanes. All other rows are ranges of a thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart of the page."""

    name: str
    """Id of its element."""
    title: str
    about: str
    groups: list[dict[str, Any]]
    """The loaders of a timeline, one above the other on one axis, or the threads of a flame graph."""
    has_device: bool = False
    """Whether a lane shows what a device did."""

    @property
    def is_flame(self) -> bool:
        """Whether the chart is a flame graph."""
        return self.name != TIMELINE


def charts(profiles: Sequence[Profile]) -> list[Chart]:
    """Return the timeline of all profiles, then a flame graph for each profile that has samples."""
    drawn = [_timeline(profiles)] if any(profile.lanes or profile.timeline for profile in profiles) else []
    return drawn + [_flames(profile, number) for number, profile in enumerate(profiles) if profile.flames]


def chart_data(drawn: Iterable[Chart]) -> dict[str, Any]:
    """Return what the page's script reads."""
    return {
        "parts": PARTS,
        "colours": LEGEND | UNLISTED,
        "charts": [{"id": chart.name, "groups": chart.groups} for chart in drawn],
    }


def _timeline(profiles: Sequence[Profile]) -> Chart:
    groups, kinds, linked = [], set(), False
    for number, profile in enumerate(profiles):
        lanes = profile.lanes or _lanes_of(profile.timeline)
        kinds |= {lane.kind for lane in lanes}
        linked |= any(any(lane.link) for lane in lanes)
        if lanes:
            groups.append(
                {
                    "profile": number,
                    "title": plain(profile.title),
                    "length": max(start + length for lane in lanes for start, length in zip(lane.start_s, lane.seconds, strict=True)),
                    "marks": [[mark.number, mark.start_s] for mark in profile.marks],
                    "lanes": [_lane(lane) for lane in lanes],
                }
            )  # fmt: skip
    return Chart(
        name=TIMELINE,
        title="Timeline of some steps",
        about=(
            "Each lane is a thread, a worker process or a stream of the device, in some steps from the middle of the recording. All loaders share "
            "one time axis, which begins when a step asks for its batch. Colours say which part of the step a bar belongs to"
            + (ON_DEVICE if kinds & DEVICE else ".")
            + (" Arrows lead from calls to the work that they launched." if linked else "")
        ),
        groups=groups,
        has_device=bool(kinds & DEVICE),
    )


def _lane(lane: Lane) -> dict[str, Any]:
    """Return a lane's data without fields that are empty, to keep the page small."""
    note = f"{lane.left_out:,} shorter bars left out, {units.format_seconds(lane.left_out_s)}" if lane.left_out else ""
    optional = {"link": lane.link, "part": lane.part, "launched": lane.launched_s, "bytes": lane.nbytes, "note": note}
    return {
        "title": plain(lane.title), "kind": lane.kind, "names": tuple(map(plain, lane.names)), "name": lane.name, "start": lane.start_s, "length": lane.seconds,
        **{name: value for name, value in optional.items() if value},
    }  # fmt: skip


def _lanes_of(bars: Sequence[Bar]) -> list[Lane]:
    """Return the lanes of a record that has bars, as records before 2026-12 have."""
    rows = sorted({bar.row for bar in bars}, key=lambda row: (row in ROWS, row != "main", row))
    return [_old_lane(row, [bar for bar in bars if bar.row == row]) for row in rows]


def _old_lane(row: str, bars: list[Bar]) -> Lane:
    kind, title = ROWS.get(row, ("ranges", row))
    bars = sorted(bars, key=lambda bar: (bar.start_s, -bar.end_s))
    names = {name: index for index, name in enumerate(dict.fromkeys(bar.name for bar in bars))}
    return Lane(
        title=title,
        kind=kind,
        names=tuple(names),
        name=tuple(names[bar.name] for bar in bars),
        start_s=tuple(bar.start_s for bar in bars),
        seconds=tuple(bar.end_s - bar.start_s for bar in bars),
    )


def _flames(profile: Profile, number: int) -> Chart:
    hz = profile.sample_hz or 1
    groups = [
        {"profile": number, "title": plain(flame.who), "length": flame.samples[0] / hz, "marks": [], "lanes": [_flame(flame, hz)]}
        for flame in profile.flames
    ]  # fmt: skip
    return Chart(
        name=f"flames-{number}",
        title=f"CPU flame graph of {profile.title}",
        about=(
            f"Functions that ran on the CPU, sampled {hz} times a second by py-spy in further steps after the recording. A function is as wide as "
            "its samples, and lies below the function that called it. Waiting threads have no samples. A colour is a library."
        ),
        groups=groups,
    )


def _flame(flame: Flame, hz: int) -> dict[str, Any]:
    """Return a tree of samples as a lane: each node begins where its elder sibling ends."""
    starts: list[int] = []
    next_start = [0]
    for depth, samples in zip(flame.depth, flame.samples, strict=True):
        del next_start[depth + 1 :]
        starts.append(next_start[depth])
        next_start[depth] += samples
        next_start.append(starts[-1])
    note = f"{flame.left_out:,} small functions left out" if flame.left_out else ""
    return {
        "title": plain(flame.who), "kind": "flame", "names": tuple(map(plain, flame.names)), "name": flame.name, "row": flame.depth,
        "start": [start / hz for start in starts], "length": [samples / hz for samples in flame.samples],
        **({"note": note} if note else {}),
    }  # fmt: skip
