"""Ray Data on a Ray of this machine alone: tasks read row groups in random order, and a shuffle buffer mixes their rows.

The advice is that of its documentation: shuffle blocks first, then rows in a local buffer, which is much cheaper than a
random_shuffle() of all rows, and convert Arrow batches. https://docs.ray.io/en/latest/data/iterating-over-data.html

Ray's own sharing among ranks drops rows to make shares even. So a rank's row groups are chosen before Ray reads them.
Ray is started with the first loader of a process and stopped with the last one, unless it runs already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, Split
from feedrate.loaders.errors import require_whole
from feedrate.loaders.parquet.decode import read_groups
from feedrate.loaders.parquet.stored import are_stored
from feedrate.loaders.stores.store_path import address_of
from feedrate.loaders.stores.traffic import traffic
from feedrate.loaders.toolkit import (
    batch_of_arrow,
    batch_to,
    batch_views,
    epoch_order,
    import_library,
    pieces_of_rank,
    seed_of,
)
from feedrate.loaders.toolkit.local_ray import LocalRay, error_of_task


@dataclass(frozen=True, slots=True, kw_only=True)
class RayDataOptions:
    """Options of the ray-data loader. Raises FeedrateError for an invalid value."""

    buffer_rows: int = 2**20
    """Rows in the local shuffle buffer. 0: shuffle only the row groups, which is the library's default."""
    block_rows: int = 2**18
    """Rows that Ray Data delivers, and that are copied to a GPU, at once. Rounded up to whole batches."""
    cpus: int = 2
    """Row groups that are read at the same time, each by a process. The first loader of a process decides for all."""
    object_store_bytes: int = 2**30
    """Shared memory of Ray's object store, at least 80 MiB. The first loader of a process decides for all."""

    def __post_init__(self) -> None:
        require_whole("buffer_rows", self.buffer_rows, 0)
        require_whole("block_rows", self.block_rows, 1)
        require_whole("cpus", self.cpus, 1)
        require_whole("object_store_bytes", self.object_store_bytes, 80 * 2**20)


class RayDataLoader:
    """Makes a Dataset of the row groups in each epoch and iterates over it in large batches."""

    def __init__(self, split: Split, config: LoaderConfig, options: RayDataOptions) -> None:
        self._data = import_library("ray.data", "ray-data")
        self._config, self._options, self._schema = config, options, split.schema
        self._groups = read_groups(split)
        if are_stored(self._groups):
            traffic().other_processes_read()
        self._block_rows = -(-options.block_rows // config.batch_size) * config.batch_size
        collate = {"__call__": lambda _self, table: batch_of_arrow(table, split.schema)}
        self._collate = type(
            "ToBatch", (import_library("ray.data.collate_fn", "ray-data").ArrowBatchCollateFn,), collate
        )
        self._open: list[Any] = []
        self._ray: LocalRay | None = LocalRay(options.cpus, options.object_store_bytes)

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once, in the order of (seed, index)."""
        assert self._ray is not None, "epoch() after close()"
        config, buffer_rows = self._config, self._options.buffer_rows
        order = epoch_order(len(self._groups), shuffle=config.shuffle, seed=config.seed, epoch=index)
        pieces = pieces_of_rank([group.rows for group in self._groups], order.tolist(), config)
        if not pieces:
            return
        groups = [(self._groups[piece.group], piece) for piece in pieces]
        items = [(address_of(group.file), group.number, piece.begin, piece.rows) for group, piece in groups]
        rows = self._data.from_items([{"item": item} for item in items], override_num_blocks=len(items))
        rows = rows.map_batches(_reader(list(self._schema.columns)), batch_size=None, batch_format="pyarrow")
        rows.context.execution_options.preserve_order = True
        batches = rows.iter_torch_batches(
            batch_size=self._block_rows,
            collate_fn=self._collate(),
            prefetch_batches=config.prefetch,
            local_shuffle_buffer_size=buffer_rows if config.shuffle and buffer_rows else None,
            local_shuffle_seed=seed_of(config.seed, index, config.rank),
        )
        self._open.append(blocks := iter(batches))
        try:
            for block in blocks:
                yield from batch_views(batch_to(block, config.device), config.batch_size)
        except Exception as error:
            raise error_of_task(error) from error
        finally:
            blocks.close()
            self._open.remove(blocks)

    def close(self) -> None:
        """End the epochs in progress, and stop Ray if no other loader of the process uses it."""
        for blocks in self._open:
            blocks.close()
        if self._ray is not None:
            self._ray.close()
        self._ray = None


def _reader(columns: list[str]) -> Callable[[pa.Table], pa.Table]:
    """Return the function that Ray's processes call. It is pickled with its code, so that they need not import feedrate.

    They do for files in an object store.
    """

    def read(items: Any) -> Any:
        import pyarrow.parquet

        [(file, number, begin, rows)] = items["item"].to_pylist()
        if "://" in file:
            from feedrate.loaders.parquet.stored import open_parquet
            from feedrate.loaders.stores.store_path import path_of

            opened = open_parquet(path_of(file))
        else:
            opened = pyarrow.parquet.ParquetFile(file)
        with opened:
            return opened.read_row_group(number, columns=columns, use_threads=False).slice(begin, rows)

    return read


def backend(_device: str) -> str:
    """Return the library's version. Raises LoaderUnavailable without it."""
    return f"Ray Data {import_library('ray', 'ray-data').__version__}, a local Ray with a shuffle buffer"


def _open(split: Split, config: LoaderConfig, options: RayDataOptions) -> Loader:
    backend(config.device)
    return RayDataLoader(split, config, options)


ADAPTER = Adapter(open=_open, options=RayDataOptions, backend=backend, reads_stores=True)
