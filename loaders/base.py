"""The whole contract of a loader: what it is given (Split, LoaderConfig), what it yields (Batch), what it is (Adapter)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from feedrate.loaders.errors import FeedrateError, require_bool, require_whole

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Categorical:
    """A column of ids: 0 <= id < cardinality, where 0 is null or unseen."""

    name: str
    cardinality: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The columns of a dataset by kind. Every loader yields all of them, in this order."""

    single_hot: tuple[Categorical, ...] = ()
    multi_hot: tuple[Categorical, ...] = ()
    continuous: tuple[str, ...] = ()
    label: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns: single-hot, multi-hot, continuous, label."""
        categorical = (column.name for column in (*self.single_hot, *self.multi_hot))
        return (*categorical, *self.continuous, self.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The Parquet files a loader reads: ids int32, lists of int32, continuous and label float32, no nulls."""

    files: tuple[Path, ...]
    rows: int
    schema: Schema


@dataclass(frozen=True, slots=True)
class Batch:
    """B rows on the trial's device, ready on the consumer's current stream.

    A batch stays as it is after the next one has been taken: the consumer may keep it.
    """

    ids: Mapping[str, Tensor]
    """Single-hot: int32 or int64 [B]."""
    bags: Mapping[str, tuple[Tensor, Tensor]]
    """Multi-hot: (values [N], offsets [B + 1]), both int32 or both int64; row i owns values[offsets[i]:offsets[i+1]]."""
    dense: Mapping[str, Tensor]
    """Continuous: float32 [B]."""
    label: Tensor
    """float32 [B]."""

    @property
    def rows(self) -> int:
        return self.label.shape[0]

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The same batch with every tensor changed."""
        return Batch(
            {name: change(column) for name, column in self.ids.items()},
            {name: (change(values), change(offsets)) for name, (values, offsets) in self.bags.items()},
            {name: change(column) for name, column in self.dense.items()},
            change(self.label),
        )

    def tensors(self) -> list[Tensor]:
        """Every tensor of the batch, in the schema's order."""
        bags = (tensor for pair in self.bags.values() for tensor in pair)
        return [*self.ids.values(), *bags, *self.dense.values(), self.label]


def is_device(name: str) -> bool:
    """cpu, cuda or cuda:N, whether or not it is there."""
    return re.fullmatch(r"cpu|cuda(:(0|[1-9]\d*))?", name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderConfig:
    """What the harness asks of every loader alike."""

    batch_size: int = 32768
    """Rows."""
    device: str = "cpu"
    """Where batches are handed over: "cpu", "cuda" or "cuda:N"."""
    shuffle: bool = True
    """False: file order."""
    seed: int = 0
    rank: int = 0
    world_size: int = 1
    workers: int = 0
    """Processes beside the consumer's; loaders without worker processes ignore it."""
    prefetch: int = 2
    """Batches each worker prepares ahead."""
    memory_budget_bytes: int | None = None
    """Memory the loader may hold where its batches are handed over; None: as much as it likes."""

    def __post_init__(self) -> None:
        for name, least in (
            ("batch_size", 1),
            ("seed", 0),
            ("workers", 0),
            ("prefetch", 1),
            ("world_size", 1),
            ("rank", 0),
        ):
            require_whole(name, getattr(self, name), least)
        if self.memory_budget_bytes is not None:
            require_whole("memory_budget_bytes", self.memory_budget_bytes, 1)
        require_bool("shuffle", self.shuffle)
        if self.rank >= self.world_size:
            raise FeedrateError(f"rank is {self.rank}, but must be under world_size, which is {self.world_size}")

    def rows_of(self, total: int) -> int:
        """Of places rank, rank + world_size, ...: ranks differ by a row at most, the first ones having it."""
        return len(range(self.rank, total, self.world_size))


class Loader(Protocol):
    """The thing under test."""

    def epoch(self, index: int) -> Iterator[Batch]:
        """Every row of the shard exactly once; order fixed by (seed, index); only the last batch may be short."""
        ...

    def close(self) -> None:
        """Stop workers and free memory; safe to call twice."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOptions:
    """For loaders that have no options of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnEnvironment:
    """Where a loader's library lives that cannot be beside the others; `feedrate install` makes it."""

    name: str
    """Of its folder."""
    requirements: str
    """A file beside the adapter: pinned packages for an environment over the current one, installed without their dependencies."""
    replaced: tuple[str, ...]
    """Those of them that are brought even where the current environment has the package; of the others its own is used."""
    isolated_requirements: str
    """A file beside the adapter: what a whole environment of its own is resolved from, beside torch."""
    module: str
    """Found by Python where the library is installed."""


Options = TypeVar("Options")


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter(Generic[Options]):
    """A loader as the registry knows it."""

    open: Callable[[Split, LoaderConfig, Options], Loader]
    options: type[Options]
    """A frozen dataclass: the loader's own options, each with its default."""
    backend: Callable[[str], str]
    """device -> the library, its version and where it works, in a few words; raises LoaderUnavailable."""
    deviations: Mapping[str, str] = field(default_factory=dict)
    """Conformance rules the library is known to break -> why. Shown in every report."""
    environment: OwnEnvironment | None = None
    """None: the library lives beside the others."""
    repairs: Callable[[], tuple[str, ...]] = tuple
    """What was put back into other libraries, in this process, so that the loader's runs; a few words each."""
    cautions: Callable[[], tuple[str, ...]] = tuple
    """What a reader of its numbers should know of this process's libraries, each a sentence: a flag of its trials."""
    replays: bool = False
    """True: the same few batches again and again, not the dataset's rows: no correctness gate and no AUC."""
