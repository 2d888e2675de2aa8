"""MosaicML Streaming: blocks of rows in MDS shards, read at random, their rows mixed in windows.

The advice is that of its documentation: write the data once as MDS shards, of 64 MB each, with MDSWriter.
https://docs.mosaicml.com/projects/streaming/en/latest/preparing_datasets/basic_dataset_conversion.html

Its samples are Python dicts, so a sample for each row is slow. Here a sample is a block of rows. LocalDataset reads samples of
local shards by their number. StreamingDataset does not fit the contract: it repeats samples to make ranks even.
Arrays are stored as bytes, because an MDS array cannot be empty, and all bags of a block can.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, OwnEnvironment, Split
from feedrate.loaders.errors import require_whole
from feedrate.loaders.toolkit import (
    Block,
    import_library,
    names_of_arrays,
    prepared_folder,
    row_blocks,
    shuffled_blocks,
)

NAME = "mosaic-streaming"
ENVIRONMENT = OwnEnvironment(
    name=NAME,
    requirements="adapters/environments/mosaic-streaming.lock",
    replaced=("huggingface-hub", "mosaicml-streaming", "transformers", "xxhash"),
    module="streaming",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MosaicStreamingOptions:
    """Options of the mosaic-streaming loader. Raises FeedrateError for an invalid value."""

    block_rows: int = 2**15
    """Rows of each sample that is written."""
    window_rows: int = 2**20
    """Rows that are mixed together, rounded up to whole blocks."""
    shard_mb: int = 64
    """Largest size of a shard file in MB. The library's own default is 67."""

    def __post_init__(self) -> None:
        require_whole("block_rows", self.block_rows, 1)
        require_whole("window_rows", self.window_rows, 1)
        require_whole("shard_mb", self.shard_mb, 1)


class MosaicStreamingLoader:
    """Reads blocks of rows from MDS shards."""

    def __init__(self, split: Split, config: LoaderConfig, options: MosaicStreamingOptions) -> None:
        self._split, self._config, self._options = split, config, options
        self._dtypes = names_of_arrays(split.schema)
        self._dataset: Any = _library().LocalDataset(str(prepare(split, config, options)))

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once, in the order of (seed, index)."""
        assert self._dataset is not None, "epoch() after close()"
        sizes = {"block_rows": self._options.block_rows, "window_rows": self._options.window_rows}
        yield from shuffled_blocks(self._read, self._split, self._config, index, **sizes)

    def close(self) -> None:
        """Drop the dataset. It keeps no file open."""
        self._dataset = None

    def _read(self, number: int) -> Block:
        sample = self._dataset[number]
        return {name: np.frombuffer(sample[name], dtype) for name, dtype in self._dtypes.items()}


def prepare(split: Split, _config: LoaderConfig, options: MosaicStreamingOptions) -> Path:
    """Write the split as MDS shards unless they are there, and return their folder."""
    library = _library()

    def write(folder: Path) -> None:
        columns = dict.fromkeys(names_of_arrays(split.schema), "bytes")
        with library.MDSWriter(out=str(folder), columns=columns, size_limit=options.shard_mb * 1_000_000) as shards:
            for block in row_blocks(split, options.block_rows):
                shards.write({name: array.tobytes() for name, array in block.items()})

    settings = {"version": _version(), "block_rows": options.block_rows, "shard_mb": options.shard_mb}
    return prepared_folder(split, NAME, settings, write)


def _library() -> Any:
    """Import streaming.base alone. The package's own __init__ also imports its parts for images, which need torchvision.

    torchvision has to be built for the very torch that is here, and nothing of it is used.
    """
    spec = importlib.util.find_spec("streaming") if "streaming" not in sys.modules else None
    if spec is not None:
        sys.modules["streaming"] = importlib.util.module_from_spec(spec)
    return import_library("streaming.base", NAME, own_environment=True)


def _version() -> str:
    return metadata.version("mosaicml-streaming")


def backend(_device: str) -> str:
    """Return the library's version. Raises LoaderUnavailable without it."""
    _library()
    return f"MosaicML Streaming {_version()}, blocks of rows in MDS shards"


def _repairs() -> tuple[str, ...]:
    return ("streaming: its parts for images, text and video are not imported",) if "streaming" in sys.modules else ()


def _open(split: Split, config: LoaderConfig, options: MosaicStreamingOptions) -> Loader:
    return MosaicStreamingLoader(split, config, options)


ADAPTER = Adapter(
    open=_open,
    options=MosaicStreamingOptions,
    backend=backend,
    prepare=prepare,
    environment=ENVIRONMENT,
    repairs=_repairs,
)
