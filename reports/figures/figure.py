"""Defines a figure, the parts that all figures share, and a figure's numbers as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape, unescape
from typing import Any

from feedrate.bench.results.stats import Estimate
from feedrate.reports.analysis.summarize import Basis, Row, Samples
from feedrate.reports.names import plain

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A6D00", "#666666")
"""Okabe and Ito's palette, which people with any colour vision can tell apart. The last colour is grey."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
MAX_POINTS = 40
"""How many points of a line its table shows, apart from the last one."""
LOG: dict[str, Any] = {"type": "log", "nticks": 4}
SHARE = {"tickformat": "~%"}
STUDENT = "95 % confidence interval of the mean (Student t)"
Formatter = Callable[[Any], str]
"""Formats a value for people."""


def format_number(value: Any) -> str:
    """Format a float with four significant digits, and anything else as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure as Plotly's plain data. It is built without the plotly package, and Plotly's JavaScript draws it."""

    name: str
    """Id of the figure's element in a page, and its file name as an image."""
    title: str
    about: str
    """Says what is drawn and how to read it."""
    basis: str
    """Says what the numbers are based on: unit, n, interval, state of the page cache, device."""
    data: list[dict[str, Any]]
    """Plotly's traces. A trace's `meta` names its loader, and holds the trials' values for each point in x_values or y_values."""
    layout: dict[str, Any]
    x_text: Formatter = format_number
    y_text: Formatter = format_number
    interval: str = "95 % interval"
    """Says what the error bars of a point are."""

    @property
    def table(self) -> tuple[list[str], list[list[str]]]:
        """The drawn numbers as text: (head, lines). Columns that are empty in every line are left out."""
        x, y = _title(self.layout, "xaxis"), _title(self.layout, "yaxis") or "Loader"
        head = ["Series", y, f"{y}: {self.interval}", x, f"{x}: {self.interval}", "n", f"{y}: samples", f"{x}: samples"]
        lines = [line for trace in self.data if trace.get("hoverinfo") != "skip" for line in self._lines(trace)]
        used = [column for column in range(len(head)) if any(line[column] for line in lines)]
        return [head[column] for column in used], [[line[column] for column in used] for line in lines]

    @property
    def thinned(self) -> bool:
        """Whether the table leaves out some points of a long line."""
        return any(len(trace["x"]) > MAX_POINTS for trace in self.data if trace.get("hoverinfo") != "skip")

    def _lines(self, trace: dict[str, Any]) -> list[list[str]]:
        meta = trace.get("meta", {})
        lines = []
        for index in _thinned(len(trace["x"])):
            ys, xs = (meta.get(f"{axis}_values", {index: ()})[index] for axis in "yx")
            n = max(len(ys), len(xs)) or (meta["n"][index] if "n" in meta else "")
            lines.append(
                [
                    unescape(trace["text"][index] if "labels" in meta else trace["name"]),
                    unescape(_cell(trace, "y", index, self.y_text)), _bounds(trace, "y", index, self.y_text),
                    _cell(trace, "x", index, self.x_text), _bounds(trace, "x", index, self.x_text),
                    str(n), ", ".join(map(self.y_text, ys)), ", ".join(map(self.x_text, xs)),
                ]
            )  # fmt: skip
        return lines


def basis_sentence(
    rows: Sequence[Row], basis: Basis, unit: str, metrics: Sequence[str], interval: str = STUDENT
) -> str:
    """Return a figure's basis: unit, n of these metrics, meaning of the error bars, page cache and device.

    interval: what the error bars are. For a figure without them, the reason, as "no interval: ...".
    """
    counts = {len(samples.values) for row in rows for name, samples in row.metrics.items() if name in metrics}
    parts = [f"Unit: {unit}"]
    if counts:
        span = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{max(counts)}"
        parts.append(f"n = {span} process{'es' if max(counts) > 1 else ''}")
    if interval.startswith("no interval") or not counts:
        parts.append(interval)
    elif max(counts) == 1:
        parts.append("no interval: only one trial")
    else:
        parts.append(f"bars: {interval}{', none if n = 1' if min(counts) == 1 else ''}")
    return f"{'; '.join(parts)}; page cache {basis.cache}; {plain(basis.places)}."


def host_memory_metric(rows: Sequence[Row]) -> str:
    """Return the name of the metric for host memory: PSS if known, because RSS counts shared pages once per worker."""
    return "peak_pss_bytes" if any("peak_pss_bytes" in row.metrics for row in rows) else "peak_rss_bytes"


def mean_text(samples: Samples, text: Formatter) -> str:
    """Return a mean with its interval, if it has one, and n."""
    estimate = samples.estimate
    if estimate.low is None or estimate.high is None:
        return f"{text(estimate.mean)}, n = {estimate.n}"
    return f"{text(estimate.mean)} ({text(estimate.low)} to {text(estimate.high)}, n = {estimate.n})"


def error_bars(estimates: Sequence[Estimate], colour: str) -> dict[str, Any]:
    """Return Plotly's error bars from low to high. An estimate without an interval gets none."""
    return {
        "type": "data", "symmetric": False, "color": colour,
        "array": [None if estimate.high is None else estimate.high - estimate.mean for estimate in estimates],
        "arrayminus": [None if estimate.low is None else estimate.mean - estimate.low for estimate in estimates],
    }  # fmt: skip


def line(
    row: Row, number: int, x: Sequence[float], y: Sequence[float | None], text: Sequence[str], *, markers: bool = True
) -> dict[str, Any]:
    """Return the trace of a loader's line.

    number: position of the line in the figure. It sets colour, dash and marker, which tell the lines apart.
    text: one string per point, shown when the pointer is on it.
    """
    return {
        "type": "scatter", "mode": "lines+markers" if markers else "lines", "name": escape(row.label), "x": list(x), "y": list(y),
        "meta": {"loader": escape(row.label)}, "customdata": list(text),
        "line": {"color": COLOURS[number % len(COLOURS)], "dash": DASHES[number % len(DASHES)]},
        "marker": {"symbol": number, "size": 8},
        "hovertemplate": f"{escape(row.label)}: %{{customdata}}<extra></extra>",
    }  # fmt: skip


def _title(layout: dict[str, Any], axis: str) -> str:
    """Return an axis title up to its first comma. Details such as the unit and the scale follow the comma."""
    title: str = layout.get(axis, {}).get("title", {}).get("text", "")
    return title.partition(",")[0]


def _thinned(points: int) -> list[int]:
    """Return the indices of the points that a line's table shows, the last one included."""
    step = -(-points // MAX_POINTS)
    return sorted({*range(0, points, step or 1), points - 1}) if points else []


def _cell(trace: dict[str, Any], axis: str, index: int, text: Formatter) -> str:
    value = trace[axis][index]
    if isinstance(value, str):
        return value
    if axis == "x" and "base" in trace:
        return f"{text(trace['base'][index])} to {text(trace['base'][index] + value)}"
    return "-" if value is None else text(value)


def _bounds(trace: dict[str, Any], axis: str, index: int, text: Formatter) -> str:
    bars = trace.get(f"error_{axis}")
    if not bars or bars["array"][index] is None:
        return ""
    value = trace[axis][index]
    return f"{text(value - bars['arrayminus'][index])} to {text(value + bars['array'][index])}"
