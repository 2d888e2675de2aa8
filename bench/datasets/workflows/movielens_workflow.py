"""The reference notebook's ETL, run by NVTabular itself: JoinExternal, Categorify, LambdaOp. A module for its environment.

A workflow saved to disk is code (cloudpickle): loading one runs whatever its author put there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feedrate.bench.datasets.movielens.prepare import LIKED_ABOVE
from feedrate.bench.datasets.workflows.categorify_repair import repair_categorify
from feedrate.bench.datasets.workflows.child import answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the module reads from standard input."""

    train: tuple[str, ...]
    """Parquet files with userId, movieId and rating, with the source's ids."""
    valid: tuple[str, ...]
    movies: str
    """A Parquet file with movieId and genres, a list of names."""
    output: str
    """Folder for train-NNNN.parquet and valid-NNNN.parquet: one for each input file, with rows in the same order."""
    scratch: str
    """Folder for intermediate counts. By default the library uses the current folder."""
    workflow: str
    """Folder to which the fitted workflow is saved, and from which it is loaded again."""
    given: str = ""
    """Folder of a workflow to use instead of fitting one. The user trusts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What the module prints as its last line."""

    version: str
    """NVTabular's version."""
    single_hot: Mapping[str, int]
    """Cardinality by column, from get_embedding_sizes."""
    multi_hot: Mapping[str, int]


def run(task: Task) -> Done:
    """Fit on the training rows, save, load, and transform both splits. Needs nvtabular."""
    from feedrate.loaders.nvtabular import import_nvtabular

    import_nvtabular()
    import nvtabular  # pyright: ignore[reportMissingImports]

    repair_categorify()
    saved = task.given
    if not saved:
        saved = task.workflow
        fitted = _workflow(task.movies, task.scratch)
        fitted.fit(_dataset(task.train))
        fitted.save(saved)
    loaded = nvtabular.Workflow.load(saved)
    for split, files in (("train", task.train), ("valid", task.valid)):
        frames = loaded.transform(_dataset(files)).to_ddf()
        for number in range(frames.npartitions):
            frame = frames.get_partition(number).compute(scheduler="synchronous")
            frame.to_parquet(Path(task.output) / f"{split}-{number:04}.parquet", index=False)
    single_hot, multi_hot = _sizes(nvtabular.ops.get_embedding_sizes(loaded))
    return Done(version=nvtabular.__version__, single_hot=single_hot, multi_hot=multi_hot)


def _workflow(movies: str, scratch: str) -> Any:
    """The reference notebook's ETL: genres joined by movie, ids by frequency, label rating > 3."""
    import nvtabular  # pyright: ignore[reportMissingImports]
    import pandas as pd
    from nvtabular import ops  # pyright: ignore[reportMissingImports]

    joined = ["userId", "movieId"] >> ops.JoinExternal(pd.read_parquet(movies), on=["movieId"])
    label = ["rating"] >> ops.LambdaOp(lambda rating: (rating > LIKED_ABOVE).astype("float32"))
    return nvtabular.Workflow((joined >> ops.Categorify(out_path=scratch)) + label)


def _dataset(files: Sequence[str]) -> Any:
    """A Dataset on the CPU, even on a GPU machine: Categorify of a list column fails with a current cudf."""
    from merlin.io import Dataset  # pyright: ignore[reportMissingImports]

    return Dataset(list(files), engine="parquet", cpu=True, row_groups_per_part=1)


def _sizes(sizes: Any) -> tuple[dict[str, int], dict[str, int]]:
    """Cardinalities from {column: (cardinality, width)}, or from a pair of those if there are list columns."""
    single_hot, multi_hot = sizes if isinstance(sizes, tuple) else (sizes, {})
    return tuple({name: int(size[0]) for name, size in part.items()} for part in (single_hot, multi_hot))  # type: ignore[return-value]


if __name__ == "__main__":
    answer(Task, run)
