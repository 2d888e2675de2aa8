"""NVTabular's TorchAsyncItr, the real one: on cudf where it is installed, else on pandas.

The library (23.8.0, the last release) yields a flat dict, `genres__values` and `genres__offsets` for a list column, and
the label apart; this turns that into a Batch and casts offsets to the values' dtype, nothing else.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from feedrate.loaders import nvtabular_compat
from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, OwnEnvironment, Split
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable
from feedrate.loaders.memory.pool import use_memory_pool
from feedrate.loaders.nvtabular_partitions import (
    chunk_bytes_within,
    groups_per_part,
    parts_per_chunk_within,
    row_bytes_in_memory,
    shares,
)
from feedrate.loaders.parquet.columns import batch_to
from feedrate.loaders.parquet.decode import read_groups

HOW_TO_GET = "`feedrate install nvtabular` brings nvtabular, merlin-core and merlin-dataloader 23.8.0 and the old dask that they need"
ENVIRONMENT = OwnEnvironment(
    name="nvtabular",
    requirements="nvtabular.lock",
    replaced=("dask", "distributed", "merlin-core", "merlin-dataloader", "nvtabular"),
    isolated_requirements="nvtabular-isolated.txt",
    module="nvtabular",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NVTabularOptions:
    part_size_bytes: int = 0
    """Data in one partition, at least a row group. Rows mix only within a chunk of partitions, and larger ones load faster.
    0: as large as the memory budget allows."""
    parts_per_chunk: int = 0
    """Partitions shuffled together. The library makes at least one of each file. 0: as many as the memory budget allows;
    1 where part_size_bytes is given, and with defaults."""
    memory_pool: bool = True
    """On a GPU: cudf allocates from CUDA's pool through RMM; without one each allocation may wait for the device."""
    defaults: bool = False
    """As the library comes: 12.5 % of the device's memory a partition, and no pool."""

    def __post_init__(self) -> None:
        if self.defaults and self.part_size_bytes:
            raise FeedrateError(
                f"defaults leaves the size of partitions to the library, and part_size_bytes is {self.part_size_bytes}"
            )
        if self.part_size_bytes < 0 or self.parts_per_chunk < 0:
            raise FeedrateError(
                f"part_size_bytes is {self.part_size_bytes} and parts_per_chunk {self.parts_per_chunk}, but must be at least 0"
            )


class NVTabularLoader:
    """Ranks share the partitions, as evenly as whole ones allow."""

    def __init__(self, split: Split, config: LoaderConfig, options: NVTabularOptions) -> None:
        self._config, self._split, self._schema = config, split, split.schema
        self._on_gpu = _on_gpu(config.device)
        library = import_nvtabular()
        if self._on_gpu and options.memory_pool and not options.defaults:
            use_memory_pool(config.device)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a missing GPU and an inferred schema, both as intended here
            chunk_bytes = chunk_bytes_within(config, cpu=not self._on_gpu)
            dataset = _dataset(library, split, config, options, chunk_bytes, cpu=not self._on_gpu)
        schema = split.schema
        self._iterator = library.TorchAsyncItr(
            dataset,
            batch_size=config.batch_size,
            cats=[column.name for column in (*schema.single_hot, *schema.multi_hot)],
            conts=list(schema.continuous),
            labels=[schema.label],
            shuffle=config.shuffle,
            parts_per_chunk=self._parts_per_chunk(dataset.partition_lens, options, chunk_bytes),
        )
        if self._on_gpu:
            self._iterator.device = torch.device(config.device).index or 0
        # its own way of sharing out (global_size) can leave the last ranks without any
        share = shares(dataset.partition_lens, config.world_size)[config.rank]
        self._iterator.indices = self._iterator.array_lib().array(share)
        self._rows = len(self._iterator._buff)
        _end_instead_of_hanging(self._iterator)

    def epoch(self, index: int) -> Iterator[Batch]:
        # The library draws from NumPy's global generator, here and in its thread: reproducible at best.
        np.random.seed(np.random.SeedSequence((self._config.seed, index)).generate_state(1)[0])
        delivered = 0
        for columns, label in self._batches():
            batch = self._batch(columns, label)
            yield batch if self._on_gpu else batch_to(batch, self._config.device)
            delivered += batch.rows
        if delivered < self._rows:
            raise FeedrateError(f"nvtabular's own thread ended after {delivered:,} of {self._rows:,} rows")

    def close(self) -> None:
        self._iterator.stop()

    def _parts_per_chunk(self, sizes: Sequence[int], options: NVTabularOptions, chunk_bytes: int) -> int:
        """As the options say, or as many as the chunk holds. sizes: rows of each partition."""
        if options.parts_per_chunk or options.part_size_bytes or options.defaults:
            return options.parts_per_chunk or 1
        return parts_per_chunk_within(chunk_bytes, sizes, row_bytes_in_memory(self._split, cpu=not self._on_gpu))

    def _batches(self) -> Iterator[tuple[dict[str, torch.Tensor], torch.Tensor]]:
        try:
            yield from self._iterator
        except Exception as error:  # whatever its thread met in the files
            because = f"; {found}, which it does not take" if (found := _not_taken(self._split)) else ""
            raise FeedrateError(
                f"nvtabular cannot load these rows ({type(error).__name__}: {error}){because}"
            ) from error

    def _batch(self, columns: dict[str, torch.Tensor], label: torch.Tensor) -> Batch:
        bags = {}
        for column in self._schema.multi_hot:
            values = columns[f"{column.name}__values"]
            bags[column.name] = values, columns[f"{column.name}__offsets"].to(values.dtype)
        return Batch(
            {column.name: columns[column.name] for column in self._schema.single_hot},
            bags,
            {name: columns[name] for name in self._schema.continuous},
            label,
        )


def _on_gpu(device: str) -> bool:
    return device != "cpu" and _with_cudf()


def _dataset(
    library: Library, split: Split, config: LoaderConfig, options: NVTabularOptions, chunk_bytes: int, *, cpu: bool
) -> Any:
    """The library's Dataset of the split's columns, in at least as many partitions as there are ranks."""
    files = [str(file) for file in split.files]

    def opened(**how: int) -> Any:
        dataset = library.Dataset(files, engine="parquet", cpu=cpu, **how)
        dataset.schema = dataset.schema.select_by_name(list(split.schema.columns))
        return dataset

    part_size = options.part_size_bytes or max(1, chunk_bytes // max(options.parts_per_chunk, 1))
    dataset = opened() if options.defaults else opened(part_size=part_size)
    if config.world_size == 1:
        return dataset
    groups = [pq.read_metadata(file).num_row_groups for file in split.files]
    if sum(groups) < config.world_size:
        raise FeedrateError(
            f"nvtabular's ranks share row groups, and {sum(groups)} are too few for {config.world_size} ranks: "
            "`feedrate prepare --row-group-rows` with fewer rows makes more"
        )
    most = min(dataset.engine.row_groups_per_part, sum(groups) // config.world_size)
    return opened(row_groups_per_part=groups_per_part(groups, config.world_size, most))


def _not_taken(split: Split) -> str:
    """The first row group with lists that the library stumbles over: null ones, or nothing but empty ones. Empty where it has none,
    or cannot be read at all, which the library has said already."""
    try:
        return next(_stumbling(split), "")
    except (OSError, pa.ArrowException):
        return ""


def _stumbling(split: Split) -> Iterator[str]:
    for group in (group for group in read_groups(split) if group.rows):
        for column in split.schema.multi_hot:
            lists = pq.ParquetFile(group.file).read_row_group(group.number, columns=[column.name])[column.name]
            found = (
                "a null list"
                if lists.null_count
                else ""
                if pc.max(pc.list_value_length(lists)).as_py()
                else "only empty lists"
            )
            if found:
                yield f"{column.name!r} has {found} in row group {group.number} of {group.file.name}"


def _end_instead_of_hanging(iterator: Any) -> None:
    """Let its thread say when it ends, however it does.

    The library looks whether the thread is alive, then waits for a chunk without a limit: for ever, where the thread ends in
    between, or dies of what it does not catch. A StopIteration handed out instead of a chunk is raised there, as any
    exception is.
    """
    chunks = iterator._buff
    load = chunks.load_chunks

    def load_chunks(device: Any) -> None:
        try:
            load(device)
        finally:
            chunks.put(StopIteration())

    chunks.load_chunks = load_chunks


@dataclass(frozen=True, slots=True)
class Library:
    Dataset: Any
    TorchAsyncItr: Any


def import_nvtabular() -> Library:
    """Import Merlin with the dask settings without which list columns silently become strings, repaired for a current cudf.

    Raises LoaderUnavailable.
    """
    os.environ.setdefault("DASK_DATAFRAME__QUERY_PLANNING", "False")
    os.environ.setdefault("DASK_DATAFRAME__CONVERT_STRING", "False")
    if find_spec("nvtabular") is None or find_spec("merlin") is None:
        raise LoaderUnavailable(f"nvtabular is not installed here: {HOW_TO_GET}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if _with_cudf():
                nvtabular_compat.repair_neighbours()
                importlib.import_module("merlin.core.dispatch")
                nvtabular_compat.repair_merlin()
            from merlin.io import Dataset
            from nvtabular.loader.torch import TorchAsyncItr
    except Exception as error:  # its imports fail in many ways, a missing name in a newer dependency most often
        raise LoaderUnavailable(
            f"nvtabular is installed but its import fails ({type(error).__name__}: {error}): {HOW_TO_GET}"
        ) from error
    return Library(Dataset, TorchAsyncItr)


def _with_cudf() -> bool:
    """Merlin imports cudf wherever it finds a device, whatever device is asked for."""
    return torch.cuda.is_available() and find_spec("cudf") is not None


def backend(device: str) -> str:
    import_nvtabular()
    name = f"nvtabular {metadata.version('nvtabular')}"
    pandas = f"pandas {metadata.version('pandas')}"
    if device == "cpu":
        return f"{name} on {pandas}, host memory"
    if not _on_gpu(device):
        return f"{name} on {pandas} (no cudf here), copied to the device"
    import cudf

    untried = "; ".join(nvtabular_compat.untried())
    return f"{name} on cudf {cudf.__version__}, device memory" + (f" ({untried})" if untried else "")


def _open(split: Split, config: LoaderConfig, options: NVTabularOptions) -> Loader:
    return NVTabularLoader(split, config, options)


ADAPTER = Adapter(
    open=_open,
    options=NVTabularOptions,
    backend=backend,
    environment=ENVIRONMENT,
    repairs=nvtabular_compat.applied,
    cautions=nvtabular_compat.untried,
    deviations={
        "same_order_for_same_seed": "its order comes from global random state that its own thread draws from: not seedable",
        "tail_changes": "rows mix only within a chunk of partitions, so the last, short batch is the last file's tail",
        "ranks_even": "it shards by partition, so ranks get unequal rows",
    },
)
