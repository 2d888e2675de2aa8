"""The form of a batch: a plain Batch of plain tensors, with the columns, shapes, dtypes, rows and device of the contract.

The rules of conformance and the gate of a trial share these checks, so they agree on every batch. No check reads a
tensor's values, so none waits for a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor

from feedrate.loaders.base import Batch, Loader, Schema

LABEL = "the label"
"""What the label is called in sentences."""
INTEGERS = (torch.int32, torch.int64)
"""The dtypes that ids, and values and offsets of bags, may have."""


# plain_batch runs in timed loops. The constructor of a frozen dataclass would take half of its time.
_new_batch = object.__new__
_set_ids, _set_bags, _set_dense, _set_label = (vars(Batch)[name].__set__ for name in ("ids", "bags", "dense", "label"))


class FormBroken(Exception):
    """A batch does not have the form of the contract. The message is a sentence that says what is wrong."""


class NotABatch(FormBroken):
    """The loader yields something that is no Batch at all."""


def spoken(column: object) -> str:
    """Return a column's name for a sentence: quoted if it could be taken for other words. None stands for the label."""
    if column is None:
        return LABEL
    return column if isinstance(column, str) and re.fullmatch(r"[\w.:+-]+", column) else repr(column)


def epoch_of(loader: Loader, number: int) -> Iterator[Batch]:
    """Start an epoch of the loader. Raises NotABatch if epoch() is missing or returns nothing to iterate over."""
    if not callable(getattr(loader, "epoch", None)):
        raise NotABatch(f"the loader is {_article(_type(loader))}, which has no method epoch(index)")
    returned: object = loader.epoch(number)
    if isinstance(returned, Batch) or not hasattr(type(returned), "__iter__"):  # iterating over a batch unpacks it
        raise NotABatch(f"its epoch() returns {_article(_type(returned))}, but must return an iterator of batches")
    return iter(cast("Iterator[Batch]", returned))


def plain_batch(batch: object) -> Batch:
    """Return the batch as a new Batch, with new dictionaries, of the same tensors. Copies no tensor.

    The loader cannot change what it returns afterwards, except for the values of the tensors. Raises FormBroken for
    anything but a Batch of plain tensors: subclasses can do work of the loader's when the consumer uses them.
    """
    if type(batch) is not Batch:
        raise (FormBroken if isinstance(batch, Batch) else NotABatch)(_not_a_batch(batch))
    ids, bags, dense, label = batch.ids, batch.bags, batch.dense, batch.label
    ids = ids.copy() if type(ids) is dict else _copied(ids, "ids")
    bags = bags.copy() if type(bags) is dict else _copied(bags, "bags")
    dense = dense.copy() if type(dense) is dict else _copied(dense, "dense")
    for name, tensor in ids.items():
        if type(tensor) is not Tensor:
            raise FormBroken(_not_a_tensor(spoken(name), tensor))
    for name, bag in bags.items():
        if type(bag) is not tuple or len(bag) != 2:
            bags[name] = bag = _pair(spoken(name), bag)  # replaces a value only, so the iteration may go on
        if type(bag[0]) is not Tensor or type(bag[1]) is not Tensor:
            raise FormBroken(_not_a_bag_of_tensors(spoken(name), *bag))
    for name, tensor in dense.items():
        if type(tensor) is not Tensor:
            raise FormBroken(_not_a_tensor(spoken(name), tensor))
    if type(label) is not Tensor:
        raise FormBroken(_not_a_tensor(LABEL, label))
    plain = _new_batch(Batch)
    _set_ids(plain, ids)
    _set_bags(plain, bags)
    _set_dense(plain, dense)
    _set_label(plain, label)
    return plain


def require_form(batch: Batch, schema: Schema, *, device: str, batch_size: int, last: bool | None = None) -> None:
    """Raise FormBroken unless a plain batch has the schema's columns, right shapes, dtypes and sizes, on the device.

    last: whether the batch is the last one of its epoch, which may be short. None: not known yet.
    """
    require_columns(batch, schema)
    require_tensors(batch)
    require_device(batch, device)
    require_size(batch.label.shape[0], batch_size=batch_size, last=last)


def require_columns(batch: Batch, schema: Schema) -> None:
    """Raise FormBroken unless the batch has the schema's columns, each under its kind and in order, and no others."""
    kinds: tuple[tuple[str, Mapping[str, Any], list[str]], ...] = (
        ("single-hot", batch.ids, [column.name for column in schema.single_hot]),
        ("multi-hot", batch.bags, [column.name for column in schema.multi_hot]),
        ("continuous", batch.dense, list(schema.continuous)),
    )
    if all(list(columns) == wanted for _, columns, wanted in kinds):
        return
    places = {name: kind for kind, columns, _ in kinds for name in columns}
    wanted_places = {name: kind for kind, _, wanted in kinds for name in wanted}
    for kind, columns, wanted in kinds:
        for name in columns:
            if name == schema.label:
                raise FormBroken(f"{spoken(name)} is among the {kind} columns, but must be the label only")
            if wanted_places.get(name, kind) != kind:
                raise FormBroken(f"{spoken(name)} is among the {kind} columns, but must be {wanted_places[name]}")
        for problem, names in (
            ("lacks", [name for name in wanted if name not in places]),
            ("has", [name for name in columns if name not in wanted_places]),
        ):
            if names:
                reason = "" if problem == "lacks" else ", which the schema lacks"
                raise FormBroken(f"a batch {problem} the {kind} {_columns(names)}{reason}")
    for kind, columns, wanted in kinds:
        if list(columns) != wanted:
            raise FormBroken(f"the {kind} columns are {_listed(list(columns))}, but must be {_listed(wanted)}")


def require_tensors(batch: Batch) -> None:
    """Raise FormBroken unless shapes, dtypes and numbers of rows are right."""
    require_shapes(batch)
    require_dtypes(batch)
    require_equal_rows(batch)


def require_shapes(batch: Batch) -> None:
    """Raise FormBroken unless every tensor is strided and has one dimension."""
    for name, part, tensor in _tensors(batch):
        if tensor.layout != torch.strided:
            raise FormBroken(f"{spoken(name)}{part} has the layout {tensor.layout}, but must have torch.strided")
        if tensor.dim() != 1:
            first = tensor.shape[0] if tensor.dim() else "rows"
            raise FormBroken(f"{spoken(name)}{part} has shape {list(tensor.shape)}, but must have shape [{first}]")


def require_dtypes(batch: Batch) -> None:
    """Raise FormBroken unless ids are int32 or int64, both parts of a bag alike, and floats and label are float32."""
    if batch.label.dtype != torch.float32:
        raise FormBroken(f"the label's dtype is {batch.label.dtype}, but must be torch.float32")
    for name, column in batch.ids.items():
        if column.dtype not in INTEGERS:
            raise FormBroken(f"{spoken(name)}'s dtype is {column.dtype}, but must be int32 or int64, nothing narrower")
    for name, (values, offsets) in batch.bags.items():
        if values.dtype not in INTEGERS or values.dtype != offsets.dtype:
            raise FormBroken(
                f"{spoken(name)} has {values.dtype} values and {offsets.dtype} offsets, but both must be int32 or both int64"
            )
    for name, column in batch.dense.items():
        if column.dtype != torch.float32:
            raise FormBroken(f"{spoken(name)}'s dtype is {column.dtype}, but must be torch.float32")


def require_equal_rows(batch: Batch) -> None:
    """Raise FormBroken unless all columns have as many rows as the label. Bags have one offset more."""
    rows = batch.label.shape[0]
    for columns in (batch.ids, batch.dense):
        for name, column in columns.items():
            if column.shape[0] != rows:
                raise FormBroken(f"a batch has {rows:,} labels, but {column.shape[0]:,} rows of {spoken(name)}")
    for name, (_values, offsets) in batch.bags.items():
        if offsets.shape[0] != rows + 1:
            raise FormBroken(
                f"a batch of {rows:,} rows has {offsets.shape[0]:,} offsets of {spoken(name)}, but must have {rows + 1:,}"
            )


def require_device(batch: Batch, device: str) -> None:
    """Raise FormBroken unless every tensor is on the device. "cuda" accepts any GPU, "cuda:N" only that one."""
    wanted = torch.device(device)
    for name, part, tensor in _tensors(batch):
        place = tensor.device
        if place.type != wanted.type or (wanted.index is not None and place.index != wanted.index):
            raise FormBroken(f"{spoken(name)}{part} is on {place}, but must be on {device}")


def require_size(rows: int, *, batch_size: int, last: bool | None = None) -> None:
    """Raise FormBroken unless a batch has batch_size rows. The last one may have fewer, but at least one.

    last: whether it is the last batch of its epoch. None: not known yet.
    """
    if rows > batch_size:
        raise FormBroken(f"a batch has {rows:,} rows, but the batch size is {batch_size:,}")
    if rows == 0:
        raise FormBroken("a batch has no rows")
    if last is False and rows != batch_size:
        raise FormBroken(
            f"a batch has {rows:,} rows, but every batch before the last must have the batch size, {batch_size:,}"
        )


def _copied(mapping: object, field: str) -> dict[str, Any]:
    if not isinstance(mapping, Mapping):
        raise FormBroken(
            f"the batch's {field} are {_article(_type(mapping))}, but must be a mapping of names to tensors"
        )
    return {name: mapping[name] for name in mapping}


def _pair(name: str, bag: object) -> tuple[Any, Any]:
    if not isinstance(bag, tuple | list):
        raise FormBroken(f"the bag {name} is {_article(_type(bag))}, but must be a pair of values and offsets")
    if len(bag) != 2:
        raise FormBroken(f"the bag {name} has {len(bag)} part(s), but must be a pair of values and offsets")
    return bag[0], bag[1]


def _not_a_batch(batch: object) -> str:
    if isinstance(batch, Batch):
        return f"it yields {_article(_type(batch))}, a subclass of Batch, but must yield a plain feedrate.loaders.base.Batch"
    return f"it yields {_article(_type(batch))}, but must yield a feedrate.loaders.base.Batch"


def _not_a_tensor(name: str, value: object) -> str:
    if isinstance(value, Tensor):
        return f"{name} is {_article(_type(value))}, a subclass of torch.Tensor, but must be a plain torch.Tensor"
    return f"{name} is {_article(_type(value))}, but must be a torch.Tensor"


def _not_a_bag_of_tensors(name: str, values: object, offsets: object) -> str:
    if type(values) is not Tensor:
        return _not_a_tensor(f"{name} (values)", values)
    return _not_a_tensor(f"{name} (offsets)", offsets)


def _tensors(batch: Batch) -> Iterator[tuple[str | None, str, Tensor]]:
    """Yield (column, part of it for messages, tensor), the label first, under None: its rows are those of the batch."""
    yield None, "", batch.label
    for name, column in batch.ids.items():
        yield name, "", column
    for name, (values, offsets) in batch.bags.items():
        yield name, " (values)", values
        yield name, " (offsets)", offsets
    for name, column in batch.dense.items():
        yield name, "", column


def _type(value: object) -> str:
    return "None" if value is None else type(value).__name__


def _article(word: str) -> str:
    if word == "None":
        return word
    return f"an {word}" if word[:1].lower() in "aeiou" else f"a {word}"


def _columns(names: list[str]) -> str:
    return f"column {spoken(names[0])}" if len(names) == 1 else f"columns {_listed(names)}"


def _listed(names: list[str]) -> str:
    return ", ".join(map(spoken, names)) or "none"
