"""Bags in the forms of other libraries keep every id, and nothing is guessed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.toolkit.batch_converter import read_pad_ids
from tests.samples.foreign_batches import COLUMNS, OFFSETS, PADDED, TAGS, VALUES, assert_right, converter, refusal


@pytest.mark.parametrize(
    ("tags", "pad_id"),
    [
        ([VALUES, OFFSETS], ...),
        ((VALUES, OFFSETS[:-1]), ...),
        ((VALUES[:, None], OFFSETS[:-1, None].int()), ...),
        ((VALUES.int(), OFFSETS), ...),
        ((VALUES.to(torch.uint8).numpy(), OFFSETS.numpy()), ...),
        ({"values": VALUES, "offsets": OFFSETS}, ...),
        (tuple(TAGS), ...),
        ([torch.tensor(bag) for bag in TAGS], ...),  # the empty one is float32
        ([np.array(bag) for bag in TAGS], ...),  # the empty one is float64
        (np.array([np.array(bag) for bag in TAGS], dtype=object), ...),
        (torch.nested.nested_tensor([torch.tensor(bag, dtype=torch.int64) for bag in TAGS]), ...),
        (torch.nested.nested_tensor_from_jagged(VALUES, OFFSETS), ...),
        (PADDED, -1),
        (PADDED.numpy(), {"tags": -1}),
        (PADDED.to(torch.int16), -1),
    ],
    ids=str,
)  # fmt: skip
def test_every_form_of_bags_has_the_same_values(tags: object, pad_id: object) -> None:
    convert = converter(pad_id)
    for _ in range(2):
        assert_right(convert({**COLUMNS, "tags": tags}))


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("length", torch.tensor([[2], [0], [1]])),
        ("length", [2, 0, 1]),
        ("mask", torch.tensor([[1, 1], [0, 0], [1, 0]])),
        ("mask", np.array([[True, True], [False, False], [True, False]])),
    ],
)
def test_a_column_beside_a_padded_bag_says_what_is_real(part: str, value: object) -> None:
    padded = PADDED.clamp(min=0)  # 0 is a real id, too
    assert_right(converter()({**COLUMNS, "tags": padded, f"tags__{part}": value}))


def test_merlin_s_two_columns_are_a_bag() -> None:
    columns = {name: column for name, column in COLUMNS.items() if name != "tags"}
    assert_right(converter()({**columns, "tags__values": VALUES, "tags__offsets": OFFSETS}))


def test_pad_id_none_keeps_every_id() -> None:
    values, offsets = converter(None)({**COLUMNS, "tags": PADDED}).bags["tags"]
    assert (values.tolist(), offsets.tolist()) == ([1, 2, -1, -1, 0, -1], [0, 2, 4, 6])


def test_bags_may_all_be_empty() -> None:
    for tags in ([[], [], []], torch.zeros(3, 0, dtype=torch.int64), [torch.zeros(0)] * 3):
        values, offsets = converter(-1)({**COLUMNS, "tags": tags}).bags["tags"]
        assert (values.tolist(), offsets.tolist(), values.dtype) == ([], [0, 0, 0, 0], offsets.dtype)


def test_a_list_of_two_arrays_is_read_as_the_batches_before_it() -> None:
    rows = [torch.tensor([0, 1]), torch.tensor([0, 1, 2])]
    two = {name: COLUMNS[name][:2] for name in ("user", "price", "clicked")}
    pairs, lists = converter(), converter()
    pairs({**COLUMNS, "tags": [VALUES, OFFSETS]})
    lists({**COLUMNS, "tags": [torch.tensor(bag) for bag in TAGS]})
    assert lists({**two, "tags": rows}).bags["tags"][1].tolist() == [0, 2, 5]
    assert pairs({**two, "tags": [rows[0], torch.tensor([0, 1, 2])]}).bags["tags"][1].tolist() == [0, 1, 2]
    assert "could be two bags or values and offsets" in refusal({**two, "tags": rows})


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"tags": torch.tensor([1, 2, 0])}, "tags has shape [3], but 3 bags must be (values, offsets), a padded tensor, a nested tensor or a list for each row"),
        ({"tags": (VALUES, OFFSETS[:2])}, "tags has 2 offsets, but 3 rows must have 4, or 3 without the end"),
        ({"tags": (VALUES, torch.tensor([2, 0, 1]))}, "the offsets of tags go from 2 to 3, but must rise from 0 to the 3 values: lengths of bags are no offsets"),
        ({"tags": (VALUES, torch.tensor([0, 2, 1, 3]))}, "the offsets of tags go from 0 to 3, but must rise from 0 to the 3 values: lengths of bags are no offsets"),
        ({"tags": (VALUES.float(), OFFSETS)}, "tags has the dtype float32, but ids must be int32 or int64: convert it in convert="),
        ({"tags": {"values": VALUES, "lengths": OFFSETS}}, "tags is a mapping of lengths, values, but must be one of values and offsets"),
        ({"tags": [[1], [2], [3], [4]]}, "tags has 4 bags, but 3 rows"),
        ({"tags": [1, 2, 3]}, "tags has an int as a bag, but must be (values, offsets), a padded tensor, a nested tensor or a list for each row"),
        ({"tags": PADDED}, "tags is padded, with shape [3, 2], and nothing says which ids are padding: pass pad_id=, or pad_id=None if none is, or deliver a column tags__length"),
        ({"tags": PADDED, "tags__length": [3, 0, 1]}, "tags__length contains 3, but tags has 2 ids a row"),
        ({"tags": PADDED, "tags__length": [-1, 0, 1]}, "tags__length contains -1, but tags has 2 ids a row"),
        ({"tags": PADDED, "tags__mask": [[1, 0]]}, "tags__mask has shape [1, 2], but tags has [3, 2]"),
        ({"tags": [[1], [2, [3]], []]}, "tags is a list whose items differ in shape or type"),
        ({"tags": [np.zeros(1, int), np.zeros((1, 2), int), np.zeros(0)]}, "the bags of tags differ in shape or type: all the input"),
    ],
)  # fmt: skip
def test_bags_that_do_not_fit_are_named(changed: dict[str, Any], sentence: str) -> None:
    assert refusal({**COLUMNS, **changed}).startswith(sentence)


@pytest.mark.parametrize("pad", [1.5, "0", True, {"tags": "x"}])
def test_a_pad_id_that_is_no_integer_is_refused(pad: object) -> None:
    with pytest.raises(FeedrateError, match="pad_id is .* must be an integer, or None"):
        read_pad_ids(pad)


def test_not_given_differs_from_none() -> None:
    assert read_pad_ids(...) == {}
    assert read_pad_ids(None) == {None: None}
