"""Turns a comparison into a table: its cells as text."""

from __future__ import annotations

from collections.abc import Sequence

from feedrate.reports import units
from feedrate.reports.analysis.metrics import METRICS, REPLACED_BY, Metric
from feedrate.reports.analysis.summarize import Comparison, Row
from feedrate.reports.analysis.verdicts import rate_text, rows_checked, share_text
from feedrate.reports.formats.sentences import against

SHARE = "Share of ceiling"
AGAINST = "Against baseline"
CHECKED = "Rows checked"
"""Headings of the columns that are no metric."""
PADDING = 2
"""Characters between two columns in a terminal."""
ABOUT = {
    SHARE: "Training rows/s divided by replay's, with its 95 % interval in percentage points. At 100 %, a faster loader would change nothing.",
    AGAINST: "Rows/s compared with the run's baseline: the verdict and the 99 % interval that decided it.",
    CHECKED: "Rows of the timed epochs that were compared with the dataset: those of a random sample of batches, every row, or none.",
}
"""What these columns mean, in sentences for people."""


def fitting(lines: list[list[str]], width: int) -> list[list[list[str]]]:
    """Split a table into tables that are at most `width` characters wide. Each begins with the first column.

    A table of two columns may be wider. Its cells are then folded, because no cell is cut.
    """
    widths = [max(map(len, column)) + PADDING for column in zip(*lines, strict=True)]
    parts = [[0]]
    for column in range(1, len(widths)):
        if len(parts[-1]) > 1 and sum(widths[number] for number in (*parts[-1], column)) > width:
            parts.append([0])
        parts[-1].append(column)
    return [[[line[column] for column in part] for line in lines] for part in parts]


def cells(comparison: Comparison) -> list[list[str]]:
    """Return the table as text: a head, a line for each loader, then the ceilings. Columns without any value are left out."""
    shown = shown_metrics(comparison)
    ceilings, rows = comparison.ceilings, comparison.rows
    headline = next((row.headline for row in rows if row.headline in row.metrics), "")
    judged = any(row.headline in row.verdicts for row in rows)
    shared = bool(ceilings) and any("train_rows_per_s" in row.metrics for row in rows)
    checked = [rows_checked(row) for row in rows]
    unchecked = "not checked" in checked
    columns: list[tuple[str, list[str]]] = [("Loader", [row.label for row in rows])]
    for metric in shown:
        columns.append((metric.title, [_cell(row, metric) for row in rows]))
        if metric.name == headline and judged:
            columns.append((AGAINST, [against(row) for row in rows]))
        if metric.name == "train_rows_per_s" and shared:
            columns.append((SHARE, [share_text(row.share, row.ceiling) for row in rows]))
    if unchecked:
        columns.append((CHECKED, checked))
    lines = [[title for title, _ in columns], *map(list, zip(*(cells for _, cells in columns), strict=True))]
    return lines + _ceiling_lines(comparison, lines[0])


def _ceiling_lines(comparison: Comparison, head: Sequence[str]) -> list[list[str]]:
    lines, ceilings = [], comparison.ceilings
    for (run, size), ceiling in ceilings.items():
        line = [ceiling_label(comparison, (run, size))] + [units.NONE] * (len(head) - 1)
        if "Training" in head:
            line[head.index("Training")] = rate_text(ceiling, units.format_rate)
        if SHARE in head:
            line[head.index(SHARE)] = units.format_percent(1.0)
        lines.append(line)
    return lines


def ceiling_label(comparison: Comparison, key: tuple[str, int]) -> str:
    """Return the name of the ceiling of a run and batch size, as short as it is clear."""
    run, size = key
    sizes = {size for _, size in comparison.ceilings}
    return ", ".join(["replay (ceiling)"] + [run] * (len(comparison.runs) > 1) + [f"batch {size}"] * (len(sizes) > 1))


def shown_metrics(comparison: Comparison) -> list[Metric]:
    """Return the table's metrics that any loader has, without those that `REPLACED_BY` replaces.

    Records of version 1 lack the better metrics, so their tables show the replaced ones.
    """
    measured = [m for m in METRICS if m.in_table and any(m.name in row.metrics for row in comparison.rows)]
    names = {metric.name for metric in measured}
    return [metric for metric in measured if REPLACED_BY.get(metric.name) not in names]


def _cell(row: Row, metric: Metric) -> str:
    samples = row.metrics.get(metric.name)
    if samples is None:
        states = {trial.status for trial in row.not_ok if trial.spec.mode == metric.mode_in([row.mode])}
        return ", ".join(sorted(states)) or units.NONE
    if metric.name == "preparation_s":
        return f"{metric.text(samples.estimate.mean)}, {units.format_size(row.mean('preparation_bytes'))}"
    return rate_text(samples, metric.text) if metric.unit == "rows/s" else metric.text(samples.estimate.mean)
