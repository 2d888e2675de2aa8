"""Batches of other libraries become a Batch with every value, or an error names the column."""

from __future__ import annotations

from collections import UserDict, namedtuple
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.toolkit.batch_converter import BatchConverter, read_ignore
from tests.samples.foreign_batches import (
    COLUMNS,
    OFFSETS,
    PADDED,
    ROWS,
    SCHEMA,
    VALUES,
    assert_right,
    converter,
    refusal,
)


class KeysAndItems:
    """As a TensorDict: keys() and item access, but iteration is over rows."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self._columns = columns

    def keys(self) -> Any:
        return self._columns.keys()

    def __getitem__(self, name: str) -> Any:
        return self._columns[name]

    def __iter__(self) -> Any:
        raise AssertionError("iterates over rows")


Named = namedtuple("Named", list(COLUMNS))
FEATURES = {name: COLUMNS[name] for name in ("user", "tags", "price")}
FRAME = pd.DataFrame(ROWS)


@pytest.mark.parametrize(
    "batch",
    [
        COLUMNS,
        dict(reversed(COLUMNS.items())),
        ROWS,
        UserDict(COLUMNS),
        KeysAndItems(COLUMNS),
        Named(**COLUMNS),
        (FEATURES, COLUMNS["clicked"]),
        [FEATURES, COLUMNS["clicked"]],
        pa.table(ROWS),
        pa.concat_tables([pa.table(ROWS).slice(0, 1), pa.table(ROWS).slice(1)]),
        pa.RecordBatch.from_pydict(ROWS),
        FRAME,
        FRAME.set_index(pd.Index([7, 7, 7])),
        (FRAME.drop(columns="clicked"), FRAME["clicked"]),
        (FRAME.drop(columns="clicked"), np.array(ROWS["clicked"])),
        pl.DataFrame(ROWS),
        dict(pl.DataFrame(ROWS).to_dict()),
        {**dict(zip(ROWS, pa.table(ROWS).columns, strict=True)), "clicked": np.array(ROWS["clicked"])},
    ],
    ids=[
        "dict", "other order", "lists", "mapping", "keys and items", "named tuple", "pair", "list of two", "table", "chunks",
        "record batch", "pandas", "pandas with an index", "frame and series", "frame and array", "polars", "polars series",
        "arrow beside numpy",
    ],
)  # fmt: skip
def test_every_form_of_a_batch_has_the_same_values(batch: object) -> None:
    convert = converter()
    assert_right(convert(batch))
    assert_right(convert(batch))  # as a later batch, whose names are known


def test_a_batch_of_feedrate_is_passed_on() -> None:
    batch = converter()(COLUMNS)
    assert converter()(batch) is batch


def test_tensors_that_fit_are_not_copied() -> None:
    batch = converter()(COLUMNS)
    assert batch.ids["user"] is COLUMNS["user"]
    assert batch.bags["tags"] == (VALUES, OFFSETS)
    assert batch.label is COLUMNS["clicked"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("user", torch.tensor([[3], [0], [8]])),
        ("user", np.array([3, 0, 8], np.uint16)),
        ("user", torch.tensor([3, 0, 8], dtype=torch.uint32)),
        ("user", [torch.tensor(3), torch.tensor(0), torch.tensor(8)]),
        ("user", np.array([8, 0, 3])[::-1]),
        ("user", torch.nn.Parameter(torch.tensor([3, 0, 8]), requires_grad=False)),
        ("clicked", torch.tensor([True, False, True])),
        ("clicked", np.array([[1.0], [0.0], [1.0]])),
        ("clicked", (1, 0, 1)),
        ("clicked", torch.tensor([1, 0, 1], dtype=torch.bfloat16)),
        ("price", torch.tensor([0.5, float("nan"), float("inf")], dtype=torch.float64)),
    ],
)
def test_a_column_s_shape_and_dtype_become_the_contract_s(name: str, value: object) -> None:
    assert_right(converter()({**COLUMNS, name: value}))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"user": None}, "user is None, but must be a tensor, an array or a list of numbers"),
        ({"user": torch.tensor([3.0, 0.0, 8.0])}, "user has the dtype float32, but ids must be int32 or int64: convert it in convert="),
        ({"user": torch.tensor([True, False, True])}, "user has the dtype bool, but ids must be int32 or int64: convert it in convert="),
        ({"user": np.array([3, 0, 8], np.uint64)}, "user has the dtype uint64, but ids must be int32 or int64: convert it in convert="),
        ({"user": ["a", "b", "c"]}, "user holds values of dtype <U1, but must hold numbers: convert it in convert="),
        ({"user": [3, None, 8]}, "user holds None (None), but must hold numbers: convert it in convert="),
        ({"user": torch.zeros(3, 2, dtype=torch.int64)}, "user has shape [3, 2], but must have shape [rows]"),
        ({"user": torch.tensor(3)}, "user has shape [], but must have shape [rows]. A batch holds rows, so iterate over batches"),
        ({"clicked": 1.0}, "the label has shape [], but must have shape [rows]. A batch holds rows, so iterate over batches"),
        ({"user": torch.tensor([3, 0])}, "user has 2 rows, but the label has 3"),
        ({"price": torch.zeros(4)}, "price has 4 rows, but the label has 3"),
        ({"price": np.array([1e300, 0, 0])}, "price contains 1e+300, which float32 does not hold: cut such values in convert="),
        ({"price": [1e300, 0, 0]}, "price contains 1e+300, which float32 does not hold: cut such values in convert="),
        ({"clicked": np.array([-1e39, 0, 0])}, "the label contains -1e+39, which float32 does not hold: cut such values in convert="),
        ({"price": torch.tensor([2**24 + 1, 0, 0])}, "price contains 16777217, which float32 may not hold exactly: scale it in convert="),
        ({"price": torch.zeros(3, dtype=torch.complex64)}, "price has the dtype complex64, but must be float32: convert it in convert="),
        ({"clicked": torch.zeros(3, 2)}, "the label has shape [3, 2], but must have shape [rows]"),
        ({"other": VALUES}, "a batch has the column other, which the dataset lacks: add it to ignore=, or leave it out in convert="),
    ],
)  # fmt: skip
def test_a_column_that_does_not_fit_is_named(changed: dict[str, Any], sentence: str) -> None:
    assert refusal({**COLUMNS, **changed}) == sentence


@pytest.mark.parametrize("name", ["user", "tags", "price", "clicked"])
@pytest.mark.parametrize("form", [dict, pa.table, pd.DataFrame])
def test_a_missing_column_is_named(name: str, form: Any) -> None:
    columns = {key: column for key, column in ROWS.items() if key != name}
    assert refusal(form(columns)).startswith(f"a batch has no column {name}, only {', '.join(columns)}: deliver every")


@pytest.mark.parametrize("form", [dict, pa.table, pd.DataFrame, pl.DataFrame])
def test_an_extra_column_is_an_error_unless_it_is_ignored(form: Any) -> None:
    columns = form({**ROWS, "day": ["mon", "tue", "wed"]})
    assert refusal(columns).startswith("a batch has the column day, which the dataset lacks: add it to ignore=")
    assert_right(converter(ignore=("day",))(columns))


def test_a_column_that_appears_or_vanishes_later_is_named() -> None:
    convert = converter()
    convert(COLUMNS)
    with pytest.raises(FeedrateError, match="a batch has the column late"):
        convert({**COLUMNS, "late": VALUES})
    with pytest.raises(FeedrateError, match="a batch has no column price"):
        convert({name: COLUMNS[name] for name in COLUMNS if name != "price"})
    assert_right(convert(COLUMNS))


@pytest.mark.parametrize(
    ("name", "column", "sentence"),
    [
        ("user", ["a", "b", "c"], "user is a column of string, but must be one of integers"),
        ("user", [0.5, 1.0, 2.0], "user is a column of double, but must be one of integers"),
        ("tags", [1, 2, 3], "tags is a column of int64, but must be one of lists of integers"),
        ("price", [[1.0], [2.0], []], "price is a column of list<item: double>, but must be one of numbers"),
        ("user", [1, None, 2], "column 'user' contains 1 null(s)"),
        ("user", [1, 2**40, 2], "column 'user' contains the id 1099511627776, which does not fit in 32 bits"),
        ("price", [1e300, 0.0, 0.0], "column 'price' contains 1e+300, which float32 does not hold"),
    ],
)
def test_an_arrow_column_that_does_not_fit_is_named(name: str, column: list[Any], sentence: str) -> None:
    assert refusal(pa.table({**ROWS, name: column})).startswith(sentence)


@pytest.mark.parametrize(
    ("batch", "sentence"),
    [
        (7, "a batch is an int, but must be a dict, a (features, label) pair, an Arrow table"),
        (torch.zeros(3, 4), "a batch is a Tensor, but must be a dict"),
        ((torch.zeros(3, 4), torch.zeros(3)), "a batch's features are a Tensor, which has no names of columns"),
        ((FEATURES, COLUMNS["clicked"], 1), "a batch is a tuple of 3 parts, but must be a (features, label) pair"),
        ((COLUMNS, COLUMNS["clicked"]), "a batch has the label clicked among its features and beside them"),
        (pd.concat([FRAME, FRAME], axis=1), "a batch has several columns user"),
    ],
    ids=["int", "tensor", "tensors", "three", "label twice", "names twice"],
)
def test_a_batch_without_named_columns_is_described(batch: object, sentence: str) -> None:
    assert refusal(batch).startswith(sentence)


def test_names_that_make_no_sense_for_the_schema_are_refused() -> None:
    with pytest.raises(FeedrateError, match="pad_id names user, which is no multi-hot column"):
        converter({"user": 0})
    with pytest.raises(FeedrateError, match="ignore names price, which is a column of the dataset"):
        converter(ignore=("price",))
    with pytest.raises(FeedrateError, match="ignore is 'price', but must be a list of column names"):
        read_ignore("price")


@pytest.mark.gpu
def test_every_tensor_is_moved_to_the_device() -> None:
    on_gpu = BatchConverter(SCHEMA, "cuda", pads={}, ignore=frozenset())(COLUMNS)
    assert all(tensor.is_cuda for tensor in on_gpu.tensors())
    assert_right(converter()(on_gpu))
    moved = {name: column for name, column in COLUMNS.items() if name != "tags"}
    moved = {name: column.cuda() for name, column in moved.items()}
    assert_right(converter(-1)({**moved, "tags": PADDED.cuda()}))
