"""`feedrate prepare`: bring a dataset to the canonical folder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar

import typer

from feedrate.bench.cli.options import MAX_INT32, MAX_ROWS, MAX_SEED, Overwrite, StoredOutput, Words, local_path
from feedrate.bench.cli.prepare import table_options as tables
from feedrate.bench.cli.prepare.misplaced import refuse_misplaced
from feedrate.bench.cli.prepare.stored import in_stores
from feedrate.bench.cli.prepare.writing import Dask, require_parts, writing
from feedrate.bench.datasets.options import ROW_GROUP_ROWS, PrepareOptions
from feedrate.bench.datasets.tables.declared import DeclaredColumns, Extras, SplitKind, SplitOptions
from feedrate.loaders.stores.store_path import path_of

if TYPE_CHECKING:
    from feedrate.bench.datasets.canonical import Dataset
    from feedrate.bench.datasets.options import EtlName
    from feedrate.bench.datasets.sources import Etl
    from feedrate.bench.datasets.tables.request import TableRequest

Result = TypeVar("Result")


def prepare(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            help="movielens-100k, -1m, -10m, -20m, -25m or -32m; movielens-latest-small or -latest, with --archive only; "
            "synthetic-movielens, synthetic-criteo or synthetic-sequence; "
            "parquet or csv for your own tables; criteo or avazu for theirs."
        ),
    ],
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH]...",
            parser=path_of,
            help="tables: files, folders or quoted glob patterns, or addresses of them.",
        ),
    ] = None,
    *,
    output: StoredOutput,
    archive: Annotated[
        Path | None,
        typer.Option(
            metavar="ZIP_OR_DIR", parser=path_of, help="movielens: use this zip or folder instead of a download."
        ),
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            max=MAX_ROWS,
            help="synthetic: number of rows, training and validation together. Default: 25,000,000.",
        ),
    ] = None,
    positive_fraction: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="synthetic-criteo: share of rows with label 1, 0.01 to 0.5. Default: 0.03."),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, max=MAX_SEED, help="Seed of the random split, and of synthetic rows.")
    ] = 0,
    label: tables.Label = "",
    label_above: tables.LabelAbove = None,
    single_hot: tables.SingleHot = Words(),
    multi_hot: tables.MultiHot = Words(),
    continuous: tables.Continuous = Words(),
    vector: tables.Vector = Words(),
    categorify: tables.Categorify = Words(),
    drop: tables.Drop = Words(),
    fill: tables.FillOption = None,
    clip: tables.ClipOption = None,
    log1p: tables.Log1p = Words(),
    normalize: tables.Normalize = Words(),
    min_count: tables.MinCount = None,
    hash_buckets: tables.HashBuckets = None,
    null_values: tables.NullValues = Words(),
    split: Annotated[
        SplitKind,
        typer.Option(
            help="tables: rows for validation. auto: as files or folders called train and valid say, else random."
        ),
    ] = "auto",
    valid: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", parser=local_path, help="tables: files of the validation split. Repeatable."),
    ] = None,
    valid_fraction: Annotated[
        float, typer.Option(metavar="SHARE", help="tables: share of the rows for validation, between 0 and 1.")
    ] = 0.2,
    time_column: Annotated[
        str, typer.Option(metavar="COLUMN", help="--split time or user-last: column that orders the rows.")
    ] = "",
    group_by: Annotated[
        str, typer.Option(metavar="COLUMN", help="tables: keep all rows of a user in one split; COLUMN names users.")
    ] = "",
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="DATASET",
            parser=local_path,
            help="tables: apply the columns, ids and transforms of a prepared dataset.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="tables: refuse an input with a column that would be left out.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="tables: accept the inferred column kinds without asking.")
    ] = False,
    etl: Annotated[
        Literal["feedrate", "nvtabular"],
        typer.Option(
            help="movielens and tables: ETL that assigns ids and transforms values. nvtabular saves its Workflow to DIR/workflow."
        ),
    ] = "feedrate",
    workflow: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=local_path,
            help="movielens with --etl nvtabular: use this saved workflow instead of fitting one.",
        ),
    ] = None,
    trust_workflow: Annotated[
        bool, typer.Option("--trust-workflow", help="Allow --workflow to run the code that a saved workflow contains.")
    ] = False,
    row_group_rows: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            max=MAX_INT32,
            help="Rows per Parquet row group. NVTabular's ranks share whole row groups.",
        ),
    ] = ROW_GROUP_ROWS,
    dask: Dask = None,
    overwrite: Overwrite = False,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Do nothing if the dataset exists already.")] = False,
) -> Any:  # a Dataset: typer evaluates annotations, and must start without the types
    """Convert a dataset to the folder layout that every loader reads.

    DIR then holds train/*.parquet, valid/*.parquet and dataset.json. Nothing is lost or changed silently: what is left out,
    changed or guessed is shown, and listed in dataset.json.
    """
    from feedrate.bench.datasets import sources

    options = PrepareOptions(seed=seed, overwrite=overwrite, row_group_rows=row_group_rows)
    require_parts(dask, etl)
    is_table = sources.is_table(source)
    refuse_misplaced(context, source, is_table=is_table)
    if not is_table:
        given = NamedSource(source, archive, rows, etl, workflow, trust_workflow, positive_fraction)
        return _from_named(given, output, options, dask, if_missing=if_missing)
    declared = DeclaredColumns(
        label=label, label_above=label_above, single_hot=single_hot, multi_hot=multi_hot, continuous=continuous,
        vector=vector, categorify=categorify, drop=drop,
    )  # fmt: skip
    request = sources.table_request(
        source,
        tuple(paths or ()),
        declared,
        tables.read_transforms(fill or (), clip or (), log1p, normalize, min_count or (), hash_buckets or ()),
        SplitOptions(kind=split, valid_fraction=valid_fraction, time_column=time_column, group_by=group_by),
        Extras(valid_paths=tuple(valid or ()), null_values=null_values, like=like, strict=strict, etl=etl),
    )
    return _from_tables(request, output, options, dask, yes=yes, if_missing=if_missing)


class NamedSource(NamedTuple):
    """A source that feedrate knows by name, with its options."""

    name: str
    archive: Path | None
    rows: int | None
    etl: EtlName
    workflow: Path | None
    trust_workflow: bool
    positive_fraction: float | None


def _from_named(
    given: NamedSource, output: Path, options: PrepareOptions, dask: str | None, *, if_missing: bool
) -> Dataset:
    from feedrate.bench.datasets import sources
    from feedrate.bench.datasets.canonical import read_dataset

    etl = sources.etl_for(given.name, given.etl, workflow=given.workflow, trusted=given.trust_workflow)
    rows = sources.DEFAULT_ROWS if given.rows is None else given.rows
    made_of = sources.made_of(
        given.name,
        options,
        rows=rows,
        archive=given.archive,
        etl=given.etl,
        workflow=given.workflow,
        positive_fraction=given.positive_fraction,
    )
    if if_missing and output.is_dir() and any(output.iterdir()):
        sources.require_same_source(dataset := read_dataset(output), made_of)
        return dataset
    options = replace(options, made_of=made_of)
    synthetic = sources.synthetic_source(given.name, given.positive_fraction)
    with writing(output, options, dask) as options:
        if if_missing and output.is_dir() and any(output.iterdir()):  # written since
            sources.require_same_source(dataset := read_dataset(output), made_of)
            return dataset
        if synthetic is not None:
            return _counted("rows", options, lambda counted: synthetic(output, counted, rows=rows))
        return _from_movielens(given.name, given.archive, output, etl, options)


def _from_movielens(source: str, archive: Path | None, output: Path, etl: Etl, options: PrepareOptions) -> Dataset:
    from feedrate.bench.cli.terminal import with_bar
    from feedrate.bench.datasets import sources

    sources.release_of(source)
    path = archive or with_bar("bytes", lambda progress: sources.download(source, progress=progress))
    return _counted("rows", options, lambda counted: etl(path, output, counted, name=source))


def _from_tables(
    request: TableRequest, output: Path, options: PrepareOptions, dask: str | None, *, yes: bool, if_missing: bool
) -> Dataset:
    from feedrate.bench.cli.prepare.show_plan import confirm
    from feedrate.bench.datasets.canonical import read_dataset
    from feedrate.bench.datasets.tables.prepare import planned, write_tables
    from feedrate.bench.datasets.tables.provenance import require_same_table
    from feedrate.bench.datasets.workflows.tables import for_nvtabular, require_nvtabular, write_with_nvtabular
    from feedrate.bench.datasets.writer import require_free

    if if_missing and output.is_dir() and any(output.iterdir()):
        require_same_table(dataset := read_dataset(output), request, options, output)
        return dataset
    require_free(output, overwrite=options.overwrite)
    if request.etl == "nvtabular":
        require_nvtabular()
    with contextlib.ExitStack() as stack:
        options = stack.enter_context(writing(output, options, dask))
        plan = _counted("rows", options, lambda counted: stack.enter_context(planned(request, output, counted)))
        plan, write = (
            (for_nvtabular(plan), write_with_nvtabular) if request.etl == "nvtabular" else (plan, write_tables)
        )
        confirm(plan, yes=yes)
        return _counted("rows", options, lambda counted: write(plan, output, counted))


def _counted(unit: str, options: PrepareOptions, work: Callable[[PrepareOptions], Result]) -> Result:
    """Do the work with options whose progress moves a bar."""
    from feedrate.bench.cli.terminal import with_bar

    return with_bar(unit, lambda progress: work(replace(options, progress=progress)))


COMMANDS = {"prepare": in_stores(prepare)}
