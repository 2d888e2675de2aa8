"""The reference notebook's ETL by NVTabular itself: JoinExternal, Categorify, LambdaOp. Run as a module in its environment.

A workflow saved to disk is code (cloudpickle): loading one runs what its author put there.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from feedrate.bench.datasets.movielens import LIKED_ABOVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The module's standard input."""

    train: tuple[str, ...]
    """Parquet files with userId, movieId and rating, as the source has them."""
    valid: tuple[str, ...]
    movies: str
    """A Parquet file with movieId and genres, a list of names."""
    output: str
    """Folder for train-NNNN.parquet and valid-NNNN.parquet, one for each file, rows in the same order."""
    scratch: str
    """Folder for what is counted on the way: by default the library takes the current one."""
    workflow: str
    """Folder where the fitted workflow is saved, and loaded from again."""
    given: str = ""
    """Folder of a workflow to use instead of fitting one; its user has said to trust it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The module's last line of output."""

    version: str
    """Of nvtabular."""
    single_hot: Mapping[str, int]
    """Column -> cardinality, as get_embedding_sizes gives it."""
    multi_hot: Mapping[str, int]


def run(task: Task) -> Done:
    """Fit on the training rows, save, load, transform both splits. Needs nvtabular."""
    from feedrate.loaders.nvtabular import import_nvtabular

    import_nvtabular()
    import nvtabular

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
    """As the reference notebook's data was made: genres joined by movie, ids by frequency, a label over 3."""
    import nvtabular
    import pandas as pd
    from nvtabular import ops

    joined = ["userId", "movieId"] >> ops.JoinExternal(pd.read_parquet(movies), on=["movieId"])
    label = ["rating"] >> ops.LambdaOp(lambda rating: (rating > LIKED_ABOVE).astype("float32"))
    return nvtabular.Workflow((joined >> ops.Categorify(out_path=scratch)) + label)


def _dataset(files: Sequence[str]) -> Any:
    """On the CPU wherever it runs: Categorify of a list column fails with a current cudf."""
    from merlin.io import Dataset

    return Dataset(list(files), engine="parquet", cpu=True, row_groups_per_part=1)


def _sizes(found: Any) -> tuple[dict[str, int], dict[str, int]]:
    """Of {column: (cardinality, width)}, or of a pair of them where there are list columns."""
    single_hot, multi_hot = found if isinstance(found, tuple) else (found, {})
    return tuple({name: int(size[0]) for name, size in part.items()} for part in (single_hot, multi_hot))  # type: ignore[return-value]


def main() -> None:
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = run(task)
    sys.stdout.buffer.write(b"\n" + msgspec.json.encode(done) + b"\n")


if __name__ == "__main__":
    main()
