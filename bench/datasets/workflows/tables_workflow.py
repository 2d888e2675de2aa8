"""A user's tables through NVTabular's own operators: Categorify, FillMissing, Clip, LogOp, Normalize. For its environment.

It is fitted on the rows of both splits, as feedrate's own ETL is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feedrate.bench.datasets.workflows.categorify_repair import repair_categorify
from feedrate.bench.datasets.workflows.child import answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Ids:
    """Columns that Categorify gives ids with the same options."""

    columns: tuple[str, ...]
    freq_threshold: int = 0
    """Values that occur less often are unknown. 0: none is."""
    num_buckets: int = 0
    """Ids that unknown values are hashed to. 0: all have the id 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Columns whose numbers, or lists of numbers, are changed alike: filled, clipped, their logarithm taken, normalized."""

    columns: tuple[str, ...]
    fill: float | None = None
    least: float | None = None
    greatest: float | None = None
    log1p: bool = False
    normalize: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the module reads from standard input."""

    train: tuple[str, ...]
    """Parquet files of one row group each."""
    valid: tuple[str, ...]
    ids: tuple[Ids, ...]
    numbers: tuple[Numbers, ...]
    label: str
    """A column that is handed through, which shows that rows keep their order."""
    output: str
    """Folder for train-NNNN.parquet and valid-NNNN.parquet: one for each input file, with rows in the same order."""
    scratch: str
    """Folder for intermediate counts. By default the library uses the current folder."""
    workflow: str
    """Folder to which the fitted workflow is saved, and from which it is loaded again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What the module prints as its last line."""

    version: str
    """NVTabular's version."""
    frames: str
    """pandas or cudf."""
    cardinalities: Mapping[str, int]
    """By column, from get_embedding_sizes."""
    moments: Mapping[str, tuple[float | None, float | None]]
    """Mean and standard deviation that Normalize uses, by column. None: it has none."""


def run(task: Task) -> Done:
    """Fit on all rows, save, load, and transform both splits. Needs nvtabular."""
    from feedrate.loaders.nvtabular import import_nvtabular

    import_nvtabular()
    import nvtabular  # pyright: ignore[reportMissingImports]

    repair_categorify()
    rows = _dataset((*task.train, *task.valid))
    fitted, normalizing = _workflow(task)
    fitted.fit(rows)
    fitted.save(task.workflow)
    loaded = nvtabular.Workflow.load(task.workflow)
    for split, files in (("train", task.train), ("valid", task.valid)):
        frames = loaded.transform(_dataset(files)).to_ddf()
        for number in range(frames.npartitions):
            frame = frames.get_partition(number).compute(scheduler="synchronous")
            frame.to_parquet(Path(task.output) / f"{split}-{number:04}.parquet", index=False)
    return Done(
        version=nvtabular.__version__,
        frames="pandas" if rows.cpu else "cudf",
        cardinalities=_cardinalities(nvtabular.ops.get_embedding_sizes(loaded)),
        moments={
            name: (_finite(operator.means[name]), _finite(operator.stds[name]))
            for operator in normalizing
            for name in operator.means
        },
    )


def _workflow(task: Task) -> tuple[Any, list[Any]]:
    """Return the workflow, and its Normalize operators."""
    import nvtabular  # pyright: ignore[reportMissingImports]
    from nvtabular import ops  # pyright: ignore[reportMissingImports]

    output = nvtabular.ColumnSelector([task.label])
    for ids in task.ids:
        categorify = ops.Categorify(
            freq_threshold=ids.freq_threshold, num_buckets=ids.num_buckets or None, out_path=task.scratch
        )
        output = output + (list(ids.columns) >> categorify)
    normalizing = []
    for numbers in task.numbers:
        chain: Any = nvtabular.ColumnSelector(list(numbers.columns))
        if numbers.fill is not None:
            chain = chain >> ops.FillMissing(fill_val=numbers.fill)
        if numbers.least is not None or numbers.greatest is not None:
            chain = chain >> ops.Clip(min_value=numbers.least, max_value=numbers.greatest)
        if numbers.log1p:
            chain = chain >> ops.LogOp()
        if numbers.normalize:
            normalizing.append(ops.Normalize())
            chain = chain >> normalizing[-1]
        output = output + chain
    return nvtabular.Workflow(output), normalizing


def _dataset(files: Sequence[str]) -> Any:
    """A Dataset of one partition a file: on cudf if Merlin sees a GPU and cudf, else on pandas."""
    from merlin.io import Dataset  # pyright: ignore[reportMissingImports]

    return Dataset(list(files), engine="parquet", row_groups_per_part=1)


def _cardinalities(sizes: Any) -> dict[str, int]:
    """Cardinalities from {column: (cardinality, width)}, or from a pair of those if there are list columns."""
    parts = sizes if isinstance(sizes, tuple) else (sizes,)
    return {name: int(size[0]) for part in parts for name, size in part.items()}


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


if __name__ == "__main__":
    answer(Task, run)
