"""A user's tables to the canonical folder: a plan that says what would be written, then the writing of it.

Both read all files once, a chunk of rows at a time. Rows keep the order of the files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from feedrate.bench.datasets.canonical import Dataset, Decision, read_dataset
from feedrate.bench.datasets.options import DEFAULTS, PrepareOptions
from feedrate.bench.datasets.rows.hashed_rows import SplitRows, split_rows
from feedrate.bench.datasets.tables.choose import Choice, Choices, LeftOut, choose
from feedrate.bench.datasets.tables.csv import as_parquet
from feedrate.bench.datasets.tables.decide import Decided, decide
from feedrate.bench.datasets.tables.first_pass import first_pass
from feedrate.bench.datasets.tables.fit import different_kinds, fit, refit
from feedrate.bench.datasets.tables.fitted import Fitted, read_fitted, write_fitted
from feedrate.bench.datasets.tables.provenance import provenance_of, with_states
from feedrate.bench.datasets.tables.request import TableRequest
from feedrate.bench.datasets.tables.split.roles import Roles, find_roles
from feedrate.bench.datasets.tables.split.rows import Chooser, chooser
from feedrate.bench.datasets.writer import new_dataset
from feedrate.loaders.errors import Faults
from feedrate.loaders.parquet.table_files import Tables, open_tables, with_texts
from feedrate.loaders.parquet.table_parts import TablePart


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would be written."""

    request: TableRequest
    tables: Tables
    roles: Roles
    decided: Decided
    fitted: Fitted
    valid_rows: Chooser
    """Tells the rows for validation. It counts the rows that it is asked about, so a plan is written once."""
    missing: Mapping[str, int] = field(default_factory=dict)
    """Missing values by column, within lists too."""

    @property
    def kept(self) -> dict[str, Choice]:
        """The columns that are written."""
        return dict(self.decided.kept)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """The columns that are not."""
        return self.decided.left_out

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What was left out, changed or guessed."""
        return self.decided.decisions


@contextmanager
def planned(request: TableRequest, output: Path | None = None, options: PrepareOptions = DEFAULTS) -> Iterator[Plan]:
    """Yield what would be written, after a first pass over all values. CSV files are kept as Parquet until the end.

    output: the folder that will be written, which is never read. Progress counts rows of both passes.
    Raises Faults with a sentence for everything that cannot be prepared.
    """
    roles = with_states(find_roles(request.paths, request.valid_paths, request.split, output, request.known_files))
    fitted = read_fitted(request.like) if request.like is not None else None
    options.runner.require_visible([file.path for file in roles.found.files])
    with options.runner.scratch() as scratch:
        texts = fitted.texts if fitted else frozenset()
        found = as_parquet(roles.found, request.csv, scratch, request.csv_format, texts, options.runner)
        tables = open_tables(found, request.renamed)
        yield _plan_like(request, fitted, tables, roles, options) if fitted else _plan(request, tables, roles, options)


def write_tables(plan: Plan, folder: Path, options: PrepareOptions = DEFAULTS) -> Dataset:
    """Write what was planned to `folder`."""
    tables, fitted = plan.tables, plan.fitted
    unknown: Counter[str] = Counter()
    done = tables.rows
    with new_dataset(folder, fitted.schema, options) as writer:
        parts = ((part, plan.valid_rows(part.shown, part.rows)) for part in tables.parts(list(fitted.read_as)))
        for rows, unseen in options.runner.run(_convert, fitted, parts):
            unknown.update(unseen)
            writer.add_split(rows)
            done += rows.rows
            options.progress(done, 2 * tables.rows)
        write_fitted(fitted, writer.folder)
        decisions = [*plan.decisions, *_unseen(plan.request, unknown)]
        provenance = provenance_of(plan.request, plan.roles, tables.rows, options)
        writer.finish(plan.request.name, provenance, decisions=tuple(decisions))
    return read_dataset(folder)


def _convert(fitted: Fitted, item: tuple[TablePart, np.ndarray]) -> Iterator[tuple[SplitRows, dict[str, int]]]:
    """Yield each chunk of a part as the dataset has it, and how many values of each column are unknown to its categories."""
    part, valid = item
    schema, done = fitted.schema, 0
    for chunk in part.chunks():
        table, unseen = fitted.convert(chunk)
        yield split_rows(table, valid[done : done + table.num_rows], schema), unseen
        done += table.num_rows


def _plan(request: TableRequest, tables: Tables, roles: Roles, options: PrepareOptions) -> Plan:
    names = list(tables.columns)
    declared, transforms = request.resolved(names)
    choices = choose(tables, declared)
    facts = first_pass(tables, choices.kept, transforms, declared.label_above, options)
    decided = decide(choices, facts, transforms, declared.label_above, missing_id=request.missing_id)
    faults = [*choices.faults, *decided.faults, *_strict(request, decided.left_out)]
    if faults:
        raise Faults(faults)
    fitted, merged = fit(decided.kept, facts, transforms, declared.label_above, rare_id=request.rare_id)
    fitted.schema  # noqa: B018  (two columns of one name are refused now)
    return Plan(
        request=request,
        tables=tables,
        roles=roles,
        decided=replace(decided, decisions=(*_of_files(tables, roles), *decided.decisions, *merged)),
        fitted=fitted,
        valid_rows=chooser(tables, request.split, roles.of_file, options),
        missing={name: facts[name].count_of("missing") for name in decided.kept},
    )


def _plan_like(request: TableRequest, fitted: Fitted, tables: Tables, roles: Roles, options: PrepareOptions) -> Plan:
    kept = fitted.choices
    request.split.require_columns(list(tables.columns))
    lacking = [
        f"the files have no column {name!r}, which the dataset of --like has"
        for name in kept
        if name not in tables.columns
    ]
    tables = with_texts(tables, fitted.texts)
    differing = different_kinds(fitted, tables)
    faults = [*lacking, *(tables.faults[name] for name in kept if name in tables.faults), *differing]
    if faults:
        raise Faults(faults)
    left_out = tuple(
        LeftOut(name=name, why=f"{column.stored}, which the dataset of --like has not")
        for name, column in tables.columns.items()
        if name not in kept
    )
    facts = first_pass(tables, kept, fitted.transforms, fitted.label_above, options)
    decided = decide(Choices(kept=kept, left_out=left_out, faults=()), facts, fitted.transforms, fitted.label_above)
    faults = [*decided.faults, *refit(fitted, facts), *_strict(request, decided.left_out)]
    if faults:
        raise Faults(faults)
    like = Decision(subject="columns", what=f"ids and transforms are those of {request.like}")
    decisions = (*_of_files(tables, roles), like, *decided.decisions)
    return Plan(
        request=request,
        tables=tables,
        roles=roles,
        decided=replace(decided, decisions=decisions),
        fitted=fitted,
        valid_rows=chooser(tables, request.split, roles.of_file, options),
    )


def _of_files(tables: Tables, roles: Roles) -> Iterator[Decision]:
    for note in tables.notes:
        yield Decision(subject="files", what=note)
    yield roles.decision


def _strict(request: TableRequest, left_out: tuple[LeftOut, ...]) -> Iterator[str]:
    """Yield a sentence for each column that is left out, though the user did not say so, if that is to be an error."""
    for column in left_out if request.strict else ():
        if not column.declared:
            keep = f"{column.keep} keeps it, " if column.keep else ""
            yield f"--strict: column {column.name!r} would be left out ({column.why}): {keep}--drop {column.name} says so"


def _unseen(request: TableRequest, unknown: Counter[str]) -> Iterator[Decision]:
    for name, count in unknown.items() if request.like else ():
        yield Decision(subject=name, what=f"{count} values that {request.like} has not seen have id 0")
