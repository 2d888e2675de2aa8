"""A batch can be unpacked, read by name, moved, pinned and printed."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import pytest
import torch
from torch.utils.data import DataLoader

import feedrate
from feedrate.loaders.base import Batch
from feedrate.loaders.errors import FeedrateError
from tests.samples.any_columns import assert_equal


@pytest.fixture
def batch() -> Batch:
    user = torch.tensor([3, 1], dtype=torch.int32)
    tags = torch.tensor([5, 6, 7], dtype=torch.int64), torch.tensor([0, 3, 3], dtype=torch.int64)
    return Batch({"user": user}, {"tags": tags}, {"age": torch.tensor([0.5, 1.5])}, torch.tensor([1.0, 0.0]))


def test_the_batch_is_one_class_under_all_of_its_names() -> None:
    from feedrate.loaders.batch.batch import Batch as at_home

    assert feedrate.Batch is Batch is at_home


def test_a_batch_unpacks_into_its_four_fields(batch: Batch) -> None:
    ids, bags, dense, label = batch
    assert ids is batch.ids
    assert bags is batch.bags
    assert dense is batch.dense
    assert label is batch.label


def test_a_column_is_read_by_its_name(batch: Batch) -> None:
    assert batch["user"] is batch.ids["user"]
    assert batch["tags"] is batch.bags["tags"]
    assert batch["age"] is batch.dense["age"]
    assert batch["label"] is batch.label
    assert [name in batch for name in ("user", "tags", "age", "label", "ids", 0, None)] == [True] * 4 + [False] * 3


@pytest.mark.parametrize("name", ["rating", "", 0])
def test_an_unknown_name_is_refused_with_the_names_that_there_are(batch: Batch, name: str) -> None:
    with pytest.raises(KeyError) as raised:
        batch[name]
    [sentence] = raised.value.args
    assert sentence == (f"no column is called {name!r}: choose from 'user', 'tags', 'age', and 'label' for the label")


def test_a_sentence_about_many_names_is_short(batch: Batch) -> None:
    many = replace(batch, ids={f"column {i}": batch.label for i in range(1000)})
    with pytest.raises(KeyError) as raised:
        many["x"]
    assert len(raised.value.args[0]) <= 300


def test_a_name_of_two_columns_is_refused_with_both_of_them(batch: Batch) -> None:
    """A feature may be called "label", whatever the label's column is called."""
    both = replace(batch, ids={"label": batch.ids["user"]})
    assert "label" in both
    with pytest.raises(KeyError, match=r"'label' could be batch.ids\['label'\] or batch.label: write the one"):
        both["label"]
    twice = replace(batch, dense={"user": batch.label})
    with pytest.raises(KeyError, match=r"'user' could be batch.ids\['user'\] or batch.dense\['user'\]"):
        twice["user"]


def test_as_dict_holds_all_columns_in_the_order_of_the_schema(batch: Batch) -> None:
    columns = batch.as_dict()
    assert list(columns) == ["user", "tags", "age", "label"]
    assert all(columns[name] is batch[name] for name in columns)
    assert list(batch.as_dict(label="rating"))[-1] == "rating"


def test_as_dict_refuses_two_columns_of_one_name(batch: Batch) -> None:
    both = replace(batch, dense={"label": batch.label})
    with pytest.raises(FeedrateError, match=r"would be called 'label': pass as_dict\(label=...\) a name of its own"):
        both.as_dict()
    assert both.as_dict(label="y")["y"] is both.label
    twice = replace(batch, dense={"user": batch.label})
    with pytest.raises(FeedrateError, match="would be called 'user': read ids, bags and dense apart"):
        twice.as_dict()


@pytest.mark.parametrize("device", ["meta", torch.device("meta")])
def test_to_moves_every_tensor(batch: Batch, device: str | torch.device) -> None:
    moved = batch.to(device, non_blocking=True)
    assert [tensor.device.type for tensor in moved.tensors()] == ["meta"] * 5
    assert [tensor.shape for tensor in moved.tensors()] == [tensor.shape for tensor in batch.tensors()]


def test_to_the_same_device_copies_nothing(batch: Batch) -> None:
    same = batch.to("cpu")
    assert all(after is before for after, before in zip(same.tensors(), batch.tensors(), strict=True))


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch can pin memory here")
def test_pinning_without_a_gpu_is_refused(batch: Batch) -> None:
    with pytest.raises(FeedrateError, match=r"the batch cannot be pinned \(.+\): pin batches on the CPU"):
        batch.pin_memory()


@pytest.mark.gpu
def test_a_pinned_batch_is_copied_to_the_gpu(batch: Batch) -> None:
    pinned = batch.pin_memory()
    assert all(tensor.is_pinned() for tensor in pinned.tensors())
    there = pinned.to("cuda", non_blocking=True)
    assert_equal(there.to("cpu"), batch)
    with pytest.raises(FeedrateError, match="the batch cannot be pinned"):
        there.pin_memory()


def test_a_batch_is_printed_with_dtypes_and_shapes(batch: Batch) -> None:
    assert repr(batch) == (
        "Batch(ids={'user': int32 [2]}, bags={'tags': (int64 [3], int64 [3])}, dense={'age': float32 [2]}, "
        "label=float32 [2], device=cpu)"
    )


def test_a_tensor_on_another_device_and_what_is_no_tensor_are_seen(batch: Batch) -> None:
    odd = replace(batch, ids={"user": batch.label.to("meta")}, bags=None, dense={"age": [1.0, "x"]})  # type: ignore[arg-type, dict-item]
    assert repr(odd) == (
        "Batch(ids={'user': float32 [2] on meta}, bags=NoneType, dense={'age': (float, str)}, label=float32 [2], device=cpu)"
    )


def test_a_batch_can_be_copied_and_sent_to_another_process(batch: Batch) -> None:
    assert_equal(pickle.loads(pickle.dumps(batch)), batch)
    assert_equal(copy.deepcopy(batch), batch)


def test_a_dataloader_of_workers_delivers_batches(batch: Batch) -> None:
    loader = DataLoader(range(4), batch_size=2, num_workers=1, collate_fn=lambda rows: batch)  # type: ignore[arg-type, var-annotated]
    for delivered in loader:
        assert_equal(delivered, batch)
