"""Shows which column `feedrate prepare` takes for what, and what it decided, and asks if anything was guessed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from feedrate.loaders.errors import FeedrateError

if TYPE_CHECKING:
    from rich.table import Table

    from feedrate.bench.datasets.canonical import Decision
    from feedrate.bench.datasets.tables.fitted import FittedColumn
    from feedrate.bench.datasets.tables.prepare import Plan


def confirm(plan: Plan, *, yes: bool) -> None:
    """Show the plan, and ask if anything was guessed.

    Raises FeedrateError if the answer is no, or if nobody can answer.
    """
    from feedrate.bench.cli.terminal import err
    from feedrate.reports.names import plain

    err.print(_columns(plan))
    for column in plan.left_out:
        why = "you left it out" if column.declared and not column.keep else f"left out, being {column.why}"
        keep = f" ({column.keep} keeps it)" if column.keep else ""
        err.print(plain(f"{column.name}: {why}{keep}"), markup=False, soft_wrap=True)
    for decision in plan.decisions:
        if decision.subject in ("files", "split", "columns", "NVTabular"):
            err.print(plain(_line(decision)), markup=False, soft_wrap=True)
    guessed = [name for name, choice in plan.kept.items() if not choice.declared]
    guessed += [column.name for column in plan.left_out if not column.declared and plan.request.like is None]
    if not guessed or yes:
        return
    if not sys.stdin.isatty():
        shown = ", ".join(guessed[:8]) + (f" and {len(guessed) - 8} more" if len(guessed) > 8 else "")
        raise FeedrateError(f"the kinds of {shown} are inferred: pass --yes to accept them, or declare them")
    if input("Prepare with these kinds? [y/N] ").strip().lower() not in ("y", "yes"):
        raise FeedrateError(
            "nothing was written: declare the kinds with --single-hot, --multi-hot, --continuous and --drop"
        )


def _line(decision: Decision) -> str:
    return f"{decision.subject}: {decision.what}" + (f" ({decision.keep})" if decision.keep else "")


def _origin(column: FittedColumn) -> str:
    if not column.categorified:
        return "as they are"
    if not column.buckets:
        return "by frequency"
    return "hashed" if column.buckets + 1 == column.cardinality else "by frequency and hashed"


def _columns(plan: Plan) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from feedrate.reports.names import plain

    table = Table("column", "kind", "ids", "from", "notes", box=SIMPLE_HEAD, pad_edge=False)
    notes: dict[str, list[str]] = {}
    for decision in plan.decisions:
        if not decision.what.startswith(("left out", *_KINDS)):
            notes.setdefault(decision.subject, []).append(decision.what)
    declared = plan.request.columns.resolved(list(plan.tables.columns)).kinds if plan.request.columns else {}
    for column in plan.fitted.columns:
        choice = plan.kept[column.name]
        ids = f"{column.cardinality:,}, {_origin(column)}"
        has_ids = column.kind in ("single-hot", "multi-hot")
        layout = plan.request.layout
        said = "you" if not layout or column.name in {*declared} - {layout.label} else plan.request.source
        table.add_row(
            Text(plain(column.name)),
            column.kind,
            ids if has_ids else "",
            said if choice.declared else "its type",
            Text("; ".join([*_steps(column.steps), *notes.get(column.name, [])])),
        )
    return table


_KINDS = ("single-hot", "multi-hot", "continuous", "vector")


def _steps(steps: object) -> list[str]:
    from feedrate.bench.datasets.tables.numbers import NumberSteps

    assert isinstance(steps, NumberSteps)
    low, high = ("" if bound is None else f"{bound:g}" for bound in (steps.least, steps.greatest))
    return [
        *([f"fill {steps.fill:g}"] if steps.fill is not None else []),
        *([f"clip {low}:{high}"] if low or high else []),
        *(["log1p"] if steps.log1p else []),
        *([f"normalized (mean {steps.mean:g}, deviation {steps.deviation:g})"] if steps.mean is not None else []),
    ]
