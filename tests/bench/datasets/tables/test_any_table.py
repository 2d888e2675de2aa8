"""Any table that Arrow can write is prepared with the values of its files, or refused by the names of its columns."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from feedrate.bench.cli.app import main
from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.tables.declared import SplitOptions, Transforms
from feedrate.bench.datasets.tables.prepare import Plan, planned, write_tables
from feedrate.bench.datasets.tables.request import TableRequest
from feedrate.loaders.errors import Faults, FeedrateError
from tests.samples.any_table.expected import Expected, expected, places
from tests.samples.any_table.reading import FileRead, read
from tests.samples.any_table.table import ROW, AnyTable, any_tables

TABLES = int(os.environ.get("FEEDRATE_ANY_TABLES", "200"))
"""Tables to try. 20,000 were tried once."""

MOST_DRAWN_ROWS = 20
"""With so many rows or more, chance leaves no split empty."""


@settings(max_examples=TABLES, database=None, suppress_health_check=list(HealthCheck))
@given(any_tables())
def test_any_table_is_prepared_as_it_is_or_refused_by_name(table: AnyTable) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, output = Path(name, "in"), Path(name, "out")
        folder.mkdir()
        paths = table.write(folder)
        read_files = [read(path).with_keys(keys) for path, keys in zip(paths, table.keys, strict=True)]
        files = [file for file in read_files if file.rows]
        fates = expected(table, files)
        last = max((place for place, file in enumerate(read_files) if file.rows), default=0)
        request = TableRequest(
            paths=(*paths[:last], *paths[last + 1 :]) if table.by_file else (folder,),
            valid_paths=(paths[last],) if table.by_file else (),
            columns=table.declared,
            transforms=Transforms(fill=table.fill),
            split=SplitOptions(valid_fraction=0.5),
        )
        options = PrepareOptions(seed=table.seed, row_group_rows=3)
        try:
            with planned(request, output, options) as plan:
                dataset = write_tables(plan, output, options)
        except FeedrateError as error:
            assert [path.name for path in Path(name).iterdir()] == ["in"]
            _check_refusal(error, fates, rows=sum(file.rows for file in files))
        else:
            _check_dataset(dataset, plan, table, files, fates)


@settings(max_examples=max(1, TABLES // 20), database=None, suppress_health_check=list(HealthCheck))
@given(any_tables())
def test_the_command_writes_a_dataset_or_ends_with_2_and_writes_nothing(table: AnyTable) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, output, said = Path(name, "in"), Path(name, "out"), io.StringIO()
        folder.mkdir()
        table.write(folder)
        words = ["feedrate", "prepare", "parquet", str(folder), *_options(table), "--yes", "-o", str(output)]
        with (
            patch.object(sys, "argv", words),
            contextlib.redirect_stderr(said),
            contextlib.redirect_stdout(io.StringIO()),
            pytest.raises(SystemExit) as ended,
        ):
            main()
        if output.exists():
            assert not ended.value.code
            read_dataset(output)
        else:
            assert ended.value.code == 2
            assert "feedrate: " in said.getvalue()
            assert [path.name for path in Path(name).iterdir()] == ["in"]


def _options(table: AnyTable) -> list[str]:
    """Return the table's options as words of the command line, which cannot name columns without a letter."""
    words = [f"--label={table.declared.label}", "--valid-fraction=0.5", f"--seed={table.seed}"]
    for option in ("single_hot", "multi_hot", "continuous", "vector", "categorify", "drop"):
        names = [name.replace(",", "\\,") for name in getattr(table.declared, option) if name.strip()]
        words += [f"--{option.replace('_', '-')}={','.join(names)}"] if names else []
    return [*words, *(f"--fill={name}={fill}" for name, fill in table.fill.items())]


def _check_refusal(error: FeedrateError, fates: dict[str, Expected], rows: int) -> None:
    """Assert that every column that cannot be prepared is named, and no column that can be."""
    sentences = error.sentences if isinstance(error, Faults) else (str(error),)
    if not rows:
        assert "has no rows" in str(error)
        return
    must = [name for name, column in fates.items() if column.fate == "refused"]
    may = [name for name, column in fates.items() if "refused" in column.fate]
    for name in () if "cannot be read to its end" in str(error) else must:
        assert any(_names(sentence, name) for sentence in sentences), f"{name!r} is faulty, but not named: {error}"
    for sentence in sentences:
        assert any(_names(sentence, name) for name in may) or _is_general(sentence, fates, rows), sentence


def _names(sentence: str, name: str) -> bool:
    return repr(name) in sentence or (bool(name) and name in sentence)


def _is_general(sentence: str, fates: dict[str, Expected], rows: int) -> bool:
    """Whether it is about the table as a whole, and true."""
    if "has no rows" in sentence:
        return rows < MOST_DRAWN_ROWS and "split" in sentence
    features = [column for column in fates.values() if "kept" in column.fate and column.kind != "label"]
    return "besides the label" in sentence and not features


def _check_dataset(
    dataset: Dataset, plan: Plan, table: AnyTable, files: Sequence[FileRead], fates: dict[str, Expected]
) -> None:
    kept = {name: column for name, column in fates.items() if "kept" in column.fate}
    refused = [name for name, column in fates.items() if column.fate == "refused"]
    assert not refused, f"prepared, though {refused} cannot be"
    schema = dataset.info.schema
    assert sorted(schema.columns) == sorted(place for column in kept.values() for place in places(column))
    left_out = sorted(name for name in fates if name not in kept)
    assert sorted(column.name for column in plan.left_out) == left_out
    said = [decision.subject for decision in dataset.info.decisions if decision.what.startswith("left out")]
    assert sorted(said) == left_out
    written = {name: _columns(dataset.split(name).files) for name in ("train", "valid")}
    rows = _rows(written, table, files)
    delivered = {
        name: [value for split in ("train", "valid") for value in written[split][name]] for name in schema.columns
    }
    cardinalities = {column.name: column.cardinality for column in (*schema.single_hot, *schema.multi_hot)}
    for column in kept.values():
        values = [column.values[row] for row in rows]
        if column.kind in ("single-hot", "multi-hot"):
            _check_ids(column, values, delivered[column.name], cardinalities[column.name])
        elif column.kind == "vector":
            for place, name in enumerate(places(column)):
                _check_numbers([value[place] for value in values], delivered[name])
        elif column.kind == "label" and table.declared.label_above is not None:
            above = table.declared.label_above
            assert delivered[column.name] == [float(value > above) for value in values]
        else:
            _check_numbers(values, delivered[column.name])


def _columns(paths: Sequence[Path]) -> dict[str, list[Any]]:
    tables = [pq.ParquetFile(path).read() for path in paths]
    return {name: [value for table in tables for value in table[name].to_pylist()] for name in tables[0].column_names}


def _rows(written: dict[str, dict[str, list[Any]]], table: AnyTable, files: Sequence[FileRead]) -> list[int]:
    """Return which row of the files each written row is, training rows first. Asserts that none is lost, doubled or moved."""
    total = sum(file.rows for file in files)
    counts = {split: len(columns[table.declared.label]) for split, columns in written.items()}
    if table.by_file:
        assert counts == {"train": total - files[-1].rows, "valid": files[-1].rows}
        return list(range(total))
    train, valid = (written[split][ROW] for split in ("train", "valid"))
    assert train == sorted(train)
    assert valid == sorted(valid)
    assert sorted([*train, *valid]) == list(range(total))
    return [*train, *valid]


def _check_ids(column: Expected, values: Sequence[Any], ids: Sequence[Any], cardinality: int) -> None:
    if column.kind == "multi-hot":
        assert [len(row) for row in values] == [len(row) for row in ids]
        values = [value for row in values for value in row]
        ids = [number for row in ids for number in row]
    if not column.categorified:
        assert list(ids) == list(values)
        assert cardinality == max([column.fill, *values]) + 1
        return
    keys = [_key(value) for value in values]
    assert [number == 0 for number in ids] == [key is None for key in keys]
    pairs = {(key, number) for key, number in zip(keys, ids, strict=True) if key is not None}
    assert len(pairs) == len({key for key, _ in pairs}) == len({number for _, number in pairs})
    assert {number for _, number in pairs} == set(range(1, cardinality))
    frequency = Counter(number for number in ids if number)
    assert [frequency[number] for number in sorted(frequency)] == sorted(frequency.values(), reverse=True)


def _key(value: Any) -> Any:
    """Return what is equal for equal values: NaN is one."""
    return "NaN" if isinstance(value, float) and value != value else value


def _check_numbers(values: Sequence[Any], delivered: Sequence[float]) -> None:
    exact = np.array([float(value) for value in values])
    np.testing.assert_allclose(np.array(delivered), exact, rtol=2.0**-23, atol=2.0**-149)
