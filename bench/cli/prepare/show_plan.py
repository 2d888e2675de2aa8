"""Shows which column `feedrate prepare` takes for what, and what it decided, and asks if anything was guessed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from feedrate.bench.cli.prepare.show_dataset import NAMELESS
from feedrate.loaders.errors import FeedrateError

if TYPE_CHECKING:
    from feedrate.bench.datasets.canonical import Decision
    from feedrate.bench.datasets.tables.fitted import FittedColumn
    from feedrate.bench.datasets.tables.prepare import Plan
    from feedrate.reports.formats.terminal.columns import Column


def confirm(plan: Plan, *, yes: bool) -> None:
    """Show the plan, and ask if anything was guessed.

    Raises FeedrateError if the answer is no, or if nobody can answer.
    """
    print_plan(plan)
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


def print_plan(plan: Plan) -> None:
    """Print the columns, what is done to their values, what is left out, and what was decided on files and split."""
    from feedrate.bench.cli.terminal import err
    from feedrate.reports.formats.terminal.columns import print_columns
    from feedrate.reports.formats.terminal.paragraphs import print_paragraph

    print_columns(err, _columns(plan))
    err.print()
    for name, notes in _notes(plan).items():
        print_paragraph(err, f"{name}: {'; '.join(notes)}")
    for column in plan.left_out:
        why = "you left it out" if column.declared and not column.keep else f"left out, being {column.why}"
        keep = f" ({column.keep} keeps it)" if column.keep else ""
        print_paragraph(err, f"{column.name}: {why}{keep}")
    for decision in plan.decisions:
        if decision.subject in ("files", "split", "columns", "NVTabular"):
            print_paragraph(err, _line(decision))


def _line(decision: Decision) -> str:
    return f"{decision.subject}: {decision.what}" + (f" ({decision.keep})" if decision.keep else "")


def _origin(column: FittedColumn) -> str:
    if not column.categorified:
        return "as they are"
    if not column.buckets:
        return "by frequency"
    return "hashed" if column.buckets + 1 == column.cardinality else "by frequency and hashed"


def _columns(plan: Plan) -> list[Column]:
    from feedrate.reports import units
    from feedrate.reports.formats.terminal.columns import Column

    declared = plan.request.columns.resolved(list(plan.tables.columns)).kinds if plan.request.columns else {}
    layout = plan.request.layout
    ids, made, origins = [], [], []
    for column in plan.fitted.columns:
        has_ids = column.kind in ("single-hot", "multi-hot")
        ids.append(f"{column.cardinality:,}" if has_ids else units.NONE)
        made.append(_origin(column) if has_ids else units.NONE)
        said = "you" if not layout or column.name in {*declared} - {layout.label} else plan.request.source
        origins.append(said if plan.kept[column.name].declared else "its type")
    return [
        Column(title="Column", cells=[column.name or NAMELESS for column in plan.fitted.columns]),
        Column(title="Kind", cells=[column.kind for column in plan.fitted.columns], left=True),
        Column(title="Ids", cells=ids),
        Column(title="Ids are", cells=made, left=True),
        Column(title="Kind is from", cells=origins, left=True),
    ]


def _notes(plan: Plan) -> dict[str, list[str]]:
    """Return what is done to the values of each column, and what else was decided on it."""
    notes = {column.name: _steps(column.steps) for column in plan.fitted.columns}
    for decision in plan.decisions:
        if decision.subject in notes and not decision.what.startswith(("left out", *_KINDS)):
            notes[decision.subject].append(decision.what)
    return {name or NAMELESS: lines for name, lines in notes.items() if lines}


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
