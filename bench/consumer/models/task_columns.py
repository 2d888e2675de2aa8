"""Which columns of a dataset a task uses, and whether it has those that the task needs. Imports no torch."""

from __future__ import annotations

from feedrate.bench.results.spec import ModelSpec
from feedrate.loaders.base import Schema
from feedrate.loaders.errors import FeedrateError

MAX_NAMES = 5
"""Columns that an error names."""


def require_columns(schema: Schema, spec: ModelSpec) -> None:
    """Raise FeedrateError if the dataset lacks columns that the task of the model needs."""
    if spec.task == "sequence":
        target_of(schema, spec)
    if spec.task == "dlrm":
        categorical = len(schema.single_hot) + len(schema.multi_hot)
        if categorical + bool(schema.continuous) < 2:
            raise FeedrateError(
                "task dlrm multiplies vectors in pairs, but this dataset has only "
                f"{'one categorical column' if categorical else 'continuous columns' if schema.continuous else 'a label'}: use --task mlp"
            )


def target_of(schema: Schema, spec: ModelSpec) -> str:
    """Return the single-hot column that holds the target item of a sequence task.

    Without spec.target, it is the one that has as many ids as a history. Raises FeedrateError if no column can be it.
    """
    if not schema.multi_hot:
        raise FeedrateError(
            "task sequence needs a history, a multi-hot column, but this dataset has none: "
            "use --task mlp, or prepare data that has one, such as synthetic-sequence"
        )
    names = [column.name for column in schema.single_hot]
    if spec.target is not None:
        if spec.target not in names:
            raise FeedrateError(f"target is {spec.target!r}, but must be a single-hot column: {_listed(names)}")
        return spec.target
    sizes = {column.cardinality for column in schema.multi_hot}
    candidates = [column.name for column in schema.single_hot if column.cardinality in sizes]
    if len(candidates) != 1:
        count = "several columns have" if candidates else "no single-hot column has"
        raise FeedrateError(
            f"task sequence cannot tell the target item: {count} as many ids as a history. "
            f"Name it with --target: {_listed(candidates or names)}"
        )
    return candidates[0]


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"{name[:30]!r}" for name in names[:MAX_NAMES])
    return (shown or "the dataset has none") + (" ..." if len(names) > MAX_NAMES else "")
