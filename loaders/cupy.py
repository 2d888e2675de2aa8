"""feedrate's batcher: keeps packed rows in memory and shuffles all of them each epoch.

    from feedrate import CupyLoader

    for batch in CupyLoader("data/ml-25m", batch_size=32768):
        ...  # batch.ids["userId"], batch.bags["genres"], batch.label

On a GPU a batch is a view. The batcher has its own kernels, run by CuPy on a CUDA device and by NumPy and Numba on the CPU.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np
import torch

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, Schema, Split
from feedrate.loaders.errors import FeedrateError, require_bool, require_choice, require_whole, whole_number
from feedrate.loaders.packed.devices import best_device, usable_device
from feedrate.loaders.packed.launch import import_cupy
from feedrate.loaders.packed.open_rows import open_rows
from feedrate.loaders.packed.streaming import StreamedRows
from feedrate.loaders.parquet.decode import CudfDecoder
from feedrate.loaders.parquet.files import read_split
from feedrate.loaders.toolkit.setting import Setting

DECODERS = ("auto", "pylibcudf", "pyarrow")


@dataclass(frozen=True, slots=True, kw_only=True)
class CupyOptions:
    """Options for streaming, which a memory budget turns on. Raises FeedrateError for an invalid value."""

    window_rows: int = 0
    """Rows that are mixed together, rounded to whole batches. 0: as many as the memory budget holds."""
    decode: str = "auto"
    """What decodes row groups for a GPU: pylibcudf, pyarrow, or auto. auto: pylibcudf if it is installed and the memory budget
    holds six row groups at a time, otherwise pyarrow."""

    def __post_init__(self) -> None:
        require_choice("decode", self.decode, DECODERS)
        require_whole("window_rows", self.window_rows, 0)


class CupyLoader:
    """Delivers every row exactly once per epoch, in an order fixed by (seed, epoch) and the kind of device.

    The shard of rank r holds every world_size-th row of that order, starting with the r-th, so ranks differ by one row at
    most. With drop_last each rank leaves out the rows that would not make a whole batch on all of them: every rank then has
    the same number of batches.

    Batches are views. If you keep a tensor, you keep the memory around it, too: an epoch's rows, or a window's. Clone it
    instead. On a GPU an epoch is consumed on the stream that is current when it begins (streaming: when each window
    begins). Its memory is used again after the work that was enqueued there before the last view was gone.

    Settings can be read and not changed: they are the constructor's arguments. `device` and `label` are what was chosen.
    """

    data, split, label = Setting[Split | Path | str](), Setting[str](), Setting[str]()
    schema = Setting[Schema]()
    """The columns of every batch."""
    device, batch_size, drop_last = Setting[str](), Setting[int](), Setting[bool]()
    shuffle, seed = Setting[bool](), Setting[int]()
    rank, world_size = Setting[int](), Setting[int]()
    memory_budget_bytes, window_rows, decode = Setting[int | None](), Setting[int](), Setting[str]()

    def __init__(  # noqa: PLR0913  (the settings of a training script)
        self,
        data: Split | Path | str,
        *,
        batch_size: int = 32768,
        device: str | torch.device = "auto",
        shuffle: bool = True,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        drop_last: bool = False,
        label: str = "",
        split: str = "train",
        memory_budget_bytes: int | None = None,
        window_rows: int = 0,
        decode: str = "auto",
    ) -> None:
        """Open a shard. It holds its memory until close().

        data: a folder that `feedrate prepare` wrote, of which `split` is read. Or Parquet files of integer columns (ids),
        lists of integers (bags) and floats, in which `label` names a column. Or a Split.
        device: "cpu", "cuda", "cuda:N", a torch.device, or "auto", which is a GPU if there are one and CuPy.
        memory_budget_bytes: memory on that device. A shard that does not fit is streamed: row groups come in random order,
        and rows are mixed in windows of window_rows (0: as many as the budget holds). Only one epoch can run at a time.
        None: the whole shard stays in memory. PyArrow's row groups for a GPU wait in pinned host memory, beside the budget:
        a window's, and some 30 more.
        decode: as in CupyOptions.

        Raises FeedrateError for invalid arguments and for data that cannot be read or does not fit, LoaderUnavailable
        without CuPy.
        """
        options = CupyOptions(window_rows=window_rows, decode=decode)
        require_bool("drop_last", drop_last)
        config = LoaderConfig(
            batch_size=batch_size,
            device=best_device() if device == "auto" else usable_device(device),
            shuffle=shuffle,
            seed=seed,
            rank=rank,
            world_size=world_size,
            memory_budget_bytes=memory_budget_bytes,
        )
        if decode == "pylibcudf" and config.device == "cpu":
            raise FeedrateError("decode is 'pylibcudf', which needs a GPU, but the device is the CPU: leave it out")
        source = data if isinstance(data, Split) else read_split(data, split=split, label=label)
        vars(self).update(data=data, split=split, drop_last=drop_last)
        self._hold(source, config, options)

    @classmethod
    def from_config(cls, split: Split, config: LoaderConfig, options: CupyOptions) -> CupyLoader:
        """Open a shard with the settings that the harness passes to every loader. Raises as the constructor does."""
        loader = cls.__new__(cls)
        usable_device(config.device)
        vars(loader).update(data=split, split="train", drop_last=False)
        loader._hold(split, config, options)
        return loader

    def _hold(self, split: Split, config: LoaderConfig, options: CupyOptions) -> None:
        given = {**dataclasses.asdict(config), **dataclasses.asdict(options), "schema": split.schema}
        settings = {name for name, value in vars(CupyLoader).items() if isinstance(value, Setting)}
        vars(self).update({name: value for name, value in given.items() if name in settings}, label=split.schema.label)
        self._config = config
        rows = split.rows // config.world_size if self.drop_last else config.rows_of(split.rows)
        self._batches = rows // config.batch_size if self.drop_last else -(-rows // config.batch_size)
        self._rows = open_rows(
            split, config, window_rows=options.window_rows, decode=options.decode,
            max_rows=self._batches * config.batch_size,
        )  # fmt: skip
        self._at, self._begin = (0, 0), (0, 0)
        self._closed, self._process = False, os.getpid()

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return self._batches

    def __repr__(self) -> str:
        """Name the settings that matter, how the rows are held, and the number of batches."""
        names = ("batch_size", "device", "shuffle", "seed", "rank", "world_size", "drop_last")
        parts = [] if isinstance(self.data, Split) else [repr(str(self.data))]
        parts += [f"{name}={getattr(self, name)!r}" for name in names]
        held = f"streamed in windows of {rows:,} rows" if (rows := self._window_rows()) else "held in memory"
        return f"CupyLoader({', '.join(parts)}: {len(self):,} batches, {'closed' if self._closed else held})"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied, as multiprocessing's spawn and copy.deepcopy would. They expect a TypeError."""
        raise TypeError(
            "a CupyLoader cannot be pickled or copied, because it holds threads and memory: make it in the worker or rank "
            "that uses it, as CupyLoader(..., rank=rank, world_size=world_size)"
        )

    def __iter__(self) -> Iterator[Batch]:
        """Yield the next epoch, the epoch of set_epoch(), or the rest of the epoch that a loaded state was taken in."""
        self._refuse_if_closed()
        epoch, first = self._begin
        self._begin = epoch + 1, 0
        self._at = epoch, first
        for number, batch in enumerate(self.epoch(epoch, first), first + 1):
            self._at = (epoch, number) if number < self._batches else (epoch + 1, 0)
            yield batch
        self._at = epoch + 1, 0

    def set_epoch(self, index: int) -> None:
        """Let the next __iter__ yield this epoch, as DistributedSampler.set_epoch does.

        After load_state_dict(), the epoch of the state continues after its batch. Any other epoch is whole.
        Raises FeedrateError for anything but a whole number of at least 0.
        """
        require_whole("epoch", index, 0)
        if index != self._begin[0]:
            self._begin = int(index), 0
        self._at = self._begin

    def epoch(self, index: int, first: int = 0) -> Iterator[Batch]:
        """Yield the batches of any epoch, from number `first` on. It does not change what __iter__ yields next.

        Raises FeedrateError after close().
        """
        self._refuse_if_closed()
        if os.getpid() != self._process:
            raise FeedrateError(
                "the CupyLoader was made in another process, and a fork has none of its threads: make it in the worker or "
                "rank that uses it, or use DataLoader(num_workers=0)"
            )
        for batch in itertools.islice(self._rows.batches(index, first), max(self._batches - first, 0)):
            yield batch
            self._refuse_if_closed()

    def state_dict(self) -> dict[str, Any]:
        """Return the position of __iter__, for a checkpoint. Behind the last batch, it is the start of the next epoch."""
        epoch, batches = self._at
        return {"epoch": epoch, "batches": batches, **self._identity()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next __iter__ continue after the batch at which the state was taken, on this rank or on another one.

        Raises FeedrateError for a state of another order of rows, and for anything that state_dict() did not return.
        """
        if not isinstance(state, Mapping):
            raise FeedrateError(f"the state is {state!r}: pass what state_dict() returned")
        if lacking := sorted(self.state_dict().keys() - state.keys()):
            raise FeedrateError(f"the state lacks {', '.join(lacking)}: pass what state_dict() returned")
        changed = [
            f"{name} was {state[name]}, now {value}" for name, value in self._identity().items() if state[name] != value
        ]
        if changed:
            raise FeedrateError(f"the state belongs to another order of rows: {'; '.join(changed)}")
        epoch, batches = state["epoch"], state["batches"]
        if not (whole_number(epoch) and whole_number(batches) and epoch >= 0 and 0 <= batches <= len(self)):
            raise FeedrateError(
                f"the state is at epoch {epoch!r}, batch {batches!r}, but an epoch has {len(self)} batches"
            )
        self._begin = self._at = int(epoch), int(batches)

    def close(self) -> None:
        """Free the memory. No epoch can follow. `with CupyLoader(...) as loader` closes it at the end of the block."""
        self._closed = True
        self._rows.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise FeedrateError("the loader is closed: open another one")

    def _identity(self) -> dict[str, Any]:
        """Return the settings that fix the order of rows. The rank is none of them: ranks are at the same batch, and many
        trainers save one state for all."""
        config = self._config
        return {
            "seed": config.seed,
            "shuffle": config.shuffle,
            "batch_size": config.batch_size,
            "world_size": config.world_size,
            "device": torch.device(self.device).type,
            "window_rows": self._window_rows(),
        }

    def in_force(self) -> dict[str, object]:
        """Return what was chosen for options that leave a choice to the loader."""
        if not isinstance(self._rows, StreamedRows):
            return {"window_rows": "all rows, in memory", "decode": "pyarrow, when opened"}
        decoder = "pylibcudf" if isinstance(self._rows.decoder, CudfDecoder) else "pyarrow"
        return {"window_rows": self._rows.window_rows, "decode": decoder}

    def _window_rows(self) -> int | None:
        """Return the rows that are mixed together in streaming. None: the rows are held in memory."""
        return self._rows.window_rows if isinstance(self._rows, StreamedRows) else None


def backend(device: str) -> str:
    """Return the library and where it works. Raises LoaderUnavailable without CuPy on a GPU."""
    if device == "cpu":
        return f"NumPy {np.__version__}, packed rows in host memory (no CUDA device)"
    return f"CuPy {import_cupy().__version__}, packed rows in device memory"


def _open(split: Split, config: LoaderConfig, options: CupyOptions) -> Loader:
    return CupyLoader.from_config(split, config, options)


ADAPTER = Adapter(open=_open, options=CupyOptions, backend=backend, reads_stores=True, in_force=CupyLoader.in_force)
