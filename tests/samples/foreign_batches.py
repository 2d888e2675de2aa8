"""Three rows as other libraries deliver them, and what feedrate must make of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from feedrate.loaders.base import Batch, Categorical, Schema
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.form import plain_batch, require_form
from feedrate.loaders.toolkit.batch_converter import BatchConverter, read_ignore, read_pad_ids

SCHEMA = Schema(
    single_hot=(Categorical(name="user", cardinality=9),),
    multi_hot=(Categorical(name="tags", cardinality=9),),
    continuous=("price",),
    label="clicked",
)
TAGS = [[1, 2], [], [0]]
VALUES, OFFSETS = torch.tensor([1, 2, 0]), torch.tensor([0, 2, 2, 3])
PADDED = torch.tensor([[1, 2], [-1, -1], [0, -1]])
"""The bags of TAGS, filled with -1."""
COLUMNS: dict[str, Any] = {
    "user": torch.tensor([3, 0, 8]),
    "tags": (VALUES, OFFSETS),
    "price": torch.tensor([0.5, float("nan"), float("inf")]),
    "clicked": torch.tensor([1.0, 0.0, 1.0]),
}
ROWS = {"user": [3, 0, 8], "tags": TAGS, "price": [0.5, float("nan"), float("inf")], "clicked": [1.0, 0.0, 1.0]}


def converter(pad_id: object = ..., ignore: tuple[str, ...] = ()) -> BatchConverter:
    return BatchConverter(SCHEMA, "cpu", pads=read_pad_ids(pad_id), ignore=read_ignore(ignore))


def assert_right(batch: Batch) -> None:
    """The batch has the form of the contract and the values of ROWS."""
    require_form(plain_batch(batch), SCHEMA, device="cpu", batch_size=3)
    assert batch.ids["user"].tolist() == ROWS["user"]
    values, offsets = (part.tolist() for part in batch.bags["tags"])
    assert [values[first:last] for first, last in zip(offsets, offsets[1:], strict=False)] == TAGS
    assert torch.equal(batch.dense["price"].nan_to_num(-1), torch.tensor([0.5, -1, torch.finfo().max]))
    assert batch.label.tolist() == ROWS["clicked"]


def refusal(columns: object, **options: Any) -> str:
    with pytest.raises(FeedrateError) as raised:
        converter(**options)(columns)
    sentence = str(raised.value)
    assert len(sentence) <= 300
    assert "\n" not in sentence
    return sentence
