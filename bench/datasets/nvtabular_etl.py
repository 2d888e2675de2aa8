"""MovieLens through NVTabular's own Workflow instead of our ETL: the same rows in the same order and split, its ids.

The workflow runs in nvtabular's environment (workflow.py); what is read before and written after it is ours.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import msgspec
import numpy as np

from feedrate.bench.datasets.canonical import (
    ROW_GROUP_ROWS,
    Dataset,
    DatasetWriter,
    Progress,
    SplitName,
    new_dataset,
    read_dataset,
)
from feedrate.bench.datasets.movielens import Ratings, read, shuffled
from feedrate.bench.datasets.workflow import Done, Task
from feedrate.bench.host import venvs
from feedrate.bench.host.processes import last_words
from feedrate.loaders.base import Categorical, Schema
from feedrate.loaders.errors import FeedrateError

FILE_ROWS = 1_000_000
"""Of what the workflow is given: it holds some of these at a time."""
WORKFLOW = "workflow"
"""Folder of the saved workflow within the dataset's."""


def prepare_movielens(
    source: Path,
    folder: Path,
    *,
    name: str,
    seed: int,
    workflow: Path | None = None,
    overwrite: bool = False,
    row_group_rows: int = ROW_GROUP_ROWS,
    progress: Progress = lambda _done, _total: None,
) -> Dataset:
    """Write `source` (a zip or a folder) to `folder`, and the fitted workflow to `folder`/workflow.

    workflow: a saved one to use instead; it is code, and whoever calls this has been asked.
    """
    python = venvs.interpreter("nvtabular")
    ratings, genres = read(source)
    rows = len(ratings.user)
    with tempfile.TemporaryDirectory(prefix="feedrate-") as scratch:
        task = _write_raw(ratings, genres, Path(scratch), seed, workflow)
        progress(0, rows)
        done = _run(python, task)
        schema = Schema(
            single_hot=tuple(Categorical(name=name, cardinality=size) for name, size in done.single_hot.items()),
            multi_hot=tuple(Categorical(name=name, cardinality=size) for name, size in done.multi_hot.items()),
            label="rating",
        )
        with new_dataset(folder, schema, overwrite=overwrite, row_group_rows=row_group_rows) as writer:
            _copy(Path(task.output), writer, rows, progress)
            if workflow is None:
                shutil.move(task.workflow, writer.folder / WORKFLOW)
            provenance = {
                "source": name,
                "ratings": rows,
                "seed": seed,
                "etl": f"nvtabular {done.version}" + (f", the workflow in {workflow.name}" if workflow else ""),
            }
            writer.finish(name, provenance)
    return read_dataset(folder)


def refuse_untrusted(workflow: Path, *, trusted: bool) -> None:
    """Raise FeedrateError for a saved workflow that nobody has vouched for."""
    if not (workflow / "metadata.json").is_file():
        raise FeedrateError(f"{workflow} is not a saved NVTabular workflow: it has no metadata.json")
    if not trusted:
        raise FeedrateError(
            f"{workflow} is a saved workflow, and that is code: loading it runs whatever its author put there, so "
            "pass --trust-workflow only if you made it or trust who did"
        )


def _write_raw(ratings: Ratings, genres: dict[int, list[str]], scratch: Path, seed: int, workflow: Path | None) -> Task:
    """The ratings of each split in the order they are to be written, and the movies, as the source has them."""
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


def _run(python: str, task: Task) -> Done:
    # without a device: Categorify of a list column fails with a current cudf, and Merlin takes a device wherever it sees one
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [python, "-m", "feedrate.bench.datasets.workflow"],
        input=msgspec.json.encode(task),
        env=environment,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise FeedrateError(f"NVTabular's workflow failed: {last_words(done.stderr.decode(errors='replace'))}")
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Done)


def _copy(made: Path, writer: DatasetWriter, rows: int, progress: Progress) -> None:
    """What the workflow wrote, to the dataset's columns and types."""
    import pyarrow.parquet as pq

    written = 0
    names: tuple[SplitName, ...] = ("train", "valid")
    for split in names:
        for file in sorted(made.glob(f"{split}-*.parquet")):
            table = pq.read_table(file)
            writer.add(split, table)
            written += table.num_rows
            progress(written, rows)
    if written != rows:
        raise FeedrateError(f"NVTabular's workflow made {written:,} rows of {rows:,}: it must keep every row")
