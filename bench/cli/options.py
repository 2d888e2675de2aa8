"""How option values are read, and the options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

import typer

from feedrate.bench.results.spec import History, Mode, Task
from feedrate.loaders.stores.store_path import StorePath, path_of


class Words(tuple[str, ...]):
    """Words with commas between, on the command line and in a help text."""

    def __str__(self) -> str:
        return ",".join(self)


class Modes(tuple[Mode, ...]):
    """Modes with commas between, on the command line and in a help text."""

    def __str__(self) -> str:
        return ",".join(self)


class Numbers(tuple[int, ...]):
    """Whole numbers with commas between, on the command line and in a help text."""

    def __str__(self) -> str:
        return ",".join(map(str, self))


def words(value: Any) -> Words:
    r"""Read "a,b"; a default is a tuple already. A comma within a word is written as "\,"."""
    if isinstance(value, str):
        parts = (word.strip().replace("\\,", ",") for word in re.split(r"(?<!\\),", value))
        return Words(word for word in parts if word)
    return Words(value)


def modes(value: Any) -> Modes:
    """Read modes with commas between. Raises BadParameter for an unknown one."""
    chosen = words(value)
    for mode in chosen:
        if mode not in get_args(Mode):
            raise typer.BadParameter(f"{mode!r} is not one of {', '.join(get_args(Mode))}")
    return Modes(cast("tuple[Mode, ...]", chosen))


def numbers(minimum: int, maximum: int) -> Callable[[Any], Numbers]:
    """Return a function that reads "1,2". It raises BadParameter for anything but whole numbers within the bounds."""

    def read(value: Any) -> Numbers:
        if not isinstance(value, str):  # a default
            return Numbers(value)
        try:
            read = Numbers(int(word) for word in words(value))
        except ValueError:
            raise typer.BadParameter(f"{value!r} must be whole numbers with commas between") from None
        if any(not minimum <= number <= maximum for number in read):
            raise typer.BadParameter(f"{value!r} must be whole numbers from {minimum:,} to {maximum:,}")
        return read

    return read


def size(value: Any) -> int | None:
    """Read a size in bytes, such as 2GB. Raises BadParameter for anything else."""
    from feedrate.loaders.registry import read_bytes

    if not isinstance(value, str):
        return value  # type: ignore[no-any-return]
    try:
        number = read_bytes(value) if value else None
    except ValueError:
        raise typer.BadParameter(f"{value!r} is not a size such as 2GB, 512MiB or 1000000") from None
    if number is not None and not 1 <= number <= MAX_BYTES:
        raise typer.BadParameter(f"{value!r} must be a size from 1 byte to {MAX_BYTES // 10**15:,} PB")
    return number


def local_path(value: Any) -> Path:
    """Read a local path. Raises BadParameter for an address in an object store."""
    path = path_of(value)
    if isinstance(path, StorePath):
        raise typer.BadParameter(f"{str(path)!r} is in an object store: name a local path")
    return path


def local_text(value: Any) -> str:
    """Read text that begins with a local path. Raises BadParameter for an address in an object store."""
    local_path(value)
    return str(value)


MAX_BYTES = 10**18
MAX_INT32 = 2**31 - 1
MAX_SEED = 2**63 - 1
MAX_SECONDS = 10_000_000
"""Longest time limit: four months."""
MAX_UNITS = 1 << 20
"""Units of a layer, and columns of an embedding table."""
MAX_WORKERS, MAX_PREFETCH = 1024, 1 << 20
MAX_RANKS = 1024
"""Ranks of a trial. Their processes share this host."""
MAX_ROWS = 100_000_000_000
MAX_REPEATS = 1_000_000
"""Rounds, epochs, steps and comparisons."""
batch_sizes = numbers(1, MAX_INT32)
seed_numbers = numbers(0, MAX_SEED)
rank_numbers = numbers(1, MAX_RANKS)
Output = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", parser=local_path, help="Folder to write to.")]
StoredOutput = Annotated[
    Path,
    typer.Option(
        "-o", "--output", metavar="DIR", parser=path_of, help="Folder to write to, or its address in an object store."
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace an existing dataset or run in the output folder.")
]
Wait = Annotated[
    bool, typer.Option("--wait", help="Start after another feedrate that times loaders on this machine has ended.")
]
Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        parser=path_of,
        help="Folder that `feedrate prepare` wrote, or its address, such as s3://BUCKET/DATA.",
    ),
]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="auto (a GPU if there is one), cpu, cuda or cuda:N.")]
TaskOption = Annotated[
    Task,
    typer.Option(
        help="Model and what it learns from. mlp: the notebook's embedding MLP; dlrm: dot products of embeddings; "
        "sequence: a history of ids and a target item."
    ),
]
Hidden = Annotated[
    Numbers | None,
    typer.Option(
        metavar="N,M",
        parser=numbers(1, MAX_UNITS),
        help="Units in each hidden layer of the model; of dlrm's top MLP. Default: 128,128,128 for mlp, else 128,64.",
    ),
]
EmbeddingWidth = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        max=MAX_UNITS,
        help="Width of every embedding table. Default: NVTabular's rule for mlp, else 16.",
    ),
]
Bottom = Annotated[
    Numbers | None,
    typer.Option(
        metavar="N,M",
        parser=numbers(1, MAX_UNITS),
        help="dlrm: units in each layer of the bottom MLP before its last one. Default: 64.",
    ),
]
HistoryOption = Annotated[
    History | None,
    typer.Option(
        help="sequence: how a history becomes one vector. pooled: its mean; attention: weighted by the target item. "
        "Default: pooled."
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="sequence: single-hot column of the target item. Default: the one with as many ids as a history.",
    ),
]
StepOption = Annotated[
    Literal["eager", "fast"],
    typer.Option(help="Training step. eager: the notebook's; fast: the same mathematics, fused."),
]
EmbeddingsOption = Annotated[
    Literal["replicated", "row-wise"],
    typer.Option(
        help="Tables of --ranks N. replicated: on every rank; row-wise: each rank holds 1/N of the rows, for tables that no "
        "device can hold. Each rank draws them in host memory first."
    ),
]
MemoryBudget = Annotated[
    int | None,
    typer.Option(
        metavar="SIZE",
        parser=size,
        help="Memory that a loader may hold by its own count, such as 2GB: on the GPU, or on the host without one. Default: no limit.",
    ),
]
LimitMemory = Annotated[
    int | None,
    typer.Option(
        metavar="SIZE",
        parser=size,
        help="Host memory that all processes of a trial may take together, such as 2GB, page cache included. The kernel ends a "
        "trial that needs more. Default: no limit.",
    ),
]
