"""Our own batcher: the shard's columns packed in memory, shuffled whole in every epoch; on a GPU a batch is then a view.

    from feedrate.loaders import CupyLoader

    for batch in CupyLoader("data/ml-25m", batch_size=32768):
        ...  # batch.ids["userId"], batch.bags["genres"], batch.label

Kernels of its own through CuPy where the device is CUDA, NumPy on the CPU.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, Schema, Split, is_device
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable, require_bool, require_whole, whole_number
from feedrate.loaders.packed import kernels
from feedrate.loaders.packed.budget import (
    SLACK_BYTES,
    Contents,
    WindowMemory,
    device_reads,
    host_need,
    host_reads,
    largest_window,
    pool_bytes,
)
from feedrate.loaders.packed.launch import CupyKernels, import_cupy
from feedrate.loaders.packed.packing import choose_layout, layout_of
from feedrate.loaders.packed.resident import DeviceRows
from feedrate.loaders.packed.streaming import StreamedRows
from feedrate.loaders.packed.windows import DeviceMixer, HostMixer
from feedrate.loaders.parquet.columns import read_columns
from feedrate.loaders.parquet.decode import (
    ArrowDecoder,
    CudfDecoder,
    Decoder,
    Group,
    Reads,
    has_pylibcudf,
    read_groups,
)
from feedrate.loaders.parquet.files import read_split

if TYPE_CHECKING:
    from feedrate.loaders.packed.host_rows import HostRows

RESIDENT_COPIES = 4
"""Columns' worth of memory that a resident shard takes: as read, packed, and two epochs of it."""
DECODERS = ("auto", "pylibcudf", "pyarrow")
DEVICE_GROUPS = 6
"""Row groups at a time with which pylibcudf is faster than PyArrow in HOST_THREADS: 4 are as fast, on an H100 with 16 cores."""
HOST_THREADS = 12
"""That decode row groups on the host for a device, at most: two cores are left, for the consumer has to keep up with them."""
HOST_GROUPS = 2
"""Row groups that each of them reads one after the other: fewer turns at the interpreter's lock."""
HOST_WAITING = 4
"""Reads that are done and wait to be used."""


def _usable(device: str | torch.device) -> str:
    """Its name. Raises FeedrateError where it cannot be used."""
    name = str(device)
    if not is_device(name):
        raise FeedrateError(f"device is {name!r}: choose from auto, cpu, cuda, cuda:N")
    if name != "cpu" and int(name[5:] or 0) >= (found := torch.cuda.device_count()):
        raise FeedrateError(f"device is {name!r}, but torch sees {found} CUDA device(s) here")
    return name


def _refuse(decode: str, window_rows: int) -> None:
    if decode not in DECODERS:
        raise FeedrateError(f"decode is {decode!r}: choose from {', '.join(DECODERS)}")
    require_whole("window_rows", window_rows, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CupyOptions:
    window_rows: int = 0
    """Streamed: rows that are mixed together, rounded to whole batches; 0: as many as the memory budget holds."""
    decode: str = "auto"
    """Streamed to a GPU: pylibcudf, pyarrow, or auto: pylibcudf where it is installed and the memory budget holds six row groups at
    a time."""

    def __post_init__(self) -> None:
        _refuse(self.decode, self.window_rows)


class CupyLoader:
    """Every row exactly once an epoch, in an order fixed by (seed, epoch) and the kind of device.

    A shard of rank r holds every world_size-th row of that order from the r-th on, so ranks differ by a row at most. With
    drop_last each rank leaves out what would not make a whole batch on all of them: equal counts of batches everywhere.

    Batches are views. Whoever keeps a tensor keeps what lies with it, too, an epoch's rows or a window's: clone it. On a GPU an
    epoch is consumed on the stream that is current when it begins (streamed: when each window does); its memory is used again
    after what was enqueued there before the last view was gone.
    """

    def __init__(
        self,
        data: Split | Path | str,
        *,
        batch_size: int = 32768,
        device: str = "auto",
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
        """data: a folder that `feedrate prepare` made, of which `split` is read; or Parquet files of integer columns (ids),
        lists of integers (bags) and float columns, where `label` names one; or a Split.

        device: "cpu", "cuda", "cuda:N", or "auto": a GPU where there are one and CuPy.
        memory_budget_bytes: of that device's memory, held until close(); a shard that does not fit is streamed: row groups in
        random order, rows mixed within windows of window_rows (0: as many as the budget holds), one epoch under way at a time.
        None: all of it stays in memory. On a GPU PyArrow's row groups wait in pinned host memory, beside the budget: a window's,
        and some 30 more.
        decode: what reads row groups for a GPU: "pylibcudf", "pyarrow", or "auto": pylibcudf where it is installed and the budget
        holds six row groups at a time.
        Raises FeedrateError for what cannot be, and for data that cannot be read or does not fit, LoaderUnavailable without CuPy.
        """
        _refuse(decode, window_rows)
        require_bool("drop_last", drop_last)
        self.device = _auto() if device == "auto" else _usable(device)
        if decode == "pylibcudf" and self.device == "cpu":
            raise FeedrateError(
                "decode is 'pylibcudf', which decodes on a GPU, but the device is the CPU: leave it out"
            )
        self._config = LoaderConfig(
            batch_size=batch_size,
            device=self.device,
            shuffle=shuffle,
            seed=seed,
            rank=rank,
            world_size=world_size,
            memory_budget_bytes=memory_budget_bytes,
        )
        found = data if isinstance(data, Split) else read_split(Path(data), split=split, label=label)
        self.schema = found.schema
        """Columns by kind."""
        own = found.rows // world_size if drop_last else self._config.rows_of(found.rows)
        self._batches = own // batch_size if drop_last else -(-own // batch_size)
        self._rows = self._hold(found, window_rows, decode)
        self._at, self._begin = (0, 0), (0, 0)
        self._closed = False

    def __len__(self) -> int:
        """Batches of an epoch."""
        return self._batches

    def __iter__(self) -> Iterator[Batch]:
        """The next epoch, or the rest of the one that a loaded state was in."""
        self._refuse_if_closed()
        epoch, first = self._begin
        self._begin = epoch + 1, 0
        self._at = epoch, first
        for batch in self.epoch(epoch, first):
            self._at = epoch, self._at[1] + 1
            yield batch
        self._at = epoch + 1, 0

    def epoch(self, index: int, first: int = 0) -> Iterator[Batch]:
        """The batches of any epoch, from number `first` on; what __iter__ counts is not touched. Raises FeedrateError after close()."""
        self._refuse_if_closed()
        for batch in itertools.islice(self._rows.batches(index, first), max(self._batches - first, 0)):
            yield batch
            self._refuse_if_closed()

    def state_dict(self) -> dict[str, Any]:
        """Where __iter__ is: for a checkpoint."""
        epoch, batches = self._at
        return {"epoch": epoch, "batches": batches, **self._identity()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next __iter__ go on behind the batch that the state was taken after. Raises FeedrateError for another order's, and
        for what state_dict() did not give."""
        if not isinstance(state, Mapping):
            raise FeedrateError(f"the state is {state!r}: pass what state_dict() gave")
        if lacking := sorted(self.state_dict().keys() - state.keys()):
            raise FeedrateError(f"the state lacks {', '.join(lacking)}: pass what state_dict() gave")
        wrong = [
            f"{name} {state[name]} then, {own} now" for name, own in self._identity().items() if state[name] != own
        ]
        if wrong:
            raise FeedrateError(f"the state is of another order of rows: {'; '.join(wrong)}")
        epoch, batches = state["epoch"], state["batches"]
        if not (whole_number(epoch) and whole_number(batches) and epoch >= 0 and 0 <= batches <= len(self)):
            raise FeedrateError(
                f"the state is at epoch {epoch!r}, batch {batches!r}, and an epoch has {len(self)} batches"
            )
        self._begin = self._at = int(epoch), int(batches)

    def close(self) -> None:
        """Free the memory. There are no more epochs. `with CupyLoader(...) as loader` does it at the end."""
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
        """What fixes the order of rows."""
        config = self._config
        return {
            "seed": config.seed,
            "shuffle": config.shuffle,
            "batch_size": config.batch_size,
            "rank": config.rank,
            "world_size": config.world_size,
            "device": torch.device(self.device).type,
            "window_rows": self._rows.window_rows if isinstance(self._rows, StreamedRows) else None,
        }

    def _hold(self, split: Split, window_rows: int, decode: str) -> HostRows | DeviceRows | StreamedRows[Any]:
        config, budget_bytes = self._config, self._config.memory_budget_bytes
        if budget_bytes is not None:
            groups = read_groups(split)
            resident_bytes = RESIDENT_COPIES * sum(group.nbytes for group in groups)
            if resident_bytes > budget_bytes or window_rows:
                return self._stream(groups, split.schema, budget_bytes, window_rows, decode)
        columns = read_columns(split)
        if self.device == "cpu":
            from feedrate.loaders.packed.host_rows import HostRows  # brings Numba, which only it needs

            return HostRows(columns, config)
        there = columns.to(self.device)
        layout = choose_layout(there)
        return DeviceRows(there, layout, config, self.device, CupyKernels(kernels.source(layout), self.device))

    def _stream(
        self, groups: Sequence[Group], schema: Schema, budget_bytes: int, window_rows: int, decode: str
    ) -> StreamedRows[Any]:
        config, most_rows, contents = self._config, self._batches * self._config.batch_size, Contents(groups)
        fitting = partial(largest_window, contents, config, budget_bytes, window_rows)
        decoder: Decoder
        if self.device == "cpu":
            rows, decoder = fitting(partial(host_need, contents)), ArrowDecoder(schema, pinned=False)
            reads = host_reads(contents, rows)
            return StreamedRows(groups, config, rows, decoder, HostMixer(config), reads, most_rows)
        layout, reads = layout_of(schema), device_reads(contents, budget_bytes)
        if decode == "auto":
            enough = reads.threads * reads.groups >= DEVICE_GROUPS
            decode = "pylibcudf" if enough and has_pylibcudf() else "pyarrow"
        uploads = decode == "pyarrow"
        memory = partial(WindowMemory.of, contents, layout, config, uploads=uploads)
        if uploads:
            threads = min(HOST_THREADS, max(1, (os.cpu_count() or 1) - 2))
            reads = Reads(threads=threads, ahead=threads + HOST_WAITING, groups=HOST_GROUPS)
            rows = fitting(lambda rows: SLACK_BYTES + memory(rows).nbytes)
            decoder = ArrowDecoder(schema, pinned=True)
        else:
            pool = partial(pool_bytes, contents, reads)
            rows = fitting(lambda rows: SLACK_BYTES + memory(rows).nbytes + pool(rows))
            decoder = CudfDecoder(schema, self.device)
        compiled = CupyKernels(kernels.window_source(len(layout.flat), len(layout.bags)), self.device)
        mixer = DeviceMixer(layout, config, self.device, compiled, memory(rows), uploads=uploads)
        return StreamedRows(groups, config, rows, decoder, mixer, reads, most_rows)


def _auto() -> str:
    if not torch.cuda.is_available():
        return "cpu"
    try:
        import_cupy()
    except LoaderUnavailable:
        return "cpu"
    return "cuda"


def backend(device: str) -> str:
    if device == "cpu":
        return f"NumPy {np.__version__}, packed rows in host memory (no CUDA device)"
    return f"CuPy {import_cupy().__version__}, packed rows in device memory"


def _open(split: Split, config: LoaderConfig, options: CupyOptions) -> Loader:
    return CupyLoader(
        split,
        batch_size=config.batch_size,
        device=config.device,
        shuffle=config.shuffle,
        seed=config.seed,
        rank=config.rank,
        world_size=config.world_size,
        memory_budget_bytes=config.memory_budget_bytes,
        window_rows=options.window_rows,
        decode=options.decode,
    )


ADAPTER = Adapter(open=_open, options=CupyOptions, backend=backend)
