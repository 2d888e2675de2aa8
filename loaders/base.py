"""The contract between feedrate and a loader. An author of a loader needs to know nothing else.

A loader is opened with a Split (the files to read) and a LoaderConfig (how to read them). Its `epoch` yields Batches, which
loaders/batch/batch.py describes.
An Adapter tells the registry how to open the loader, which options it takes and which rules its library breaks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from feedrate.loaders.batch.batch import Batch as Batch  # a part of the contract, which others import from here
from feedrate.loaders.errors import FeedrateError, require_bool, require_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Categorical:
    """A column of integer ids with 0 <= id < cardinality. Id 0 stands for null or unseen values."""

    name: str
    cardinality: int
    """Number of possible ids, including 0. The column's embedding table has this many rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The columns of a dataset, by kind. Every loader yields all of them, in this order."""

    single_hot: tuple[Categorical, ...] = ()
    """Columns with one id per row."""
    multi_hot: tuple[Categorical, ...] = ()
    """Columns with a list of ids (a bag) per row. A bag may be empty."""
    continuous: tuple[str, ...] = ()
    """Names of the columns with one float per row."""
    label: str
    """Name of the label column, with one float per row."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns, in the order single-hot, multi-hot, continuous, label."""
        categorical = (column.name for column in (*self.single_hot, *self.multi_hot))
        return (*categorical, *self.continuous, self.label)

    @property
    def tensors(self) -> int:
        """The number of tensors of a batch: one per column, and the offsets of each bag."""
        return len(self.columns) + len(self.multi_hot)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The Parquet files that a loader reads, in order.

    Single-hot columns are int32 and multi-hot columns are lists of int32. Continuous columns and the label are float32.
    No column has nulls.
    """

    files: tuple[Path, ...]
    rows: int
    """Number of rows in all files together."""
    schema: Schema


def is_device(name: str) -> bool:
    """Return whether `name` is "cpu", "cuda" or "cuda:N". It does not check that the device exists."""
    return re.fullmatch(r"cpu|cuda(:(0|[1-9]\d*))?", name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderSettings:
    """The settings of a loader that all trials of a run share. Raises FeedrateError for an invalid value.

    A plan, a trial's spec and a LoaderConfig inherit them, so a new setting is declared only here.
    """

    shuffle: bool = True
    """True: a new row order every epoch, fixed by (seed, epoch). False: the order of the files."""
    workers: int = 0
    """Number of worker processes. 0: the consumer's process does the work. Loaders without workers ignore it."""
    prefetch: int = 2
    """Batches that each worker prepares ahead."""
    memory_budget_bytes: int | None = None
    """Memory in bytes that the loader may hold on the device of its batches. None: no limit."""

    def __post_init__(self) -> None:
        require_bool("shuffle", self.shuffle)
        require_whole("workers", self.workers, 0)
        require_whole("prefetch", self.prefetch, 1)
        if self.memory_budget_bytes is not None:
            require_whole("memory_budget_bytes", self.memory_budget_bytes, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderConfig(LoaderSettings):
    """The settings that the harness passes to every loader. Raises FeedrateError for an invalid value."""

    batch_size: int = 32768
    """Rows per batch. Only the last batch of an epoch may have fewer."""
    device: str = "cpu"
    """Device on which batches are delivered: "cpu", "cuda" or "cuda:N"."""
    seed: int = 0
    """Seed of the row order, at least 0."""
    rank: int = 0
    """This process's shard, 0 <= rank < world_size."""
    world_size: int = 1
    """Number of shards that the rows are divided into, one per rank."""

    def __post_init__(self) -> None:
        LoaderSettings.__post_init__(self)  # super() does not know the class that slots=True makes
        for name, minimum in (("batch_size", 1), ("seed", 0), ("world_size", 1), ("rank", 0)):
            require_whole(name, getattr(self, name), minimum)
        if self.rank >= self.world_size:
            raise FeedrateError(f"rank is {self.rank}, but must be less than world_size ({self.world_size})")

    def rows_of(self, total: int) -> int:
        """Return how many of `total` rows belong to this rank's shard: those at positions rank, rank + world_size, ...

        The first total % world_size ranks get one extra row.
        """
        return len(range(self.rank, total, self.world_size))


class Loader(Protocol):
    """A loader, opened on a Split with a LoaderConfig. These two methods are all that feedrate calls."""

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard exactly once.

        (seed, index) fixes the order of the rows. Every batch has batch_size rows, but the last one may be shorter.
        The consumer may abandon an epoch and start another one.
        """
        ...

    def close(self) -> None:
        """Stop all workers and free all memory. It may be called twice, and in the middle of an epoch."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOptions:
    """The options of a loader that has none of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnEnvironment:
    """A virtual environment for a library that cannot be installed beside the others. `feedrate install` creates it."""

    name: str
    """Name of the environment's folder."""
    requirements: str
    """Path within loaders/ of a lock file for an environment that is layered over the current one: pinned packages with hashes.

    They are installed without their dependencies.
    """
    replaced: tuple[str, ...]
    """Packages of `requirements` that are installed even if the current environment has them.

    For the other packages, the version of the current environment is used if there is one.
    """
    module: str
    """Module that Python finds if the library is installed."""
    isolated_requirements: str | None = None
    """Path within loaders/ of a lock file with everything, except torch, of a complete environment of its own.

    None: the library works in the layered environment, and there is no other.
    """
    build_tools: tuple[str, ...] = ()
    """Packages of both lock files that build the others from source. Without any, only wheels are installed."""


Options = TypeVar("Options")


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter(Generic[Options]):
    """A loader's entry in the registry: how to open it, and what reports say about it."""

    open: Callable[[Split, LoaderConfig, Options], Loader]
    """Opens the loader. Raises LoaderUnavailable if its library or device is missing."""
    options: type[Options]
    """Frozen dataclass of the loader's own options, each with a default."""
    backend: Callable[[str], str]
    """Takes a device and returns the library, its version and where it works, in a few words.

    Raises LoaderUnavailable if the library or the device is missing.
    """
    prepare: Callable[[Split, LoaderConfig, Options], Path] | None = None
    """Writes a split in the library's own format unless it is there, and returns the folder. None: Parquet is read.

    It is toolkit.prepared_folder() with a function that writes. `open` calls it, too, and finds what is there. The suite
    calls it before the first trial of a loader, so that no trial's time includes it, and reports its time and size.
    """
    reads_stores: bool = False
    """True: it opens files with open_parquet() of loaders/parquet/stored.py, which reads from object stores, too.

    Other loaders are refused if a dataset is named by an address such as s3://BUCKET/DATA.
    """
    deviations: Mapping[str, str] = field(default_factory=dict)
    """Conformance rules that the library is known to break, each with the reason. Every report lists them."""
    in_force: Callable[[Any], Mapping[str, object]] = field(default=lambda _loader: {})
    """Takes the open loader and returns, by name, the values of those options that leave a choice to it, such as 0 or auto.

    Reports show them in the place of the 0. It is called once, after the timed epochs.
    """
    environment: OwnEnvironment | None = None
    """The loader's own environment. None: its library is installed beside the others."""
    repairs: Callable[[], tuple[str, ...]] = tuple
    """Returns what this process restored in other libraries so that the loader's library runs: a few words each."""
    cautions: Callable[[], tuple[str, ...]] = tuple
    """Returns warnings about this process's libraries, one sentence each. Reports show them as flags of the trial."""
    replays: bool = False
    """True: the loader repeats a few batches instead of reading the dataset.

    Only the built-in replay loader is then spared the gate and the AUC: the rows of other loaders are checked all the same.
    """
