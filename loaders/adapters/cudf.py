"""pylibcudf alone: a table on the GPU, whose rows are gathered in a random order by cudf.

The advice is that of RAPIDS: read Parquet on the GPU in few large reads, take memory from a pool, and hand columns on
without a copy. https://docs.rapids.ai/api/cudf/stable/pylibcudf/

    table = plc.io.parquet.read_parquet(options).tbl
    rows = plc.copying.gather(table, positions, plc.copying.OutOfBoundsPolicy.DONT_CHECK)

The table is read once if it fits into memory. Otherwise row groups are read in random order, and mixed in windows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import torch
from torch import Tensor

from feedrate.loaders.base import Adapter, Batch, LoaderConfig, Split
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable, require_whole
from feedrate.loaders.memory.pool import idle_pool_bytes
from feedrate.loaders.parquet.decode import CudfDecoder, Group, read_groups
from feedrate.loaders.phases import phase
from feedrate.loaders.toolkit import (
    Piece,
    batch_views,
    epoch_order,
    import_library,
    pieces_of_rank,
    seed_of,
    windows_of,
)

MAX_BATCHES = 4096
"""Maximum number of batches that are gathered at once. Their views are Python objects, which would fill host memory for tiny batches."""
COPIES = 4
"""Sizes of a window that are in memory at the peak: pages while it is read, its rows, those that were gathered, and positions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CudfOptions:
    """Options of the cudf loader. Raises FeedrateError for an invalid value."""

    window_rows: int = 0
    """Rows that are in memory and mixed together, rounded up to whole row groups. 0: as many as memory holds."""

    def __post_init__(self) -> None:
        require_whole("window_rows", self.window_rows, 0)


class CudfLoader:
    """Reads tables with pylibcudf and gathers their rows with it. Batches are views of the gathered columns."""

    def __init__(self, split: Split, config: LoaderConfig, options: CudfOptions) -> None:
        backend(config.device)
        self._config = config
        self._plc: Any = import_library("pylibcudf", "rapids")
        self._decoder, self._groups = CudfDecoder(split.schema, config.device), read_groups(split)
        self._window_rows = options.window_rows or _window_rows(self._groups, config)
        self._resident = self._read(self._groups) if self._window_rows >= split.rows > 0 else None
        torch.cuda.synchronize(config.device)  # an epoch may use another stream

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once, in the order of (seed, index). Rows that fill no batch go to the next window."""
        config, sizes = self._config, [group.rows for group in self._groups]
        generator = torch.Generator(config.device).manual_seed(seed_of(config.seed, index, config.rank))
        groups = epoch_order(len(sizes), shuffle=config.shuffle, seed=config.seed, epoch=index)
        rest, rest_rows = None, 0
        pieces = pieces_of_rank(sizes, groups.tolist(), config)
        for window in windows_of(pieces, self._window_rows, lambda piece: piece.rows):
            numbers = sorted(piece.group for piece in window) if self._resident is None else range(len(sizes))
            table = self._resident or self._read([self._groups[number] for number in numbers])
            begins = itertools.accumulate((sizes[number] for number in numbers), initial=rest_rows)
            starts = dict(zip(numbers, begins, strict=False))
            order = self._order(window, starts, rest_rows, generator)
            if rest_rows:
                with torch.cuda.device(config.device):
                    table = self._plc.concatenate.concatenate([rest, table], torch.cuda.current_stream())
            rest_rows = len(order) % config.batch_size
            yield from self._batches(table, order[: len(order) - rest_rows])
            rest = self._gather(table, order[len(order) - rest_rows :]) if rest_rows else None
        if rest_rows:
            yield from self._batches(rest, torch.arange(rest_rows, dtype=torch.int32, device=config.device))

    def close(self) -> None:
        """Free the table."""
        self._resident, self._groups = None, ()

    def _order(
        self, pieces: Sequence[Piece], starts: Mapping[int, int], rest_rows: int, generator: torch.Generator
    ) -> Tensor:
        """Return the positions of the pieces' rows, and of the first rest_rows rows, in the order of the epoch."""
        ranges = [(0, rest_rows), *((starts[p.group] + p.begin, starts[p.group] + p.end) for p in pieces)]
        device = self._config.device
        positions = torch.cat([torch.arange(*bounds, dtype=torch.int32, device=device) for bounds in ranges])
        if not self._config.shuffle:
            return positions
        return positions[torch.randperm(len(positions), generator=generator, dtype=torch.int32, device=device)]

    def _read(self, groups: Sequence[Group]) -> Any:
        files = {file: list(parts) for file, parts in itertools.groupby(groups, lambda group: group.file)}
        with torch.cuda.device(self._config.device), phase("decode", sum(group.rows for group in groups)):
            return self._decoder.table(files, torch.cuda.current_stream())

    def _batches(self, table: Any, positions: Tensor) -> Iterator[Batch]:
        """Yield the rows at these positions of the table, some thousand batches at a time."""
        size = self._config.batch_size
        for part in torch.split(positions, MAX_BATCHES * size) if len(positions) else ():
            with torch.cuda.device(self._config.device):
                columns = self._decoder.columns(self._gather(table, part), torch.cuda.current_stream())
            yield from batch_views(Batch(columns.ids, columns.bags, columns.dense, columns.label), size)

    def _gather(self, table: Any, positions: Tensor) -> Any:
        """Copy the rows at these positions (int32 [rows], on the device) into a table of their own."""
        copying = self._plc.copying
        with torch.cuda.device(self._config.device), phase("shuffle", len(positions)):
            order = self._plc.Column.from_cuda_array_interface(positions.contiguous())
            return copying.gather(table, order, copying.OutOfBoundsPolicy.DONT_CHECK, torch.cuda.current_stream())


def _window_rows(groups: Sequence[Group], config: LoaderConfig) -> int:
    """Return the rows of a window that the memory budget, or else the free memory of the device, holds."""
    budget = config.memory_budget_bytes or torch.cuda.mem_get_info(config.device)[0] + idle_pool_bytes(config.device)
    total, rows = sum(group.nbytes for group in groups), sum(group.rows for group in groups)
    largest = max((group.nbytes for group in groups), default=0)
    if COPIES * largest > budget:
        raise FeedrateError(
            f"cudf may use {budget:,} bytes of the device, but needs {COPIES * largest:,} for the largest row group: "
            "raise --memory-budget, or prepare the data with fewer --row-group-rows"
        )
    return rows if COPIES * total <= budget else max((budget // COPIES - largest) * rows // max(total, 1), 1)


def backend(device: str) -> str:
    """Return the library's version. Raises LoaderUnavailable without it, and on the CPU."""
    if device == "cpu":
        raise LoaderUnavailable("cudf works on a GPU only: choose --device cuda, or the loader arrow")
    import_library("pylibcudf", "rapids")
    version = metadata.version(metadata.packages_distributions()["pylibcudf"][0])
    return f"pylibcudf {version}, a table in device memory"


ADAPTER = Adapter(
    open=CudfLoader, options=CudfOptions, backend=backend, in_force=lambda loader: {"window_rows": loader._window_rows}
)
