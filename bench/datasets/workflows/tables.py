"""A user's tables through NVTabular's operators: a second writer of the plan whose columns, refusals and split are feedrate's.

Columns that stay as they are do not go through NVTabular, and neither does the label. NVTabular returns a copy of the label,
which shows that rows keep their order.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from feedrate.bench.datasets.canonical import Dataset, Decision, SplitName, read_dataset
from feedrate.bench.datasets.options import DEFAULTS, PrepareOptions
from feedrate.bench.datasets.tables.fitted import Fitted
from feedrate.bench.datasets.tables.prepare import Plan
from feedrate.bench.datasets.tables.provenance import provenance_of
from feedrate.bench.datasets.workflows.nvtabular_output import (
    check_cardinalities,
    check_moments,
    check_order,
    converted_output,
)
from feedrate.bench.datasets.workflows.process import WORKFLOW, cudf_works_here, run_workflow
from feedrate.bench.datasets.workflows.raw_columns import RawColumn, plain_name, raw_columns, unsupported
from feedrate.bench.datasets.workflows.raw_parts import RawParts
from feedrate.bench.datasets.workflows.tables_workflow import Done, Ids, Numbers, Task
from feedrate.bench.datasets.writer import new_dataset
from feedrate.bench.host import venvs
from feedrate.loaders.errors import Faults
from feedrate.loaders.scratch.temporary_folder import TemporaryFolder

MODULE = "feedrate.bench.datasets.workflows.tables_workflow"
SPLITS: tuple[SplitName, ...] = ("train", "valid")


def require_nvtabular() -> str:
    """Return the Python that runs NVTabular. Raises LoaderUnavailable without it."""
    return venvs.interpreter("nvtabular")


def for_nvtabular(plan: Plan) -> Plan:
    """Return the plan with what NVTabular does differently: cardinalities and decisions. Raises Faults for what it cannot do."""
    columns = _raw_columns(plan)
    faults = tuple(unsupported(columns, plan.missing, plan.tables.rows))
    if faults:
        raise Faults(faults)
    ids = "its ids are 0 for padding, 1 for missing values, 2 for unknown and rare ones or the first hash bucket, then the values"
    general = [f"fitted on the rows of both splits; {ids}"]
    if any(raw.column.steps.fill is not None for raw in columns):
        general.append(
            "medians and means that fill are feedrate's, since dask's median over several parts is approximate"
        )
    if any(raw.column.buckets for raw in columns):
        general.append("values are hashed without their row number, which NVTabular on pandas hashes with them")
    decisions = [Decision(subject="NVTabular", what=what) for what in general]
    decisions += [Decision(subject=raw.column.name, what=what) for raw in columns for what in raw.changes()]
    decided = replace(plan.decided, decisions=(*plan.decisions, *decisions))
    return replace(plan, decided=decided, fitted=_with_nvtabular_ids(plan.fitted))


def write_with_nvtabular(plan: Plan, folder: Path, options: PrepareOptions = DEFAULTS) -> Dataset:
    """Write to `folder` what NVTabular makes of the plan's rows, and the fitted workflow to `folder`/workflow.

    plan: of for_nvtabular(). Raises LoaderUnavailable without NVTabular, FeedrateError if its workflow fails.
    """
    python = require_nvtabular()
    columns = _raw_columns(plan)
    with TemporaryFolder() as temporary:
        scratch = temporary.path
        parts = _write_raw(plan, columns, scratch, options)
        task = _task(plan, columns, parts, scratch)
        lists = any(raw.column.kind in ("multi-hot", "vector") for raw in columns)
        done = run_workflow(python, MODULE, task, Done, on_gpu=cudf_works_here(lists=lists))
        check_moments(columns, done.moments)
        check_cardinalities(columns, done.cardinalities)
        with new_dataset(folder, plan.fitted.schema, options) as writer:
            for split in SPLITS:
                for output, kept in parts[split].read(Path(task.output)):
                    check_order(output[task.label], kept[plan.fitted.label.name])
                    writer.add(split, converted_output(columns, output, kept))
            shutil.move(task.workflow, writer.folder / WORKFLOW)
            provenance = provenance_of(plan.request, plan.roles, plan.tables.rows, options)
            provenance["etl"] = f"nvtabular {done.version} on {done.frames}"
            writer.finish(plan.request.paths[0].absolute().stem, provenance, decisions=plan.decisions)
    return read_dataset(folder)


def _raw_columns(plan: Plan) -> tuple[RawColumn, ...]:
    return raw_columns(plan.fitted.columns, plan.fitted.read_as, plan.missing)


def _write_raw(
    plan: Plan, columns: Sequence[RawColumn], scratch: Path, options: PrepareOptions
) -> Mapping[SplitName, RawParts]:
    """Write each split's rows in the order of the files."""
    tables, fitted = plan.tables, plan.fitted
    raw_names = {raw.column.name for raw in columns}
    kept = replace(fitted, columns=tuple(column for column in fitted.columns if column.name not in raw_names))
    label = plain_name(fitted.label.name, 0, tables.columns)
    parts = {split: RawParts(scratch, split, columns) for split in SPLITS}
    done = tables.rows
    for file, chunk in tables.chunks(list(fitted.read_as)):
        others, _unknown = kept.convert(chunk)
        raw = pa.table({label: others[fitted.label.name], **{raw.name: raw.values(chunk) for raw in columns}})
        valid = pa.array(plan.valid_rows(file.data.shown, chunk.num_rows))
        train = pc.invert(valid)
        parts["train"].add(raw.filter(train), others.filter(train))
        parts["valid"].add(raw.filter(valid), others.filter(valid))
        done += chunk.num_rows
        options.progress(done, 2 * tables.rows)
    for part in parts.values():
        part.close()
    return parts


def _task(plan: Plan, columns: Sequence[RawColumn], parts: Mapping[SplitName, RawParts], scratch: Path) -> Task:
    (scratch / "out").mkdir()
    _declared, transforms = plan.request.resolved(list(plan.tables.columns))
    ids: dict[tuple[int, int], list[str]] = {}
    numbers: dict[Any, list[str]] = {}
    for raw in columns:
        name, steps = raw.column.name, raw.column.steps
        if raw.column.categorified:
            least = transforms.min_count.get(name, transforms.min_count.get("*", 0))
            if raw.column.buckets and not least:
                least = plan.tables.rows + 1  # feedrate hashes all values then, and Categorify those that are rare
            ids.setdefault((least, raw.column.buckets), []).append(raw.name)
        else:
            key = (steps.fill, steps.least, steps.greatest, steps.log1p, steps.mean is not None)
            numbers.setdefault(key, []).append(raw.name)
    return Task(
        train=tuple(str(file) for file in parts["train"].files),
        valid=tuple(str(file) for file in parts["valid"].files),
        ids=tuple(
            Ids(columns=tuple(names), freq_threshold=least, num_buckets=buckets)
            for (least, buckets), names in ids.items()
        ),
        numbers=tuple(
            Numbers(columns=tuple(names), fill=fill, least=least, greatest=greatest, log1p=log1p, normalize=normalize)
            for (fill, least, greatest, log1p, normalize), names in numbers.items()
        ),
        label=plain_name(plan.fitted.label.name, 0, plan.tables.columns),
        output=str(scratch / "out"),
        workflow=str(scratch / WORKFLOW),
        scratch=str(scratch),
    )


def _with_nvtabular_ids(fitted: Fitted) -> Fitted:
    """Return what was fitted with NVTabular's cardinalities.

    It has three ids besides the values, for padding, missing and unknown ones, or two and the hash buckets. feedrate has one
    and the buckets.
    """
    columns = tuple(
        replace(column, cardinality=column.cardinality + (1 if column.buckets else 2))
        if column.categorified
        else column
        for column in fitted.columns
    )
    return replace(fitted, columns=columns)
