"""The batch that every loader yields. feedrate.Batch and feedrate.loaders.base.Batch are this class."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from feedrate.loaders.batch.text import LABEL, described, places_sentence
from feedrate.loaders.error_text import one_line
from feedrate.loaders.errors import FeedrateError

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torchrec.sparse.jagged_tensor import KeyedJaggedTensor


@dataclass(frozen=True, slots=True)
class Batch:
    """B rows on the trial's device, ready to use on the consumer's current CUDA stream.

    The consumer may keep a batch: a loader must not overwrite it when it makes later ones.
    `ids, bags, dense, label = batch` unpacks it, and batch["user"] is the column of that name.
    """

    ids: Mapping[str, Tensor]
    """Single-hot columns, by name: int32 or int64 [B]."""
    bags: Mapping[str, tuple[Tensor, Tensor]]
    """Multi-hot columns, by name: (values [N], offsets [B + 1]), both int32 or both int64.

    The bag of row i is values[offsets[i]:offsets[i + 1]].
    """
    dense: Mapping[str, Tensor]
    """Continuous columns, by name: float32 [B]."""
    label: Tensor
    """The label: float32 [B]."""

    @property
    def rows(self) -> int:
        """The number of rows, B."""
        return self.label.shape[0]

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """Return a new batch with `change` applied to every tensor, offsets included."""
        return Batch(
            {name: change(column) for name, column in self.ids.items()},
            {name: (change(values), change(offsets)) for name, (values, offsets) in self.bags.items()},
            {name: change(column) for name, column in self.dense.items()},
            change(self.label),
        )

    def tensors(self) -> list[Tensor]:
        """Return every tensor of the batch in the order of the schema. A bag gives its values, then its offsets."""
        bags = (tensor for pair in self.bags.values() for tensor in pair)
        return [*self.ids.values(), *bags, *self.dense.values(), self.label]

    def to(self, device: torch.device | str | int, *, non_blocking: bool = False) -> Batch:
        """Return the batch on this device. A tensor that is already there is not copied.

        non_blocking: as in torch.Tensor.to.
        """
        return self.map(lambda tensor: tensor.to(device=device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """Return a copy in pinned host memory. DataLoader(pin_memory=True) calls it for batches of a collate_fn.

        Raises FeedrateError if torch cannot pin it: it is on a GPU, or there is none.
        """
        try:
            return self.map(lambda tensor: tensor.pin_memory())
        except RuntimeError as error:
            raise FeedrateError(
                f"the batch cannot be pinned ({one_line(str(error), 150)}): pin batches on the CPU, and only beside a GPU"
            ) from error

    def as_dict(self, label: str = LABEL) -> dict[str, Tensor | tuple[Tensor, Tensor]]:
        """Return all columns by name, in the order of the schema. A bag is (values, offsets).

        label: the name that the label gets. A batch does not know what its column is called.
        Raises FeedrateError if two columns would have the same name.
        """
        columns: list[tuple[str, Tensor | tuple[Tensor, Tensor]]]
        columns = [*self.ids.items(), *self.bags.items(), *self.dense.items(), (label, self.label)]
        by_name = dict(columns)
        if len(by_name) < len(columns):
            names = [name for name, _column in columns]
            twice = next(name for name in names if names.count(name) > 1)
            way_out = (
                "pass as_dict(label=...) a name of its own" if twice == label else "read ids, bags and dense apart"
            )
            raise FeedrateError(one_line(f"two columns of the batch would be called {twice!r}: {way_out}"))
        return by_name

    def keyed_jagged(self) -> KeyedJaggedTensor:
        """Return ids and bags as TorchRec's KeyedJaggedTensor, in new memory. See loaders/batch/keyed_jagged.py."""
        from feedrate.loaders.batch.keyed_jagged import keyed_jagged

        return keyed_jagged(self)

    def __iter__(self) -> Iterator[Mapping[str, Tensor] | Mapping[str, tuple[Tensor, Tensor]] | Tensor]:
        """Yield ids, bags, dense and label."""
        return iter((self.ids, self.bags, self.dense, self.label))

    def __contains__(self, name: object) -> bool:
        """Return whether a column has this name. The label is called "label"."""
        return isinstance(name, str) and bool(self._places(name))

    def __getitem__(self, name: str) -> Tensor | tuple[Tensor, Tensor]:
        """Return the column of this name: [B], or (values, offsets) of a bag. The label is called "label".

        Raises KeyError if no column or more than one has the name.
        """
        places = self._places(name)
        if len(places) != 1:
            raise KeyError(places_sentence(name, list(places), [*self.ids, *self.bags, *self.dense]))
        return next(iter(places.values()))

    def __repr__(self) -> str:
        """Name the columns with their dtypes and shapes, and the device."""
        return described(self)

    def _places(self, name: str) -> dict[str, Tensor | tuple[Tensor, Tensor]]:
        """Return the columns of this name by the expression that reads each."""
        kinds = (("ids", self.ids), ("bags", self.bags), ("dense", self.dense))
        places = {f"batch.{kind}[{name!r}]": columns[name] for kind, columns in kinds if name in columns}
        return places | ({"batch.label": self.label} if name == LABEL else {})
