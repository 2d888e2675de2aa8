"""A comparison as plain numbers: CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

from feedrate.reports.analysis.answers.answer import summary
from feedrate.reports.analysis.metrics import METRICS
from feedrate.reports.analysis.summarize import Comparison, Row
from feedrate.reports.analysis.tidy import LOADER_COLUMNS, N_SHARED, tidy_rows

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters of a cell that spreadsheets take for a formula, or skip before one."""


def write_csv(comparison: Comparison) -> str:
    """Return one line per loader with plain numbers in SI units. A value that was not measured is empty."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, LOADER_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: in_cell(value) for name, value in row.items()} for row in tidy_rows(comparison, "loader"))
    return stream.getvalue()


def in_cell(value: object) -> object:
    """Put an apostrophe before text that a spreadsheet would run as a formula. Numbers stay as they are."""
    if isinstance(value, str) and value.startswith(FORMULA_SIGNS):
        return f"'{value}"
    return value


def write_json(comparison: Comparison) -> str:
    """Return the same numbers as JSON. Each metric has mean, 95 % interval, n, unit and which direction is better."""
    loaders = [
        _loader(row, values) for row, values in zip(comparison.rows, tidy_rows(comparison, "loader"), strict=True)
    ]
    failed = [
        {"loader": trial.spec.loader, "mode": trial.spec.mode, "status": trial.status, "detail": trial.detail}
        for trial in comparison.not_ok
    ]
    return json.dumps({"answer": summary(comparison), "loaders": loaders, "without_result": failed}, indent=1) + "\n"


def _loader(row: Row, values: Mapping[str, Any]) -> dict[str, Any]:
    metrics = {
        metric.name: {
            "mean": values[metric.name],
            "low": values[f"{metric.name}_low"],
            "high": values[f"{metric.name}_high"],
            "n": values[f"{metric.name}_n"],
            "unit": metric.unit,
            "better": metric.better,
        }
        for metric in METRICS
        if metric.name in row.metrics
    }
    shared = {name: values[name] for name in LOADER_COLUMNS[:N_SHARED]}
    return {**shared, "metrics": metrics, "flags": list(row.flags), "deviations": dict(row.deviations)}
