"""Takes over NVTabular's output: its columns in the dataset's names and types, after checks that no row and no value went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as types

from feedrate.bench.datasets.workflows.raw_columns import RawColumn
from feedrate.loaders.base import Schema
from feedrate.loaders.errors import FeedrateError

TOLERANCE = 1e-4
"""Difference of normalized values, in standard deviations, above which NVTabular's moments count as wrong."""


def check_order(label: pa.ChunkedArray, expected: pa.ChunkedArray) -> None:
    """Raise FeedrateError unless NVTabular returned every row of a part, in its order, as the label shows."""
    if not np.array_equal(label.to_numpy(), expected.to_numpy()):
        raise FeedrateError(
            f"NVTabular returned {len(label):,} rows for {len(expected):,}, or in another order: use --etl feedrate"
        )


def check_moments(columns: Sequence[RawColumn], moments: Mapping[str, tuple[float | None, float | None]]) -> None:
    """Raise FeedrateError for a column that NVTabular normalizes by other moments than those of its values.

    It sums squares, which loses the digits of values that vary little about a large mean.
    """
    for raw in columns:
        steps = raw.column.steps
        if steps.mean is None:
            continue
        mean, deviation = moments[raw.name]
        right, scale = steps.deviation or 1.0, deviation or 1.0
        shift = abs((mean or 0.0) - steps.mean) / scale
        if shift > TOLERANCE or (steps.deviation and abs(right / scale - 1) > TOLERANCE):
            name = raw.column.name
            raise FeedrateError(
                f"NVTabular normalizes column {name!r} by mean {mean} and deviation {deviation}, but its values have "
                f"{steps.mean:g} and {steps.deviation:g}: it sums squares, which loses digits. "
                f"Leave out --normalize {name}, or use --etl feedrate"
            )


def check_cardinalities(columns: Sequence[RawColumn], cardinalities: Mapping[str, int]) -> None:
    """Raise FeedrateError for a column in which NVTabular found more or fewer values than feedrate.

    cardinalities: of get_embedding_sizes, by NVTabular's names.
    """
    for raw in columns:
        if raw.column.categorified and cardinalities[raw.name] != raw.column.cardinality:
            raise FeedrateError(
                f"NVTabular gave column {raw.column.name!r} {cardinalities[raw.name]:,} ids, but its values need "
                f"{raw.column.cardinality:,}: use --etl feedrate"
            )


def converted_output(columns: Sequence[RawColumn], output: pa.Table, kept: pa.Table) -> pa.Table:
    """Return a part as the canonical folder has it. Raises FeedrateError for an id that is none, or a number that is lost."""
    arrays = {name: kept[name] for name in kept.column_names}
    for raw in columns:
        values = output[raw.name].combine_chunks()
        if raw.column.categorified:
            _check_ids(raw.column.name, values, raw.column.cardinality)
            arrays[raw.column.name] = values
        else:
            flat = values.flatten() if raw.column.kind == "vector" else values
            _check_numbers(raw, flat)
            places = flat.to_numpy(zero_copy_only=False).reshape(len(values), -1).T.astype(np.float32)
            arrays.update(zip(raw.column.names, places, strict=True))
    return pa.table(arrays)


def check_saved_output(output: pa.Table, schema: Schema) -> None:
    """Raise FeedrateError if what a saved workflow wrote lacks a column, or holds ids or labels that are none."""
    columns = {column.name: column.cardinality for column in (*schema.single_hot, *schema.multi_hot)}
    for name in (*columns, schema.label):
        if name not in output.column_names:
            raise FeedrateError(f"the saved workflow writes no column {name!r}: it was not made for MovieLens")
    for name, cardinality in columns.items():
        _check_ids(name, output[name].combine_chunks(), cardinality)
    label = output[schema.label]
    if label.null_count or not np.isin(label.to_numpy(), (0, 1)).all():
        raise FeedrateError(f"the saved workflow writes a label {schema.label!r} that is neither 0 nor 1 in every row")


def _check_ids(name: str, values: pa.Array, cardinality: int) -> None:
    ids = values.flatten() if types.is_list(values.type) or types.is_large_list(values.type) else values
    if not (types.is_integer(ids.type) or types.is_floating(ids.type)):
        raise FeedrateError(f"NVTabular gave column {name!r} ids of type {ids.type}: use --etl feedrate")
    if types.is_floating(ids.type) and not pc.all(pc.equal(ids, pc.floor(ids)), min_count=0).as_py():
        raise FeedrateError(f"NVTabular gave column {name!r} ids that are no whole numbers: use --etl feedrate")
    bounds = pc.min_max(ids).as_py()
    if ids.null_count or (len(ids) and not 0 <= bounds["min"] <= bounds["max"] < cardinality):
        raise FeedrateError(
            f"NVTabular gave column {name!r} ids from {bounds['min']} to {bounds['max']} with {ids.null_count} "
            f"nulls, but its embedding table has {cardinality} rows: use --etl feedrate"
        )


def _check_numbers(raw: RawColumn, values: pa.Array) -> None:
    if not np.isfinite(values.to_numpy(zero_copy_only=False)).all():
        raise FeedrateError(
            f"NVTabular made numbers of column {raw.column.name!r} that are missing or infinite: use --etl feedrate"
        )
