"""The rows of `feedrate compare`: those of its two sides, as one comparison."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from feedrate.bench.results.record import RunRecord
from feedrate.reports.analysis.answers.field import place_of
from feedrate.reports.analysis.run_comparison import Side
from feedrate.reports.analysis.summarize import Comparison, summarize


def comparison_of(base: Side, head: Side, commit: str | None = None) -> Comparison | None:
    """Return the loaders that are compared; None if they ran on two machines, which are never ranked together. commit: see `summarize`."""
    if place_of(base.record) != place_of(head.record):
        return None
    loaders: dict[str, set[str | None]] = {}
    records: dict[str, tuple[Path, RunRecord]] = {}
    for side in (base, head):
        run = side.name.partition("@")[0]
        records.setdefault(run, (Path(run), side.record))
        loaders.setdefault(run, set()).add(side.loader)
    comparison = summarize(list(records.values()), commit)
    wanted = dict(zip([name for name, _ in comparison.runs], loaders.values(), strict=True))
    return replace(
        comparison,
        rows=tuple(row for row in comparison.rows if None in wanted[row.run] or row.loader in wanted[row.run]),
    )
