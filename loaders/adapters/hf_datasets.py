"""Hugging Face datasets: a Dataset of memory-mapped Arrow files, taken from at random or streamed through a buffer.

The advice is that of its documentation. https://huggingface.co/docs/datasets/use_with_pytorch
https://huggingface.co/docs/datasets/about_mapstyle_vs_iterable says that random access is slow, because each row is a
chunk of its own, and advises `to_iterable_dataset(num_shards)` with a shuffle buffer: that is `hf-datasets:streaming`.

Parquet is converted to Arrow files once for a dataset.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, Schema, Split
from feedrate.loaders.errors import require_bool, require_choice, require_whole
from feedrate.loaders.toolkit import (
    FetchedBatches,
    batch_of_arrow,
    batch_to,
    import_library,
    local_files,
    prepared_folder,
    rebatch,
    seed_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HFDatasetsOptions:
    """Options of the hf-datasets loader. Raises FeedrateError for an invalid value."""

    format: str = "arrow"
    """Format of the library's batches: arrow, or torch, which makes a tensor of each bag and is ten times slower."""
    streaming: bool = False
    """Stream shards in random order through a shuffle buffer, instead of taking rows at random. Arrow format only."""
    buffer_size: int = 100_000
    """Streaming: rows in the shuffle buffer. The library's own default is 1,000."""
    num_shards: int = 64
    """Streaming: contiguous shards that are read in random order."""

    def __post_init__(self) -> None:
        require_choice("format", self.format, ("arrow",) if self.streaming else ("arrow", "torch"))
        require_bool("streaming", self.streaming)
        require_whole("buffer_size", self.buffer_size, 1)
        require_whole("num_shards", self.num_shards, 1)


class HFDatasetsLoader:
    """Reads a Dataset with its own formats, at random or as a stream."""

    def __init__(self, split: Split, config: LoaderConfig, options: HFDatasetsOptions) -> None:
        library = import_library("datasets", "hf-datasets")
        self._config, self._options, self._schema = config, options, split.schema
        with _without_progress_bars(library):
            dataset = library.load_from_disk(str(prepare(split, config, options) / "rows"))
        self._dataset: Any = dataset.with_format(options.format)
        self._stream: Any = None
        self._fetched = FetchedBatches(self._fetch, split.rows, config)
        if options.streaming:  # a contiguous part of the rows for each rank: shards of the stream would not be even
            part = self._dataset.shard(config.world_size, config.rank, contiguous=True)
            self._stream = part.to_iterable_dataset(num_shards=max(1, min(options.num_shards, len(part))))

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once, in the order of (seed, index)."""
        yield from self._streamed(index) if self._options.streaming else self._fetched.epoch(index)

    def close(self) -> None:
        """Drop the dataset, which unmaps the Arrow files."""
        self._fetched.close()
        self._dataset = self._stream = None

    def _fetch(self, positions: np.ndarray) -> Batch:
        data = self._dataset[positions]
        return batch_of_arrow(data, self._schema) if self._options.format == "arrow" else _of_torch(data, self._schema)

    def _streamed(self, epoch: int) -> Iterator[Batch]:
        config, stream = self._config, self._stream
        if config.shuffle:
            stream = stream.shuffle(seed=seed_of(config.seed, epoch), buffer_size=self._options.buffer_size)
        batches = (batch_of_arrow(table, self._schema) for table in stream.iter(config.batch_size))
        for batch in rebatch(batches, config.batch_size):
            yield batch_to(batch, config.device)


def _of_torch(data: Any, schema: Schema) -> Batch:
    """Convert the library's torch format, in which a bag column is a list of tensors, or one tensor if they are alike."""
    return Batch(
        {column.name: data[column.name] for column in schema.single_hot},
        {column.name: _bag(list(data[column.name])) for column in schema.multi_hot},
        {name: data[name] for name in schema.continuous},
        data[schema.label],
    )


def _bag(bags: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([0, *map(len, bags)], dtype=torch.int64)
    return torch.cat(bags).to(torch.int64), lengths.cumsum(0)


@contextlib.contextmanager
def _without_progress_bars(library: Any) -> Iterator[None]:
    """Show no progress bars, and do without the thread that tqdm starts for hidden ones, too, and never ends."""
    bar, shown = library.utils.tqdm, not library.are_progress_bars_disabled()
    interval, bar.monitor_interval = bar.monitor_interval, 0
    library.disable_progress_bars()
    try:
        yield
    finally:
        bar.monitor_interval = interval
        if shown:
            library.enable_progress_bars()


def prepare(split: Split, _config: LoaderConfig, _options: HFDatasetsOptions) -> Path:
    """Write the split as the library's Arrow files unless they are there, and return their folder."""
    library = import_library("datasets", "hf-datasets")

    def write(folder: Path) -> None:
        columns, cache, copies = list(split.schema.columns), folder / "cache", folder / "copies"
        files = [str(file) for file in local_files(split, copies)]
        with _without_progress_bars(library):
            dataset = library.Dataset.from_parquet(files, cache_dir=str(cache), columns=columns)
            dataset.save_to_disk(str(folder / "rows"))
        shutil.rmtree(cache)
        shutil.rmtree(copies, ignore_errors=True)

    return prepared_folder(split, "hf-datasets", {"version": library.__version__}, write)


def backend(_device: str) -> str:
    """Return the library's version. Raises LoaderUnavailable without it."""
    version = import_library("datasets", "hf-datasets").__version__
    return f"Hugging Face datasets {version}, memory-mapped Arrow files"


def _open(split: Split, config: LoaderConfig, options: HFDatasetsOptions) -> Loader:
    return HFDatasetsLoader(split, config, options)


ADAPTER = Adapter(open=_open, options=HFDatasetsOptions, backend=backend, prepare=prepare, reads_stores=True)
