"""A user's own Parquet to the canonical folder: kinds declared or inferred, ids kept or categorified, every value checked.

Two passes, a chunk of rows at a time: the first checks and counts, the second writes. Rows keep the order of the files;
which of them are for validation is drawn at random from a seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from feedrate.bench.datasets.canonical import ROW_GROUP_ROWS, Dataset, Progress, new_dataset, read_dataset
from feedrate.loaders.base import Categorical, Schema
from feedrate.loaders.errors import FeedrateError

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_ROWS = 262_144
MAX_ID = 2**31 - 2
Kind = Literal["single-hot", "multi-hot", "continuous", "label"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which column is what, as the user said or as the types suggest."""

    label: str
    single_hot: tuple[str, ...] = ()
    multi_hot: tuple[str, ...] = ()
    continuous: tuple[str, ...] = ()
    categorify: frozenset[str] = frozenset()
    """Columns whose values become ids by frequency; the others hold ids already."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Columns that are none of it -> their type."""

    def kinds(self) -> dict[str, Kind]:
        return {
            **dict.fromkeys(self.single_hot, "single-hot"),
            **dict.fromkeys(self.multi_hot, "multi-hot"),
            **dict.fromkeys(self.continuous, "continuous"),
            self.label: "label",
        }


@dataclass(slots=True)
class Seen:
    """What the first pass learns of a categorical column."""

    largest: int = -1
    counts: dict[Any, int] = field(default_factory=dict)


def infer(
    path: Path,
    *,
    label: str,
    single_hot: tuple[str, ...] = (),
    multi_hot: tuple[str, ...] = (),
    continuous: tuple[str, ...] = (),
    categorify: tuple[str, ...] = (),
    drop: tuple[str, ...] = (),
) -> Columns:
    """Complete what the user said by the files' types: lists are multi-hot, floats continuous, integers and text single-hot."""
    import pyarrow.types as types

    schema = _common_schema(_files(path))
    said = {**dict.fromkeys(single_hot, "--single-hot"), **dict.fromkeys(multi_hot, "--multi-hot")}
    said |= {**dict.fromkeys(continuous, "--continuous"), label: "--label", **dict.fromkeys(drop, "--drop")}
    for name in (*said, *categorify):
        if name not in schema.names:
            raise FeedrateError(
                f"{path} has no column {name!r} ({said.get(name, '--categorify')}): it has {', '.join(schema.names)}"
            )
    twice = [name for name in said if [*single_hot, *multi_hot, *continuous, *drop, label].count(name) > 1]
    if twice:
        raise FeedrateError(f"column {twice[0]!r} is named for two kinds: name it once")
    single, multi, dense = list(single_hot), list(multi_hot), list(continuous)
    left_out = {name: str(schema.field(name).type) for name in drop}
    for column in schema:
        if column.name in said:
            continue
        if types.is_list(column.type) or types.is_large_list(column.type):
            multi.append(column.name)
        elif types.is_floating(column.type):
            dense.append(column.name)
        elif _is_id_like(column.type):
            single.append(column.name)
        else:
            left_out[column.name] = str(column.type)
    for name in multi_hot:
        if not (types.is_list(schema.field(name).type) or types.is_large_list(schema.field(name).type)):
            raise FeedrateError(f"column {name!r} is {schema.field(name).type}, not a list: it cannot be --multi-hot")
    for name in single_hot:
        if not _is_id_like(schema.field(name).type) and name not in categorify:
            raise FeedrateError(
                f"column {name!r} is {schema.field(name).type}, which has no ids: it cannot be --single-hot"
            )
        if _is_nested(schema.field(name).type):
            raise FeedrateError(
                f"column {name!r} is {schema.field(name).type}, not one value a row: it cannot be --single-hot"
            )
    for name in categorify:
        if name not in single and name not in multi:
            raise FeedrateError(
                f"column {name!r} is no single-hot or multi-hot column: --categorify makes ids of these alone"
            )
    if not (single or multi or dense):
        raise FeedrateError(f"{path} has no column beside the label {label!r} to learn from")
    text = [name for name in (*single, *multi) if not types.is_integer(_value_type(schema.field(name).type))]
    return Columns(
        label=label,
        single_hot=tuple(single),
        multi_hot=tuple(multi),
        continuous=tuple(dense),
        categorify=frozenset((*categorify, *text)),
        left_out=left_out,
    )


def prepare_parquet(
    path: Path,
    folder: Path,
    columns: Columns,
    *,
    seed: int,
    valid_fraction: float = 0.2,
    label_above: float | None = None,
    overwrite: bool = False,
    row_group_rows: int = ROW_GROUP_ROWS,
    progress: Progress = lambda _done, _total: None,
) -> Dataset:
    """Write the files at `path` to `folder`. `progress(done, total)` is in rows, over both passes.

    label_above: make the label 1 where the column is above this. Raises FeedrateError for every value no loader could use.
    """
    import pyarrow as pa

    if not 0 < valid_fraction < 1:
        raise FeedrateError(f"--valid-fraction is {valid_fraction}, but must be between 0 and 1")
    if label_above is not None and not isfinite(label_above):
        raise FeedrateError(f"--label-above is {label_above:g}, but must be a finite number")
    files = _files(path)
    _common_schema(files)
    total = 2 * sum(_open(file).metadata.num_rows for file in files)
    if not total:
        raise FeedrateError(f"{path} has no rows")
    seen = {name: Seen() for name in (*columns.single_hot, *columns.multi_hot)}
    done = 0
    for file, table in _chunks(files, columns):
        _check(file, table, columns, label_above)
        for name in seen:
            _count(table[name], seen[name], categorify=name in columns.categorify)
        done += table.num_rows
        progress(done, total)
    values = {name: _by_frequency(seen[name].counts) for name in columns.categorify}
    schema = _schema(columns, seen, values)
    rng = np.random.default_rng(seed)
    with new_dataset(folder, schema, overwrite=overwrite, row_group_rows=row_group_rows) as writer:
        for _, table in _chunks(files, columns):
            made = _convert(table, columns, values, label_above)
            valid = rng.random(table.num_rows) < valid_fraction
            writer.add("train", made.filter(pa.array(~valid)))
            writer.add("valid", made.filter(pa.array(valid)))
            done += table.num_rows
            progress(done, total)
        provenance = {
            "source": "parquet",
            "files": [file.name for file in files],
            "rows": total // 2,
            "seed": seed,
        }
        writer.finish(path.stem, provenance)
    return read_dataset(folder)


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise FeedrateError(f"{path} does not exist")
    files = sorted(path.glob("**/*.parquet")) if path.is_dir() else [path]
    if not files:
        raise FeedrateError(f"{path} has no *.parquet file")
    return files


def _open(file: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.stat().st_size == 0:
        raise FeedrateError(f"{file} is empty: 0 bytes")
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise FeedrateError(f"{file} is not a whole Parquet file ({_short(error)}): write or copy it again") from error


def _common_schema(files: list[Path]) -> pa.Schema:
    first = _open(files[0]).schema_arrow
    for file in files[1:]:
        schema = _open(file).schema_arrow
        for name in {*first.names, *schema.names}:
            types = [str(s.field(name).type) if name in s.names else "missing" for s in (first, schema)]
            if types[0] != types[1]:
                raise FeedrateError(
                    f"files differ: column {name!r} is {types[0]} in {files[0]} and {types[1]} in {file}"
                )
    return first


def _chunks(files: list[Path], columns: Columns) -> Iterator[tuple[Path, pa.Table]]:
    import pyarrow as pa

    for file in files:
        try:
            for batch in _open(file).iter_batches(batch_size=CHUNK_ROWS, columns=list(columns.kinds())):
                yield file, pa.Table.from_batches([batch])
        except (pa.ArrowException, OSError) as error:
            raise FeedrateError(
                f"{file} breaks off while it is read ({_short(error)}): write or copy it again"
            ) from error


def _check(file: Path, table: pa.Table, columns: Columns, label_above: float | None) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    label = _floats(file, columns.label, table)
    if np.isnan(label).any():
        raise FeedrateError(
            f"label {columns.label!r} in {file} has {int(np.isnan(label).sum())} empty or NaN values: drop these rows"
        )
    if label_above is None and not np.isin(label, (0, 1)).all():
        other = label[~np.isin(label, (0, 1))][0]
        raise FeedrateError(
            f"label {columns.label!r} in {file} has the value {other:g}, not 0 or 1: pass --label-above to make it binary"
        )
    for name in columns.continuous:
        with np.errstate(over="ignore"):
            narrow = _floats(file, name, table).astype(np.float32)
        if not np.isfinite(narrow).all():
            raise FeedrateError(
                f"continuous column {name!r} in {file} has empty, NaN or infinite values (as float32): fill them first"
            )
    for name in columns.multi_hot:
        if table[name].null_count:
            raise FeedrateError(
                f"list column {name!r} in {file} has {table[name].null_count} null rows: write empty lists instead"
            )
        flat = pa.chunked_array([chunk.flatten() for chunk in table[name].chunks], _value_type(table[name].type))
        if flat.null_count:
            raise FeedrateError(
                f"list column {name!r} in {file} has {flat.null_count} nulls within its lists: leave them out"
            )
    for name in (*columns.single_hot, *columns.multi_hot):
        if name in columns.categorify:
            continue
        ids = _flat(table[name])
        low, high = (value.as_py() for value in pc.min_max(ids).values())
        if low is not None and low < 0:
            raise FeedrateError(
                f"column {name!r} in {file} has the id {low}, but ids start at 0: pass --categorify {name} to make ids of any values"
            )
        if high is not None and high > MAX_ID:
            raise FeedrateError(
                f"column {name!r} in {file} has the id {high}, over the largest, {MAX_ID}: pass --categorify {name}"
            )


def _count(column: pa.ChunkedArray, seen: Seen, *, categorify: bool) -> None:
    import pyarrow.compute as pc

    flat = _flat(column)
    if not categorify:
        largest = pc.max(flat).as_py()
        seen.largest = max(seen.largest, -1 if largest is None else largest)
        return
    for item in pc.value_counts(flat.drop_null()).to_pylist():
        seen.counts[item["values"]] = seen.counts.get(item["values"], 0) + item["counts"]


def _by_frequency(counts: Mapping[Any, int]) -> list[Any]:
    return sorted(counts, key=lambda value: (-counts[value], value))


def _schema(columns: Columns, seen: Mapping[str, Seen], values: Mapping[str, list[Any]]) -> Schema:
    def categorical(name: str) -> Categorical:
        cardinality = len(values[name]) + 1 if name in values else seen[name].largest + 1
        return Categorical(name=name, cardinality=max(cardinality, 1))

    return Schema(
        single_hot=tuple(categorical(name) for name in columns.single_hot),
        multi_hot=tuple(categorical(name) for name in columns.multi_hot),
        continuous=columns.continuous,
        label=columns.label,
    )


def _convert(table: pa.Table, columns: Columns, values: Mapping[str, list[Any]], label_above: float | None) -> pa.Table:
    import pyarrow as pa

    made: dict[str, Any] = {}
    for name in columns.single_hot:
        made[name] = _ids(_flat(table[name]), values.get(name))
    for name in columns.multi_hot:
        lists = table[name].combine_chunks()
        lists = lists.chunk(0) if isinstance(lists, pa.ChunkedArray) else lists
        offsets = np.concatenate([[0], np.cumsum(lists.value_lengths().to_numpy())])
        made[name] = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), _ids(lists.flatten(), values.get(name)))
    for name in columns.continuous:
        made[name] = _as_floats(table[name]).astype(np.float32)
    label = _as_floats(table[columns.label])
    made[columns.label] = (label if label_above is None else label > label_above).astype(np.float32)
    return pa.table(made)


def _ids(flat: Any, values: list[Any] | None) -> Any:
    """int32 ids; null becomes 0."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if values is None:
        return pc.fill_null(flat, 0).cast(pa.int32())
    found = pc.index_in(flat, value_set=pa.array(values, flat.type), skip_nulls=True)
    return pc.add(pc.fill_null(found, -1), 1).cast(pa.int32())


def _flat(column: pa.ChunkedArray) -> Any:
    """One array of the column's values; text kept as plain strings, booleans as 0 and 1."""
    import pyarrow as pa
    import pyarrow.types as types

    flat = column.combine_chunks()
    flat = pa.concat_arrays(flat.chunks) if isinstance(flat, pa.ChunkedArray) else flat
    if types.is_list(flat.type) or types.is_large_list(flat.type):
        flat = flat.flatten()
    if types.is_dictionary(flat.type):
        flat = flat.dictionary_decode()
    return flat


def _floats(file: Path, name: str, table: pa.Table) -> np.ndarray:
    import pyarrow as pa

    try:
        return _as_floats(table[name])
    except pa.ArrowException as error:
        raise FeedrateError(f"column {name!r} in {file} is {table[name].type}, not a number") from error


def _as_floats(column: pa.ChunkedArray) -> np.ndarray:
    """float64; integers past 2**53 to the nearest."""
    import pyarrow as pa

    return column.cast(pa.float64(), safe=False).to_numpy()  # type: ignore[no-any-return]


def _value_type(kind: Any) -> Any:
    import pyarrow.types as types

    return kind.value_type if types.is_list(kind) or types.is_large_list(kind) or types.is_dictionary(kind) else kind


def _is_nested(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_nested(kind))


def _is_id_like(kind: Any) -> bool:
    import pyarrow.types as types

    value = _value_type(kind)
    return bool(
        types.is_integer(value) or types.is_string(value) or types.is_large_string(value) or types.is_boolean(value)
    )


def _short(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
