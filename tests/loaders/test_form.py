"""Each broken form of a batch is refused with the sentence that names it, and right but unusual batches are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from feedrate.loaders.base import Batch, Categorical, Schema
from feedrate.loaders.form import FormBroken, NotABatch, epoch_of, plain_batch, require_form, spoken

SCHEMA = Schema(
    single_hot=(Categorical(name="user", cardinality=9), Categorical(name="movie", cardinality=9)),
    multi_hot=(Categorical(name="genres", cardinality=9),),
    continuous=("age",),
    label="rating",
)


class LazyTensor(torch.Tensor):
    pass


class LazyBatch(Batch):
    pass


def _batch(rows: int = 4, integer: torch.dtype = torch.int32) -> Batch:
    offsets = torch.arange(rows + 1, dtype=integer)
    ids = {name: torch.arange(rows, dtype=integer) for name in ("user", "movie")}
    return Batch(ids, {"genres": (offsets[:-1], offsets)}, {"age": torch.zeros(rows)}, torch.ones(rows))


def _require(batch: object, **settings: Any) -> None:
    require_form(plain_batch(batch), SCHEMA, **{"device": "cpu", "batch_size": 4, **settings})


def _cast(batch: Batch, **columns: torch.dtype) -> Batch:
    return replace(batch, ids={name: ids.to(columns.get(name, ids.dtype)) for name, ids in batch.ids.items()})


def _bag(batch: Batch, change: Callable[[torch.Tensor, torch.Tensor], Any]) -> Batch:
    return replace(batch, bags={"genres": change(*batch.bags["genres"])})


WRONG: dict[str, Callable[[Batch], object]] = {
    "it yields a tuple, but must yield a feedrate.loaders.base.Batch": lambda b: (b.ids, b.label),
    "it yields None, but must": lambda b: None,
    "it yields a SimpleNamespace, but must yield": lambda b: SimpleNamespace(ids=b.ids, label=b.label),
    "it yields a LazyBatch, a subclass of Batch, but must yield a plain": lambda b: LazyBatch(
        b.ids, b.bags, b.dense, b.label
    ),
    "the batch's ids are a list, but must be a mapping of names to tensors": lambda b: replace(b, ids=[*b.ids]),
    "the bag genres is a Tensor, but must be a pair of values and offsets": lambda b: _bag(b, lambda v, o: v),
    r"the bag genres has 3 part\(s\), but must be a pair": lambda b: _bag(b, lambda v, o: (v, o, o)),
    "movie is a LazyTensor, a subclass of torch.Tensor, but must be a plain torch.Tensor": lambda b: replace(
        b, ids={**b.ids, "movie": b.ids["movie"].as_subclass(LazyTensor)}
    ),
    r"genres \(offsets\) is a LazyTensor, a subclass": lambda b: _bag(b, lambda v, o: (v, o.as_subclass(LazyTensor))),
    "age is a ndarray, but must be a torch.Tensor": lambda b: replace(b, dense={"age": np.zeros(4)}),
    "the label is a Parameter, a subclass": lambda b: replace(b, label=torch.nn.Parameter(b.label)),
    "a batch lacks the multi-hot column genres": lambda b: replace(b, bags={}),
    "a batch lacks the single-hot columns user, movie": lambda b: replace(b, ids={}),
    "a batch has the continuous column extra, which the schema lacks": lambda b: replace(
        b, dense={**b.dense, "extra": b.label}
    ),
    "the single-hot columns are movie, user, but must be user, movie": lambda b: replace(
        b, ids=dict(reversed(b.ids.items()))
    ),
    "movie is among the continuous columns, but must be single-hot": lambda b: replace(
        b, ids={"user": b.ids["user"]}, dense={**b.dense, "movie": b.label}
    ),
    "rating is among the continuous columns, but must be the label only": lambda b: replace(
        b, dense={**b.dense, "rating": b.label}
    ),
    r"the label has shape \[4, 1\], but must have shape \[4\]": lambda b: replace(b, label=b.label[:, None]),
    r"the label has shape \[\], but must have shape \[rows\]": lambda b: replace(b, label=b.label[0]),
    r"user has shape \[1, 4\], but must": lambda b: replace(b, ids={**b.ids, "user": b.ids["user"][None]}),
    "age has the layout torch.sparse_coo": lambda b: replace(b, dense={"age": b.dense["age"].to_sparse()}),
    r"the label's dtype is torch\.int64, but must be torch\.float32": lambda b: replace(b, label=b.label.long()),
    r"user's dtype is torch.int16, but must be int32 or int64, nothing narrower": lambda b: _cast(b, user=torch.int16),
    "movie's dtype is torch.uint8": lambda b: _cast(b, movie=torch.uint8),
    "age's dtype is torch.float64, but must be": lambda b: replace(b, dense={"age": b.dense["age"].double()}),
    "genres has torch.int64 values and torch.int32 offsets, but both must be int32 or both int64": lambda b: _bag(
        b, lambda v, o: (v.long(), o)
    ),
    "a batch has 4 labels, but 3 rows of user": lambda b: replace(b, ids={**b.ids, "user": b.ids["user"][1:]}),
    "a batch of 4 rows has 4 offsets of genres, but must have 5": lambda b: _bag(b, lambda v, o: (v, o[1:])),
    "the label is on meta, but must be on cpu": lambda b: replace(b, label=b.label.to("meta")),
    "a batch has 5 rows, but the batch size is 4": lambda b: _batch(5),
    "a batch has no rows": lambda b: _batch(0),
}


@pytest.mark.parametrize("sentence", list(WRONG))
def test_a_broken_form_is_refused_by_name(sentence: str) -> None:
    with pytest.raises(FormBroken, match=f"^{sentence}"):
        _require(WRONG[sentence](_batch()))


@pytest.mark.parametrize("last", [None, True])
def test_only_the_last_batch_may_be_short(last: bool | None) -> None:
    _require(_batch(3), last=last)
    _require(_batch(4), last=False)
    with pytest.raises(FormBroken, match="a batch has 3 rows, but every batch before the last must have the batch"):
        _require(_batch(3), last=False)


def test_a_batch_on_another_gpu_is_refused() -> None:
    with pytest.raises(FormBroken, match="the label is on cpu, but must be on cuda:1"):
        _require(_batch(), device="cuda:1")


class _Ids(dict[str, torch.Tensor]):
    """A mapping that makes its tensors when they are asked for."""

    def __getitem__(self, name: str) -> torch.Tensor:
        return super().__getitem__(name) + 1


def test_right_but_unusual_batches_become_plain() -> None:
    batch = _batch(integer=torch.int64)
    strided = torch.zeros(8)[::2]
    unusual = replace(
        batch,
        ids=_Ids(batch.ids),
        bags={"genres": list(batch.bags["genres"])},
        dense=MappingProxyType({"age": strided}),
    )
    plain = plain_batch(unusual)
    require_form(plain, SCHEMA, device="cpu", batch_size=4, last=False)
    assert {type(part) for part in (plain.ids, plain.bags, plain.dense)} == {dict}
    assert type(plain.bags["genres"]) is tuple
    assert plain.dense["age"] is strided
    assert torch.equal(plain.ids["user"], batch.ids["user"] + 1)


@pytest.mark.parametrize(("returned", "words"), [(_batch(), "a Batch"), (None, "None"), (3, "an int")])
def test_an_epoch_that_is_no_iterator_of_batches_is_refused(returned: object, words: str) -> None:
    """A batch can be iterated over, but then it is unpacked."""
    loader: Any = SimpleNamespace(epoch=lambda index: returned)
    with pytest.raises(NotABatch, match=rf"its epoch\(\) returns {words}, but must return an iterator of batches"):
        epoch_of(loader, 0)


def test_a_loader_cannot_change_a_plain_batch_later() -> None:
    batch = _batch()
    plain = plain_batch(batch)
    batch.ids.clear()  # type: ignore[attr-defined]
    object.__setattr__(batch, "label", None)
    _require(plain)


@pytest.mark.parametrize(
    ("column", "text"),
    [(None, "the label"), ("the label", "'the label'"), ("", "''"), ("user.id", "user.id"), ("日本", "日本"), (3, "3")],
)
def test_a_column_s_name_cannot_be_taken_for_other_words(column: object, text: str) -> None:
    assert spoken(column) == text
