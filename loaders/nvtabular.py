"""NVTabular's own TorchAsyncItr, on cudf if it is installed and on pandas otherwise.

The library (23.8.0, the last release) yields the label and a flat dict, with `genres__values` and `genres__offsets` for
a list column. This adapter only turns them into a Batch and casts offsets to the dtype of the values.
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
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable, require_whole
from feedrate.loaders.memory.pool import use_memory_pool
from feedrate.loaders.nvtabular_partitions import (
    chunk_bytes_within,
    groups_per_part,
    partitions_in_force,
    parts_per_chunk_within,
    row_bytes_in_memory,
    shares,
)
from feedrate.loaders.parquet.columns import batch_to
from feedrate.loaders.parquet.decode import read_groups

HOW_TO_GET = "run `feedrate install nvtabular`, which installs nvtabular 23.8.0 with its merlin packages and old dask"
ENVIRONMENT = OwnEnvironment(
    name="nvtabular",
    requirements="nvtabular.lock",
    replaced=("dask", "distributed", "merlin-core", "merlin-dataloader", "nvtabular"),
    isolated_requirements="nvtabular-isolated.lock",
    build_tools=("pybind11", "setuptools"),
    module="nvtabular",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NVTabularOptions:
    """Options of the nvtabular loader. Raises FeedrateError for an invalid value."""

    part_size_bytes: int = 0
    """Size of a partition in bytes, at least one row group. 0: as large as the memory budget allows.

    Rows are shuffled only within a chunk of partitions. Larger partitions load faster.
    """
    parts_per_chunk: int = 0
    """Number of partitions that are shuffled together. The library makes at least one partition per file.

    0: as many as the memory budget allows, but 1 if part_size_bytes or defaults is set.
    """
    memory_pool: bool = True
    """On a GPU, let cudf allocate from CUDA's pool through RMM. Without it, each allocation may wait for the device."""
    defaults: bool = False
    """Use the library's own defaults: partitions of 12.5 % of the device's memory, and no memory pool."""

    def __post_init__(self) -> None:
        if self.defaults and self.part_size_bytes:
            raise FeedrateError(
                f"part_size_bytes is {self.part_size_bytes}, but defaults leaves the size to the library: use only one"
            )
        require_whole("part_size_bytes", self.part_size_bytes, 0)
        require_whole("parts_per_chunk", self.parts_per_chunk, 0)


class NVTabularLoader:
    """Runs NVTabular's iterator. Each rank gets whole partitions, so its share of the rows is only about even."""

    def __init__(self, split: Split, config: LoaderConfig, options: NVTabularOptions) -> None:
        nvtabular_compat.refuse_names_of_parts(split.schema)
        self._config, self._split, self._schema = config, split, split.schema
        self._on_gpu = _on_gpu(config.device)
        library = import_nvtabular()
        if pool := self._on_gpu and options.memory_pool and not options.defaults:
            use_memory_pool(config.device)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a missing GPU and an inferred schema, which are both intended here
            chunk_bytes = chunk_bytes_within(config, cpu=not self._on_gpu)
            dataset = _dataset(library, split, config, options, chunk_bytes, cpu=not self._on_gpu)
        parts = self._parts_per_chunk(dataset.partition_lens, options, chunk_bytes)
        self.in_force = partitions_in_force(dataset, parts, pool=pool)
        self._iterator = library.TorchAsyncItr(
            dataset,
            batch_size=config.batch_size,
            cats=[column.name for column in (*split.schema.single_hot, *split.schema.multi_hot)],
            conts=list(split.schema.continuous),
            labels=[split.schema.label],
            shuffle=config.shuffle,
            parts_per_chunk=parts,
        )
        if self._on_gpu:
            self._iterator.device = torch.device(config.device).index or 0
        # the library's own sharding (global_size) can leave the last ranks without partitions
        partitions = shares(dataset.partition_lens, config.world_size)[config.rank]
        self._iterator.indices = self._iterator.array_lib().array(partitions)
        self._rows = len(self._iterator._buff)
        _end_instead_of_hanging(self._iterator)

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield the rows of this rank's partitions. Raises FeedrateError if the library fails or stops early."""
        # The library draws from NumPy's global generator, here and in its thread: the order may not be reproducible.
        np.random.seed(np.random.SeedSequence((self._config.seed, index)).generate_state(1)[0])
        delivered = 0
        for columns, label in self._batches():
            batch = self._batch(columns, label)
            yield batch if self._on_gpu else batch_to(batch, self._config.device)
            delivered += batch.rows
        if delivered < self._rows:
            raise FeedrateError(f"nvtabular's loading thread stopped after {delivered:,} of {self._rows:,} rows")

    def close(self) -> None:
        """Stop the library's thread."""
        self._iterator.stop()

    def _parts_per_chunk(self, sizes: Sequence[int], options: NVTabularOptions, chunk_bytes: int) -> int:
        """Return the number that the options set, or as many as fit into a chunk. sizes: rows of each partition."""
        if options.parts_per_chunk or options.part_size_bytes or options.defaults:
            return options.parts_per_chunk or 1
        return parts_per_chunk_within(chunk_bytes, sizes, row_bytes_in_memory(self._split, cpu=not self._on_gpu))

    def _batches(self) -> Iterator[tuple[dict[str, torch.Tensor], torch.Tensor]]:
        try:
            yield from self._iterator
        except Exception as error:  # the library's thread hands on whatever it met in the files
            unsupported = _unsupported_lists(self._split)
            reason = f": {unsupported}, which it does not support" if unsupported else ""
            raise FeedrateError(
                f"nvtabular cannot load these rows ({type(error).__name__}: {error}){reason}"
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
    """Return the library's Dataset of the split's columns, with at least as many partitions as there are ranks."""
    files = [str(file) for file in split.files]

    def opened(**partitioning: int) -> Any:
        dataset = library.Dataset(files, engine="parquet", cpu=cpu, **partitioning)
        dataset.schema = dataset.schema.select_by_name(list(split.schema.columns))
        return dataset

    part_size = options.part_size_bytes or max(1, chunk_bytes // max(options.parts_per_chunk, 1))
    dataset = opened() if options.defaults else opened(part_size=part_size)
    if config.world_size == 1:
        return dataset
    groups = [pq.read_metadata(file).num_row_groups for file in split.files]
    if sum(groups) < config.world_size:
        raise FeedrateError(
            f"nvtabular shards by row group, and {sum(groups)} row groups are too few for {config.world_size} ranks: "
            "run `feedrate prepare` with a smaller --row-group-rows"
        )
    maximum = min(dataset.engine.row_groups_per_part, sum(groups) // config.world_size)
    return opened(row_groups_per_part=groups_per_part(groups, config.world_size, maximum))


def _unsupported_lists(split: Split) -> str:
    """Describe the first row group with lists that the library cannot load: null lists, or only empty ones.

    Returns "" if there is none, or if the files cannot be read at all: then the library's own error says so.
    """
    try:
        return next(_row_groups_with_unsupported_lists(split), "")
    except (OSError, pa.ArrowException):
        return ""


def _row_groups_with_unsupported_lists(split: Split) -> Iterator[str]:
    for group in (group for group in read_groups(split) if group.rows):
        for column in split.schema.multi_hot:
            lists = pq.ParquetFile(group.file).read_row_group(group.number, columns=[column.name])[column.name]
            problem = (
                "a null list"
                if lists.null_count
                else ""
                if pc.max(pc.list_value_length(lists)).as_py()
                else "only empty lists"
            )
            if problem:
                yield f"{column.name!r} has {problem} in row group {group.number} of {group.file.name}"


def _end_instead_of_hanging(iterator: Any) -> None:
    """Make the iterator's thread announce its end, however it ends.

    The library checks that the thread is alive and then waits for a chunk without a timeout. It hangs if the thread
    ends in between, or dies from an exception that it does not catch. If it receives an exception instead of a chunk,
    it raises that exception, so a StopIteration ends the epoch.
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
    """The two classes of Merlin and NVTabular that the loader uses."""

    Dataset: Any
    TorchAsyncItr: Any


def import_nvtabular() -> Library:
    """Import Merlin and NVTabular, with repairs for a current cudf if there is a GPU.

    Sets dask options without which list columns silently become strings. Raises LoaderUnavailable if an import fails.
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
            from merlin.io import Dataset  # pyright: ignore[reportMissingImports]
            from nvtabular.loader.torch import TorchAsyncItr  # pyright: ignore[reportMissingImports]
    except Exception as error:  # imports fail in many ways, most often because a newer dependency lacks a name
        raise LoaderUnavailable(
            f"nvtabular is installed, but its import fails ({type(error).__name__}: {error}): {HOW_TO_GET}"
        ) from error
    return Library(Dataset, TorchAsyncItr)


def _with_cudf() -> bool:
    """Return whether Merlin will import cudf. It does so if it finds any GPU, whatever device the trial uses."""
    return torch.cuda.is_available() and find_spec("cudf") is not None


def backend(device: str) -> str:
    """Return the versions of nvtabular and of pandas or cudf, and where batches are. Raises LoaderUnavailable."""
    import_nvtabular()
    name = f"nvtabular {metadata.version('nvtabular')}"
    pandas = f"pandas {metadata.version('pandas')}"
    if device == "cpu":
        return f"{name} on {pandas}, host memory"
    if not _on_gpu(device):
        return f"{name} on {pandas} (no cudf here), copied to the device"
    import cudf  # pyright: ignore[reportMissingImports]

    untried = "; ".join(nvtabular_compat.untried())
    return f"{name} on cudf {cudf.__version__}, device memory" + (f" ({untried})" if untried else "")


def _open(split: Split, config: LoaderConfig, options: NVTabularOptions) -> Loader:
    return NVTabularLoader(split, config, options)


ADAPTER = Adapter(
    open=_open,
    options=NVTabularOptions,
    backend=backend,
    in_force=lambda loader: loader.in_force,
    environment=ENVIRONMENT,
    repairs=nvtabular_compat.applied,
    cautions=nvtabular_compat.untried,
    deviations={
        "same_order_for_same_seed": "the library and its thread share NumPy's global random state: no seed fixes the order",
        "tail_changes": "rows mix only within a chunk of partitions, so the last batch is the end of the last file",
        "ranks_even": "it shards by partition, so ranks get unequal numbers of rows",
    },
)
