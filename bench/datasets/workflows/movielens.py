"""MovieLens through NVTabular's own Workflow instead of our ETL: the same rows, order and split, with its ids.

The workflow runs in nvtabular's environment (movielens_workflow.py). We read its input and write its output.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from feedrate.bench.datasets.canonical import Dataset, SplitName, read_dataset
from feedrate.bench.datasets.movielens.prepare import shuffled
from feedrate.bench.datasets.movielens.ratings import Ratings
from feedrate.bench.datasets.movielens.source import read
from feedrate.bench.datasets.options import DEFAULTS, PrepareOptions, Progress
from feedrate.bench.datasets.workflows.movielens_workflow import Done, Task
from feedrate.bench.datasets.workflows.nvtabular_output import check_saved_output
from feedrate.bench.datasets.workflows.process import WORKFLOW, run_workflow
from feedrate.bench.datasets.writer import DatasetWriter, new_dataset
from feedrate.bench.host import venvs
from feedrate.loaders.base import Categorical, Schema
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.scratch.temporary_folder import TemporaryFolder

MODULE = "feedrate.bench.datasets.workflows.movielens_workflow"
FILE_ROWS = 1_000_000
"""Rows per file that the workflow reads; it holds some files at a time."""


def prepare_movielens(
    source: Path, folder: Path, options: PrepareOptions = DEFAULTS, *, name: str, workflow: Path | None = None
) -> Dataset:
    """Write `source` (a zip or a folder) to `folder`, and the fitted workflow to `folder`/workflow.

    workflow: a saved one to use instead. It is code, so the caller must have asked whether to trust it. Raises
    LoaderUnavailable without NVTabular, FeedrateError for a source that is not whole or a workflow that fails.
    """
    python = venvs.interpreter("nvtabular")
    ratings, genres = read(source, name)
    rows = len(ratings.user)
    with TemporaryFolder() as scratch:
        task = _write_raw(ratings, genres, scratch.path, options.seed, workflow)
        options.progress(0, rows)
        done = run_workflow(python, MODULE, task, Done, on_gpu=False)
        schema = Schema(
            single_hot=tuple(Categorical(name=name, cardinality=size) for name, size in done.single_hot.items()),
            multi_hot=tuple(Categorical(name=name, cardinality=size) for name, size in done.multi_hot.items()),
            label="rating",
        )
        with new_dataset(folder, schema, options) as writer:
            _copy(Path(task.output), schema, writer, rows, options.progress)
            if workflow is None:
                shutil.move(task.workflow, writer.folder / WORKFLOW)
            etl = f"nvtabular {done.version}" + (f", the workflow in {workflow.name}" if workflow else "")
            writer.finish(name, {"source": name, "ratings": rows, "seed": options.seed, "etl": etl})
    return read_dataset(folder)


def _write_raw(ratings: Ratings, genres: dict[int, list[str]], scratch: Path, seed: int, workflow: Path | None) -> Task:
    """Write each split's ratings in their final order, and the movies, with the source's ids."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    order, valid = shuffled(len(ratings.user), seed)
    parts = {"train": order[~valid[order]], "valid": order[valid[order]]}
    files: dict[str, list[str]] = {split: [] for split in parts}
    for split, rows in parts.items():
        for start in range(0, len(rows), FILE_ROWS):
            chunk = rows[start : start + FILE_ROWS]
            columns = {"userId": ratings.user[chunk], "movieId": ratings.movie[chunk], "rating": ratings.stars[chunk]}
            files[split].append(str(scratch / f"raw-{split}-{len(files[split]):04}.parquet"))
            pq.write_table(pa.table(columns), files[split][-1], row_group_size=FILE_ROWS)
    rated = np.unique(ratings.movie).tolist()
    bags = pa.array([genres.get(movie, []) for movie in rated], pa.list_(pa.string()))
    pq.write_table(pa.table({"movieId": pa.array(rated, pa.int32()), "genres": bags}), scratch / "movies.parquet")
    (scratch / "out").mkdir()
    return Task(
        train=tuple(files["train"]),
        valid=tuple(files["valid"]),
        movies=str(scratch / "movies.parquet"),
        output=str(scratch / "out"),
        workflow=str(scratch / WORKFLOW),
        scratch=str(scratch),
        given=str(workflow.resolve()) if workflow else "",
    )


def _copy(output: Path, schema: Schema, writer: DatasetWriter, rows: int, progress: Progress) -> None:
    """Copy the workflow's output to the dataset, with the dataset's columns and types."""
    import pyarrow.parquet as pq

    written = 0
    names: tuple[SplitName, ...] = ("train", "valid")
    for split in names:
        for file in sorted(output.glob(f"{split}-*.parquet")):
            table = pq.read_table(file)
            check_saved_output(table, schema)
            writer.add(split, table)
            written += table.num_rows
            progress(written, rows)
    if written != rows:
        raise FeedrateError(f"NVTabular's workflow wrote {written:,} of {rows:,} rows, but must keep every row")
