"""Turns a comparison into a table: its cells as text, and the table in a terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from feedrate.reports import units
from feedrate.reports.analysis.metrics import METRICS, Metric
from feedrate.reports.analysis.summarize import Comparison, Row, Samples
from feedrate.reports.formats.sentences import against, answer, notes
from feedrate.reports.names import plain

if TYPE_CHECKING:
    from rich.console import Console

SHARE = "Share of ceiling"
AGAINST = "Against baseline"
"""Headings of the two columns that are no metric."""
REPLACED_BY = {"wait_fraction": "stall_fraction", "peak_rss_bytes": "peak_pss_bytes"}
"""Maps a metric to the better one, which replaces it in the table if any loader has it."""


def print_table(comparison: Comparison, console: Console) -> None:
    """Print the answer, the table and the notes to a console."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    head, *body = cells(comparison)
    console.print(Text(plain(answer(comparison)), style="bold"))
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column, name in enumerate(head):
        table.add_column(
            plain(name),
            justify="left" if column == 0 else "right",
            no_wrap=column > 0,
            min_width=max(len(line[0]) for line in body) if column == 0 else len(name),
        )
    for line in body:
        table.add_row(*(Text(plain(cell)) for cell in line))
    console.print(table)
    for note in notes(comparison):
        console.print(plain(note), markup=False, soft_wrap=True)


def cells(comparison: Comparison) -> list[list[str]]:
    """Return the table as text: a head, a line for each loader, then the ceilings. Columns without any value are left out."""
    shown = shown_metrics(comparison)
    ceilings = comparison.ceilings
    judged = any("train_rows_per_s" in row.verdicts for row in comparison.rows)
    head = ["Loader"]
    for metric in shown:
        head.append(metric.title)
        if metric.name == "train_rows_per_s":
            head += [AGAINST] * judged + [SHARE] * bool(ceilings)
    lines = [head]
    for row in comparison.rows:
        line = [row.label]
        for metric in shown:
            line.append(_cell(row, metric))
            if metric.name == "train_rows_per_s":
                line += [against(row)] * judged + [units.format_percent(row.ceiling_fraction)] * bool(ceilings)
        lines.append(line)
    for (run, size), ceiling in ceilings.items():
        parts = [run] * (len(comparison.runs) > 1) + [f"batch {size}"] * (len({size for _, size in ceilings}) > 1)
        line = [", ".join(["replay (ceiling)", *parts])] + [units.NONE] * (len(head) - 1)
        if "Training" in head:
            line[head.index("Training")] = interval_text(ceiling, units.format_rate)
            line[head.index(SHARE)] = units.format_percent(1.0)
        lines.append(line)
    return lines


def shown_metrics(comparison: Comparison) -> list[Metric]:
    """Return the table's metrics that any loader has, without those that `REPLACED_BY` replaces.

    Records of version 1 lack the better metrics, so their tables show the replaced ones.
    """
    measured = [m for m in METRICS if m.in_table and any(m.name in row.metrics for row in comparison.rows)]
    names = {metric.name for metric in measured}
    return [metric for metric in measured if REPLACED_BY.get(metric.name) not in names]


def interval_text(samples: Samples, text: Callable[[float | None], str]) -> str:
    """Return the mean as text, followed by half the width of its interval as a percentage of the mean."""
    estimate = samples.estimate
    if estimate.low is None or not estimate.mean:
        return text(estimate.mean)
    return f"{text(estimate.mean)} ±{(estimate.mean - estimate.low) / estimate.mean * 100:.0f} %"


def _cell(row: Row, metric: Metric) -> str:
    samples = row.metrics.get(metric.name)
    if samples is None:
        states = {trial.status for trial in row.not_ok if trial.spec.mode == metric.mode}
        return ", ".join(sorted(states)) or units.NONE
    return interval_text(samples, metric.text) if metric.unit == "rows/s" else metric.text(samples.estimate.mean)
