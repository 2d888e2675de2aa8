"""CupyLoader delivers any table that Arrow can write with the values of its files, or refuses it by a column's name."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feedrate.loaders import CupyLoader
from feedrate.loaders.base import Batch
from feedrate.loaders.errors import Faults, FeedrateError
from tests.samples.any_table.expected import MAX_FLOAT32, common_family, flat, is_missing, is_nan
from tests.samples.any_table.reading import FileRead, read
from tests.samples.any_table.table import ROW, AnyTable, any_tables

TABLES = int(os.environ.get("FEEDRATE_ANY_TABLES", "200"))
RAW = any_tables(raw=True)
STREAMED = {"memory_budget_bytes": 10**6, "window_rows": 4}
IN_MEMORY: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class Raw:
    """A column as CupyLoader has to take it."""

    kind: str
    """ids, bags, dense or label. Empty: its type is refused."""
    values: Sequence[Any] = ()
    deliverable: bool = False
    doubtful: bool = False
    """Whether it may be refused nevertheless: a label that only some files have as whole numbers."""


@settings(max_examples=TABLES, database=None, suppress_health_check=list(HealthCheck))
@given(RAW, st.booleans(), st.sampled_from([IN_MEMORY, STREAMED]))
def test_any_table_is_delivered_as_it_is_or_refused_by_name(
    table: AnyTable, shuffle: bool, memory: Mapping[str, int]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        files = [file for file in map(read, table.write(Path(name))) if file.rows]
        label = table.declared.label
        names = dict.fromkeys(column for file in files for column, _ in file.columns)
        columns = {column: _raw(column, label, files) for column in names}
        try:
            with CupyLoader(name, label=label, batch_size=3, shuffle=shuffle, device="cpu", **memory) as loader:
                batches = list(loader)
        except FeedrateError as error:
            _check_refusal(error, columns)
        else:
            assert [column for column, raw in columns.items() if not raw.deliverable] == []
            _check_batches(batches, columns, shuffle=shuffle)


def _raw(name: str, label: str, files: Sequence[FileRead]) -> Raw:
    parts = [file.parts(name) for file in files]
    if any(len(part) != 1 for part in parts):
        return Raw("")
    families = [part[0].family for part in parts]
    common = common_family(families)
    kind = "label" if name == label else _KINDS.get(common or "", "")
    if not kind or (kind == "label" and common not in ("integer", "float", "decimal", "whole numbers", "flag")):
        return Raw("")
    values = [value for part in parts for value in part[0].values]
    fits = _fits_number if kind in ("dense", "label") else _fits_id
    deliverable = None not in values and all(map(fits, flat(values)))
    return Raw(kind, values, deliverable, doubtful=kind == "label" and common == "whole numbers")


_KINDS = {
    **dict.fromkeys(("integer", "whole numbers"), "ids"),
    **dict.fromkeys(("list of integer", "list of whole numbers", "list of null"), "bags"),
    **dict.fromkeys(("float", "decimal"), "dense"),
}


def _fits_number(value: Any) -> bool:
    return value is not None and (is_nan(value) or not MAX_FLOAT32 < abs(float(value)) < float("inf"))


def _fits_id(value: Any) -> bool:
    return not is_missing(value) and -(2**31) <= value < 2**31 and value == int(value)


def _check_refusal(error: FeedrateError, columns: Mapping[str, Raw]) -> None:
    """Assert that what is refused is faulty, and that every column is named whose type is refused."""
    sentences = error.sentences if isinstance(error, Faults) else (str(error),)
    if not columns:
        assert "has no rows" in str(error)
        return
    faulty = [name for name, raw in columns.items() if not raw.deliverable or raw.doubtful]
    for sentence in sentences:
        assert any(repr(name) in sentence for name in faulty), sentence
    for name in [name for name, raw in columns.items() if not raw.kind]:
        assert any(repr(name) in sentence for sentence in sentences), f"{name!r} is faulty, but not named: {error}"


def _check_batches(batches: Sequence[Batch], columns: Mapping[str, Raw], *, shuffle: bool) -> None:
    rows = [row for batch in batches for row in batch.ids[ROW].tolist()]
    assert sorted(rows) == list(range(len(rows))) == list(columns[ROW].values)
    assert shuffle or rows == sorted(rows)
    for name, raw in columns.items():
        expected = [raw.values[row] for row in rows]
        delivered = [value for batch in batches for value in _delivered(batch, name, raw.kind)]
        if raw.kind in ("ids", "bags"):
            assert delivered == expected, name
        else:
            np.testing.assert_allclose(
                np.array(delivered), np.array([float(value) for value in expected]), rtol=2.0**-23, atol=2.0**-149
            )


def _delivered(batch: Batch, name: str, kind: str) -> list[Any]:
    if kind == "label":
        return list(batch.label.tolist())
    if kind == "bags":
        values, offsets = (tensor.tolist() for tensor in batch.bags[name])
        return [values[start:stop] for start, stop in zip(offsets, offsets[1:], strict=False)]
    return list((batch.ids if kind == "ids" else batch.dense)[name].tolist())
