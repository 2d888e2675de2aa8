"""Defines a figure, the parts that all figures share, and a figure's numbers as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape, unescape
from typing import Any

from feedrate.reports import units
from feedrate.reports.analysis.summarize import Basis, Row, Samples
from feedrate.reports.figures.palette import Look
from feedrate.reports.names import plain

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A6D00", "#666666")
"""Okabe and Ito's palette, which people with any colour vision can tell apart. The last colour is grey."""
MAX_POINTS = 40
"""How many points of a line its table shows, apart from the last one."""
MAX_CUT = 6
"""How many cut intervals are named below a figure."""
WIDE = 8
"""From this number of loaders on, a figure takes the full width of its page."""
READING = (
    "A large mark is a mean over fresh processes, and a small tick is one process. A bar is a 95 % confidence interval (Student t). An arrow shows "
    "that the interval goes on beyond the axis: its ends are then written at the end of the row or below the figure. An end that cannot be, such as "
    "a rate below 0, is left out: 'up to 5'. A loader has one colour on the whole page."
)
"""Says once on a page how its figures are read."""
BARS = "Bars: 95 % confidence intervals (Student t)."
"""The same for a figure that stands alone."""
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
    """Plotly's traces. A trace's `meta` names its loader. For each point it holds the trials' values (x_values, y_values), and the ends of
    the interval as measured (x_ends, y_ends), because bars may be cut at the end of an axis."""
    layout: dict[str, Any]
    """Plotly's layout. Its `meta` tells pages/figures.js what to add. form: rows (a line for each loader), lines (each with its name at its end)
    or marks (each with its name beside it). values: text at the end of each loader's row. head: what these texts are. key: pairs of a
    mark and its meaning. ticks: kind of number on an axis. A figure without `meta` is drawn as it is."""
    x_text: Formatter = format_number
    y_text: Formatter = format_number
    interval: str = "95 % interval"
    """Says what the error bars of a point are."""

    @property
    def loaders(self) -> int:
        """Number of loaders, or of lines, that the figure shows."""
        rows = self.layout.get("yaxis", {}).get("categoryarray")
        return len(rows) if rows is not None else len({trace["name"] for trace in self.data if _is_labelled(trace)})

    @property
    def wide(self) -> bool:
        """Whether the figure needs the full width of its page."""
        return self.loaders >= WIDE

    @property
    def has_bars(self) -> bool:
        """Whether any point has an interval."""
        return any(
            value is not None for trace in self.data for axis in "xy" for value in trace.get(f"error_{axis}", {}).get("array", ())
        )  # fmt: skip

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

    @property
    def cut(self) -> str:
        """Name the intervals that an axis cuts, with their ends, unless the figure's rows do."""
        if self.layout.get("meta", {}).get("form") == "rows":
            return ""
        words = [
            f"{unescape(trace['name'])} ({_bounds(trace, axis, index, text)})"
            for trace in self.data
            for axis, text in (("y", self.y_text), ("x", self.x_text))
            for index, interval in enumerate(trace.get("meta", {}).get(f"{axis}_ends", ()))
            if interval and _is_beyond(interval, self.layout[f"{axis}axis"])
        ]
        more = f" and {len(words) - MAX_CUT} more, which are in the data table" if len(words) > MAX_CUT else ""
        return f"{', '.join(words[:MAX_CUT])}{more}"

    def _lines(self, trace: dict[str, Any]) -> list[list[str]]:
        meta = trace.get("meta", {})
        lines = []
        for index in _thinned(len(trace["x"])):
            ys, xs = (meta.get(f"{axis}_values", {index: ()})[index] for axis in "yx")
            n = max(len(ys), len(xs)) or (meta["n"][index] if "n" in meta else "")
            lines.append(
                [
                    unescape(trace["name"]),
                    unescape(_cell(trace, "y", index, self.y_text)), _bounds(trace, "y", index, self.y_text),
                    _cell(trace, "x", index, self.x_text), _bounds(trace, "x", index, self.x_text),
                    str(n), ", ".join(map(self.y_text, ys)), ", ".join(map(self.x_text, xs)),
                ]
            )  # fmt: skip
        return lines


def basis_sentence(
    rows: Sequence[Row], basis: Basis, unit: str, metrics: Sequence[str], no_interval: str | None = None
) -> str:
    """Return a figure's basis: unit, n of these metrics, page cache and device.

    no_interval: why the figure has no intervals. If it has some, `READING` says what they are.
    """
    counts = {len(samples.values) for row in rows for name, samples in row.metrics.items() if name in metrics}
    parts = [f"Unit: {unit}"]
    if counts:
        span = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{max(counts)}"
        parts.append(f"n = {span} process{'es' if max(counts) > 1 else ''}")
    if no_interval:
        parts.append(f"no interval: {no_interval}")
    elif counts and min(counts) == 1:
        parts.append(f"no interval: only one trial{' where n = 1' if max(counts) > 1 else ''}")
    return f"{'; '.join(parts)}; page cache {basis.cache}; {plain(basis.places)}."


def host_memory_metric(rows: Sequence[Row]) -> str:
    """Return the name of the metric for host memory: PSS if known, because RSS counts shared pages once per worker."""
    return "peak_pss_bytes" if any("peak_pss_bytes" in row.metrics for row in rows) else "peak_rss_bytes"


def mean_text(samples: Samples, text: Formatter) -> str:
    """Return a mean with its interval, if it has one, and n."""
    estimate = samples.estimate
    if estimate.low is None or estimate.high is None:
        return f"{text(estimate.mean)}, n = {estimate.n}"
    return f"{text(estimate.mean)} ({units.format_ends(estimate.low, estimate.high, text)}, n = {estimate.n})"


def line(
    label: str, look: Look, x: Sequence[float], y: Sequence[float | None], text: Sequence[str], *, markers: bool = True
) -> dict[str, Any]:
    """Return the trace of a loader's line.

    text: one string per point, shown when the pointer is on it.
    """
    return {
        "type": "scatter", "mode": "lines+markers" if markers else "lines", "name": escape(label), "x": list(x), "y": list(y),
        "meta": {"loader": escape(label)}, "customdata": list(text), "line": {"color": look.colour, "dash": look.dash, "width": 2},
        "marker": {"symbol": look.symbol, "size": 8, "color": look.colour},
        "hovertemplate": f"{escape(label)}: %{{customdata}}<extra></extra>",
    }  # fmt: skip


def _is_labelled(trace: dict[str, Any]) -> bool:
    """Return whether the trace is a loader's line or mark, and not one of the pale ones beside it."""
    meta = trace.get("meta", {})
    return "loader" in meta and "pale" not in meta


def _is_beyond(interval: tuple[float, float], axis: dict[str, Any]) -> bool:
    low, high = (10.0**end if axis.get("type") == "log" else float(end) for end in axis["range"])
    return interval[0] < low or interval[1] > high


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
    low, high = trace["meta"][f"{axis}_ends"][index]
    return units.format_ends(low, high, text)
