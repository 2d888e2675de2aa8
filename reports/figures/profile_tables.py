"""Turns a profile into the tables of the page: parts of the step, copies, synchronisations, and ranges by thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feedrate.bench.results.profiles.record import PARTS, PartRow, Profile
from feedrate.bench.results.range_names import UNITS
from feedrate.reports import units

UNNAMED = "all other names"
PYTHON = "Python, waiting and other code"
KINDS = {"kernel": "kernel", "function": "host function"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table as text. Its first column names the row."""

    title: str
    head: tuple[str, ...]
    words: int
    """Number of columns on the left that hold words. The others hold numbers."""
    lines: Sequence[tuple[str, ...]]


def profile_tables(profile: Profile) -> list[Table]:
    """Return the tables of a profile that have lines."""
    tables = (_parts(profile), _copies(profile), _synchronisations(profile), _gaps(profile), _ranges(profile))
    return [table for table in tables if table.lines]


def _parts(profile: Profile) -> Table:
    lines = []
    for part in PARTS:
        rows = [row for row in profile.parts if row.part == part]
        lines += [_part_line(profile, row) for row in rows]
        rest_s = _unexplained_s(profile, part, rows)
        if rest_s > 0:
            lines.append((PYTHON, part, "host", "", *_per_step(profile, rest_s)))
    return Table(
        title="Top kernels and host functions by part of the step",
        head=("Name", "Part", "Kind", "Times per step", "Time per step", "Share of the step"),
        words=3,
        lines=lines if profile.parts else [],
    )


def _part_line(profile: Profile, row: PartRow) -> tuple[str, ...]:
    times = f"{row.count / max(profile.steps, 1):,.3g}"
    return row.name or UNNAMED, row.part, KINDS[row.kind], times, *_per_step(profile, row.seconds)


def _per_step(profile: Profile, seconds: float) -> tuple[str, str]:
    share = units.quotient(seconds, profile.window_s)
    return units.format_seconds(seconds / max(profile.steps, 1)), units.format_percent(share)


def _unexplained_s(profile: Profile, part: str, rows: list[PartRow]) -> float:
    """Return the seconds of a part in which no listed function ran: Python itself, code outside of torch, and waiting.

    Only the consumer's own functions count. In backward on a GPU, autograd's thread works beside it, so 0 is returned.
    """
    ranges = {row.name: row.seconds for row in profile.ranges if row.thread == "main"}
    if part not in ranges or (part == "backward" and profile.kernel_busy_fraction is not None):
        return 0.0
    total_s = ranges[part]
    if part == "step":
        total_s -= sum(ranges.get(name, 0.0) for name in ("forward", "backward", "optimizer"))
    return total_s - sum(row.seconds for row in rows if row.kind == "function")


def _copies(profile: Profile) -> Table:
    lines = [
        (
            row.kind,
            ("pageable" if row.pageable else "pinned") if row.kind in ("host to device", "device to host") else units.NONE,
            f"{row.count:,}",
            units.format_size(row.nbytes),
            _rate(row.nbytes, row.seconds, "bytes"),
            *_per_step(profile, row.seconds),
            units.format_percent(units.quotient(row.overlapped_s, row.seconds)),
        )
        for row in profile.copies
    ]  # fmt: skip
    head = (
        "Direction",
        "Host memory",
        "Copies",
        "Bytes",
        "Rate",
        "Time per step",
        "Share of the time",
        "Beside kernels",
    )
    return Table(title="Copies and fills on the device", head=head, words=2, lines=lines)


def _synchronisations(profile: Profile) -> Table:
    lines = [
        (row.name, f"{row.count / max(profile.steps, 1):,.3g}", *_per_step(profile, row.seconds))
        for row in profile.synchronisations
    ]
    head = ("CUDA call", "Times per step", "Time per step", "Share of the time")
    return Table(
        title="Synchronizations: calls of the training loop that wait for the device", head=head, words=1, lines=lines
    )


def _rate(amount: float, seconds: float, unit: str) -> str:
    rate = units.quotient(amount, seconds)
    if rate is None:
        return units.NONE
    return f"{units.format_size(int(rate))}/s" if unit == "bytes" else f"{units.format_count(rate)} {unit}/s"


def _gaps(profile: Profile) -> Table:
    lines = [
        (row.within or "no range", row.call or "none", f"{row.count:,}", *_per_step(profile, row.seconds))
        for row in profile.gaps
    ]
    head = ("Range", "CUDA call", "Gaps", "Time per step", "Share of the time")
    return Table(title="Idle gaps of the device, by what the training loop was doing", head=head, words=2, lines=lines)


def _ranges(profile: Profile) -> Table:
    lines = []
    for row in profile.ranges:
        rate = units.NONE if row.amount is None else _rate(row.amount, row.seconds, UNITS.get(row.name, ""))
        lines.append(
            (row.thread, row.name, f"{row.count:,}", *_per_step(profile, row.seconds), units.format_seconds(row.device_s), rate)
        )  # fmt: skip
    head = ("Thread or worker", "Range", "Times", "Time per step", "Share of the time", "Device, in all", "Rate")
    return Table(title="Ranges of every thread and worker", head=head, words=2, lines=lines)
