"""`feedrate prepare`: bring a dataset to the canonical folder."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from feedrate.bench.cli.options import Output, Overwrite, Words, words
from feedrate.bench.datasets.options import ROW_GROUP_ROWS, PrepareOptions, Progress
from feedrate.loaders.errors import FeedrateError

if TYPE_CHECKING:
    from rich.table import Table

    from feedrate.bench.datasets.canonical import Dataset
    from feedrate.bench.datasets.parquet import LabelAndSplit
    from feedrate.bench.datasets.parquet_columns import Columns, DeclaredColumns
    from feedrate.bench.datasets.sources import Etl


def prepare(
    source: Annotated[
        str,
        typer.Argument(
            help="movielens-100k, -1m, -20m, -25m or -32m; synthetic-movielens; parquet for your own files."
        ),
    ],
    path: Annotated[Path | None, typer.Argument(help="parquet: a file, or a folder of files.")] = None,
    *,
    output: Output,
    archive: Annotated[
        Path | None,
        typer.Option(metavar="ZIP_OR_DIR", help="movielens: use this zip or folder instead of a download."),
    ] = None,
    rows: Annotated[
        int, typer.Option(metavar="N", help="synthetic-movielens: number of rows, training and validation together.")
    ] = 25_000_000,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the random split, and of synthetic rows.")] = 0,
    label: Annotated[str, typer.Option(metavar="COLUMN", help="parquet: column to predict, 0 or 1. Required.")] = "",
    label_above: Annotated[
        float | None, typer.Option(metavar="NUMBER", help="parquet: set the label to 1 if the column is above NUMBER.")
    ] = None,
    single_hot: Annotated[
        Words, typer.Option(metavar="A,B", parser=words, help="parquet: columns with one id per row.")
    ] = Words(),
    multi_hot: Annotated[
        Words, typer.Option(metavar="A,B", parser=words, help="parquet: columns with a list of ids per row.")
    ] = Words(),
    continuous: Annotated[
        Words, typer.Option(metavar="A,B", parser=words, help="parquet: columns of numbers.")
    ] = Words(),
    categorify: Annotated[
        Words,
        typer.Option(
            metavar="A,B",
            parser=words,
            help="parquet: columns whose values become ids. Text columns are always included.",
        ),
    ] = Words(),
    drop: Annotated[Words, typer.Option(metavar="A,B", parser=words, help="parquet: columns to leave out.")] = Words(),
    etl: Annotated[
        Literal["feedrate", "nvtabular"],
        typer.Option(help="movielens: ETL that assigns the ids. nvtabular saves its Workflow to DIR/workflow."),
    ] = "feedrate",
    workflow: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="--etl nvtabular: use this saved workflow instead of fitting one."),
    ] = None,
    trust_workflow: Annotated[
        bool, typer.Option("--trust-workflow", help="Allow --workflow to run the code that a saved workflow contains.")
    ] = False,
    row_group_rows: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="Rows per Parquet row group. NVTabular's ranks share whole row groups."),
    ] = ROW_GROUP_ROWS,
    valid_fraction: Annotated[
        float, typer.Option(metavar="SHARE", help="parquet: share of the rows for validation, between 0 and 1.")
    ] = 0.2,
    yes: Annotated[
        bool, typer.Option("--yes", help="parquet: accept the inferred column kinds without asking.")
    ] = False,
    overwrite: Overwrite = False,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Do nothing if the dataset exists already.")] = False,
) -> None:
    """Convert a dataset to the folder layout that every loader reads.

    DIR then holds train/*.parquet, valid/*.parquet and dataset.json.
    """
    from feedrate.bench.cli.terminal import with_bar
    from feedrate.bench.datasets import canonical, sources, synthetic

    options = PrepareOptions(seed=seed, overwrite=overwrite, row_group_rows=row_group_rows)
    chosen_etl = sources.etl_for(source, etl, workflow=workflow, trusted=trust_workflow)
    if if_missing and sources.prepared_already(output, source, options, rows=rows, etl=etl, workflow=workflow):
        dataset = canonical.read_dataset(output)
    elif source == "synthetic-movielens":
        dataset = with_bar(
            "rows", lambda progress: synthetic.prepare_synthetic(output, _with(options, progress), rows=rows)
        )
    elif source == "parquet":
        from feedrate.bench.datasets.parquet import LabelAndSplit
        from feedrate.bench.datasets.parquet_columns import DeclaredColumns

        declared = DeclaredColumns(
            label=label, single_hot=single_hot, multi_hot=multi_hot, continuous=continuous, categorify=categorify, drop=drop
        )  # fmt: skip
        how = LabelAndSplit(valid_fraction=valid_fraction, label_above=label_above)
        dataset = _from_parquet(path, output, declared, how, options, yes=yes)
    else:
        dataset = _from_movielens(source, archive, output, chosen_etl, options)
    print_dataset(dataset)


def _with(options: PrepareOptions, progress: Progress) -> PrepareOptions:
    return replace(options, progress=progress)


def _from_movielens(source: str, archive: Path | None, output: Path, etl: Etl, options: PrepareOptions) -> Dataset:
    from feedrate.bench.cli.terminal import with_bar
    from feedrate.bench.datasets import sources

    sources.release_of(source)
    path = archive or with_bar("bytes", lambda progress: sources.download(source, progress=progress))
    return with_bar("rows", lambda progress: etl(path, output, _with(options, progress), name=source))


def _from_parquet(
    path: Path | None,
    output: Path,
    declared: DeclaredColumns,
    how: LabelAndSplit,
    options: PrepareOptions,
    *,
    yes: bool,
) -> Dataset:
    from feedrate.bench.cli.terminal import with_bar
    from feedrate.bench.datasets.parquet import prepare_parquet
    from feedrate.bench.datasets.parquet_columns import infer_columns

    if path is None or not declared.label:
        raise FeedrateError("`feedrate prepare parquet` needs a PATH and --label COLUMN")
    columns = infer_columns(path, declared)
    confirm_columns(columns, set(declared.options), yes=yes)
    return with_bar("rows", lambda progress: prepare_parquet(path, output, columns, _with(options, progress), how))


def confirm_columns(columns: Columns, declared: set[str], *, yes: bool) -> None:
    """Show which column is what, and ask if anything was inferred.

    Raises FeedrateError if the answer is no, or if nobody can answer.
    """
    from feedrate.bench.cli.terminal import err

    err.print(_columns_table(columns, declared))
    inferred = {*columns.kinds(), *columns.left_out} - declared
    if not inferred or yes:
        return
    if not sys.stdin.isatty():
        raise FeedrateError(
            f"the kinds of {', '.join(sorted(inferred))} are inferred: pass --yes to accept them, or declare them"
        )
    if input("Prepare with these kinds? [y/N] ").strip().lower() not in ("y", "yes"):
        raise FeedrateError(
            "nothing was written: declare the kinds with --single-hot, --multi-hot, --continuous and --drop"
        )


def _columns_table(columns: Columns, declared: set[str]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("column", "kind", "ids", "from", title=None)
    for name, kind in columns.kinds().items():
        ids = "assigned by frequency" if name in columns.categorify else "as they are"
        has_ids = kind not in ("continuous", "label")
        table.add_row(Text(name), kind, ids if has_ids else "", "you" if name in declared else "its type")
    for name, type_name in columns.left_out.items():
        table.add_row(Text(name), f"left out ({type_name})", "", "you" if name in declared else "its type")
    return table


def print_dataset(dataset: Dataset) -> None:
    """Print the splits and columns of a canonical folder."""
    from feedrate.bench.cli.terminal import out

    info, schema = dataset.info, dataset.info.schema
    out.print(f"{dataset.folder}: {info.name}", markup=False)
    for split, part in info.splits.items():
        out.print(f"  {split}: {part.rows:,} rows in {len(part.files)} file(s)")
    for kind, columns in (("single-hot", schema.single_hot), ("multi-hot", schema.multi_hot)):
        if columns:
            cardinalities = ", ".join(f"{column.name} ({column.cardinality:,})" for column in columns)
            out.print(f"  {kind}: {cardinalities}", markup=False)
    if schema.continuous:
        out.print(f"  continuous: {', '.join(schema.continuous)}", markup=False)
    best = f", best reachable AUC {info.best_auc:.4f}" if info.best_auc is not None else ""
    out.print(f"  label: {schema.label}{best}", markup=False)


COMMANDS = {"prepare": prepare}
