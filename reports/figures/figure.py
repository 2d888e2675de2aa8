"""What a figure is, what all of them have in common, and its numbers as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape, unescape
from typing import Any

from feedrate.bench.results.stats import Estimate
from feedrate.reports.analysis.summarize import Basis, Row, Samples
from feedrate.reports.names import plain

# Okabe and Ito's palette: told apart with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A6D00", "#666666")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
MAX_LINES = 40
"""Of the points of a line that its table shows."""
LOG: dict[str, Any] = {"type": "log", "nticks": 4}
SHARE = {"tickformat": "~%"}
STUDENT = "95 % Student t interval of the mean"
Text = Callable[[Any], str]


def number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """As Plotly's plain data: made without the plotly package, drawn by its JavaScript."""

    name: str
    title: str
    about: str
    """What is drawn and how to read it."""
    basis: str
    """What it stands on: unit, n, interval, cache state, device."""
    data: list[dict[str, Any]]
    """A trace's own `meta` says of which loader it is, and holds x_values or y_values: those of each trial, by point."""
    layout: dict[str, Any]
    x_text: Text = number
    y_text: Text = number
    interval: str = "95 % interval"
    """What the bars on a point are."""

    @property
    def table(self) -> tuple[list[str], list[list[str]]]:
        """All that is drawn, for those who would rather read: (head, lines); columns without anything are left out."""
        x, y = _title(self.layout, "xaxis"), _title(self.layout, "yaxis") or "Loader"
        head = ["Series", y, f"{y}: {self.interval}", x, f"{x}: {self.interval}", "n", f"{y}: each", f"{x}: each"]
        lines = [line for trace in self.data if trace.get("hoverinfo") != "skip" for line in self._lines(trace)]
        used = [place for place in range(len(head)) if any(line[place] for line in lines)]
        return [head[place] for place in used], [[line[place] for place in used] for line in lines]

    @property
    def thinned(self) -> bool:
        """Whether the table leaves out points of long lines."""
        return any(len(trace["x"]) > MAX_LINES for trace in self.data if trace.get("hoverinfo") != "skip")

    def _lines(self, trace: dict[str, Any]) -> list[list[str]]:
        meta = trace.get("meta", {})
        found = []
        for place in _thinned(len(trace["x"])):
            ys, xs = (meta.get(f"{axis}_values", {place: ()})[place] for axis in "yx")
            n = max(len(ys), len(xs)) or (meta["n"][place] if "n" in meta else "")
            found.append(
                [
                    unescape(trace["text"][place] if "labels" in meta else trace["name"]),
                    unescape(_cell(trace, "y", place, self.y_text)), _bounds(trace, "y", place, self.y_text),
                    _cell(trace, "x", place, self.x_text), _bounds(trace, "x", place, self.x_text),
                    str(n), ", ".join(map(self.y_text, ys)), ", ".join(map(self.x_text, xs)),
                ]
            )  # fmt: skip
        return found


def basis_sentence(
    rows: Sequence[Row], basis: Basis, unit: str, metrics: Sequence[str], interval: str = STUDENT
) -> str:
    """Say what the numbers stand on: unit, n of these metrics, what the bars on a point are, page cache and device.

    interval: what the bars are. For a figure without bars, why it has none, as "no interval: ...".
    """
    counts = {len(samples.values) for row in rows for name, samples in row.metrics.items() if name in metrics}
    parts = [f"Unit: {unit}"]
    if counts:
        span = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{max(counts)}"
        parts.append(f"n = {span} process{'es' if max(counts) > 1 else ''}")
    if interval.startswith("no interval") or not counts:
        parts.append(interval)
    elif max(counts) == 1:
        parts.append("no interval: one trial")
    else:
        parts.append(f"bars: {interval}{', none if n = 1' if min(counts) == 1 else ''}")
    return f"{'; '.join(parts)}; page cache {basis.cache}; {plain(basis.places)}."


def host_memory(rows: Sequence[Row]) -> str:
    """Return the metric of host memory: PSS if it is known, because RSS counts shared pages once for each worker."""
    return "peak_pss_bytes" if any("peak_pss_bytes" in row.metrics for row in rows) else "peak_rss_bytes"


def said(samples: Samples, text: Text) -> str:
    """A mean with its interval and n."""
    found = samples.estimate
    if found.low is None or found.high is None:
        return f"{text(found.mean)}, n = {found.n}"
    return f"{text(found.mean)} ({text(found.low)} to {text(found.high)}, n = {found.n})"


def error_bars(estimates: Sequence[Estimate], colour: str) -> dict[str, Any]:
    """From low to high; none where that is not known."""
    return {
        "type": "data", "symmetric": False, "color": colour,
        "array": [None if found.high is None else found.high - found.mean for found in estimates],
        "arrayminus": [None if found.low is None else found.mean - found.low for found in estimates],
    }  # fmt: skip


def line(
    row: Row, number: int, x: Sequence[float], y: Sequence[float | None], text: Sequence[str], *, markers: bool = True
) -> dict[str, Any]:
    """A loader's line, told from others by colour, dash and mark."""
    return {
        "type": "scatter", "mode": "lines+markers" if markers else "lines", "name": escape(row.label), "x": list(x), "y": list(y),
        "meta": {"loader": escape(row.label)}, "customdata": list(text),
        "line": {"color": COLOURS[number % len(COLOURS)], "dash": DASHES[number % len(DASHES)]},
        "marker": {"symbol": number, "size": 8},
        "hovertemplate": f"{escape(row.label)}: %{{customdata}}<extra></extra>",
    }  # fmt: skip


def _title(layout: dict[str, Any], axis: str) -> str:
    """Of an axis, without what is said of it after a comma."""
    title: str = layout.get(axis, {}).get("title", {}).get("text", "")
    return title.partition(",")[0]


def _thinned(points: int) -> list[int]:
    """Places of a line that its table shows, the last among them."""
    step = -(-points // MAX_LINES)
    return sorted({*range(0, points, step or 1), points - 1}) if points else []


def _cell(trace: dict[str, Any], axis: str, place: int, text: Text) -> str:
    value = trace[axis][place]
    if isinstance(value, str):
        return value
    if axis == "x" and "base" in trace:
        return f"{text(trace['base'][place])} to {text(trace['base'][place] + value)}"
    return "-" if value is None else text(value)


def _bounds(trace: dict[str, Any], axis: str, place: int, text: Text) -> str:
    bars = trace.get(f"error_{axis}")
    if not bars or bars["array"][place] is None:
        return ""
    value = trace[axis][place]
    return f"{text(value - bars['arrayminus'][place])} to {text(value + bars['array'][place])}"
