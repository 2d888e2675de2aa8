"""TensorFlow's tf.data: columns in host memory, gathered a batch at a time in its parallel pipeline.

The advice is that of its guide: vectorize the mapped function, map in parallel, and prefetch, both tuned by AUTOTUNE.
https://www.tensorflow.org/guide/data_performance

tf.data has no reader of Parquet, so feedrate reads the columns. `tf-data:rows` is the pipeline of the tutorials instead:
each row is an element, which is shuffled in a buffer and batched. Tensors are handed to torch without a copy (DLPack).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.dlpack import from_dlpack

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, OwnEnvironment, Split
from feedrate.loaders.errors import require_bool, require_whole
from feedrate.loaders.phases import phase
from feedrate.loaders.toolkit import batch_to, bounds_of_rank, epoch_order, import_library, read_columns, seed_of

ENVIRONMENT = OwnEnvironment(
    name="tf-data",
    requirements="adapters/environments/tf-data.lock",
    replaced=("tensorflow-cpu",),
    module="tensorflow",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TfDataOptions:
    """Options of the tf-data loader. Raises FeedrateError for an invalid value."""

    rows: bool = False
    """Shuffle and batch single rows, as the tutorials do, instead of gathering whole batches."""
    buffer_size: int = 0
    """rows: rows in the shuffle buffer. 0: all rows, which is a complete shuffle."""

    def __post_init__(self) -> None:
        require_bool("rows", self.rows)
        require_whole("buffer_size", self.buffer_size, 0)


class TfDataLoader:
    """Keeps the columns as TensorFlow's tensors, bags as ragged ones, and makes a pipeline for each epoch."""

    def __init__(self, split: Split, config: LoaderConfig, options: TfDataOptions) -> None:
        self._tf: Any = _library()
        self._split, self._config, self._options = split, config, options
        columns = read_columns(split)
        with self._tf.device("CPU"):
            flat = [self._tf.constant(column.numpy()) for column in columns.flat]
            bags = [self._bag(values, offsets) for values, offsets in columns.bags.values()]
        self._columns: tuple[Any, ...] | None = (*flat, *bags)

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once, in the order of (seed, index)."""
        assert self._columns is not None, "epoch() after close()"
        with self._tf.device("CPU"):
            batches = iter((self._of_rows if self._options.rows else self._gathered)(self._columns, index))
        while True:
            with phase("wait"):
                columns = next(batches, None)
            if columns is None:
                return
            yield batch_to(self._batch(columns), self._config.device)

    def in_force(self) -> dict[str, object]:
        """Return the rows of the shuffle buffer."""
        if not (self._options.rows and self._config.shuffle):
            return {"buffer_size": "not used"}
        return {"buffer_size": self._options.buffer_size or self._split.rows}

    def close(self) -> None:
        """Drop the columns."""
        self._columns = None

    def _gathered(self, columns: tuple[Any, ...], epoch: int) -> Any:
        tf, config = self._tf, self._config
        order = epoch_order(
            self._split.rows,
            shuffle=config.shuffle,
            seed=config.seed,
            epoch=epoch,
            rank=config.rank,
            world_size=config.world_size,
        )
        positions = tf.constant(order)

        def gather(begin: Any) -> tuple[Any, ...]:
            rows = positions[begin : begin + config.batch_size]
            return tuple(tf.gather(column, rows) for column in columns)

        begins = tf.data.Dataset.range(0, len(order), config.batch_size)
        return begins.map(gather, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def _of_rows(self, columns: tuple[Any, ...], epoch: int) -> Any:
        tf, config, options = self._tf, self._config, self._options
        rows = tf.data.Dataset.from_tensor_slices(columns)
        if config.shuffle:  # each rank shuffles all rows alike and takes its share
            seed = seed_of(config.seed, epoch)
            rows = rows.shuffle(options.buffer_size or self._split.rows, seed=seed)
        begin, end = bounds_of_rank(self._split.rows, config)
        return rows.skip(begin).take(end - begin).batch(config.batch_size).prefetch(tf.data.AUTOTUNE)

    def _bag(self, values: torch.Tensor, offsets: torch.Tensor) -> Any:
        splits = offsets.to(torch.int64).numpy()
        return self._tf.RaggedTensor.from_row_splits(values.numpy(), splits, validate=False)

    def _batch(self, columns: tuple[Any, ...]) -> Batch:
        schema = self._split.schema
        single, dense = len(schema.single_hot), len(schema.continuous)
        flat = [from_dlpack(column) for column in columns[: single + dense + 1]]
        bags = {}
        for column, bag in zip(schema.multi_hot, columns[single + dense + 1 :], strict=True):
            values, splits = from_dlpack(bag.values), from_dlpack(bag.row_splits)
            bags[column.name] = values, splits.to(values.dtype)
        ids = {column.name: tensor for column, tensor in zip(schema.single_hot, flat, strict=False)}
        return Batch(ids, bags, dict(zip(schema.continuous, flat[single:], strict=False)), flat[-1])


def _library() -> Any:
    # read once, at the import: no notes on stderr about the build and oneDNN, which has nothing to do here
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    return import_library("tensorflow", "tf-data", own_environment=True)


def backend(_device: str) -> str:
    """Return the library's version. Raises LoaderUnavailable without it."""
    return f"tf.data of TensorFlow {_library().__version__}, columns in host memory"


def _open(split: Split, config: LoaderConfig, options: TfDataOptions) -> Loader:
    return TfDataLoader(split, config, options)


ADAPTER = Adapter(
    open=_open,
    options=TfDataOptions,
    backend=backend,
    in_force=TfDataLoader.in_force,
    environment=ENVIRONMENT,
)
