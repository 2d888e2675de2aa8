"""tensordict: a memory-mapped TensorDict, indexed once for each batch.

The advice is that of its documentation: a TensorDict is a dataset, and a whole batch is one index operation.
https://docs.pytorch.org/tensordict/main/data_loading.html

A TensorDict holds no lists. Where the bag of a row begins, and its length, are two of its columns. The values of all bags
are a memory-mapped tensor beside it. The files are written into a temporary folder when the loader is opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, NoOptions, Split
from feedrate.loaders.toolkit import FetchedBatches, TemporaryFolder, import_library, read_columns, take_positions


class TensorDictLoader:
    """Writes the columns to memory-mapped files and fetches each batch from them."""

    def __init__(self, split: Split, config: LoaderConfig, _options: NoOptions) -> None:
        library = import_library("tensordict", "tensordict")
        self._schema, self._folder = split.schema, TemporaryFolder()
        columns, folder = read_columns(split), self._folder.path
        # keys are numbers: a column's own name may be no file name
        tensors = {str(number): column for number, column in enumerate(columns.flat)}
        self._values: list[torch.Tensor] = []
        for number, (values, offsets) in enumerate(columns.bags.values()):
            tensors |= {f"start {number}": offsets[:-1], f"length {number}": offsets.diff()}
            mapped = library.MemoryMappedTensor.from_tensor(values, filename=folder / f"values {number}")
            self._values.append(mapped.as_subclass(torch.Tensor))
        self._rows: Any = library.TensorDict(tensors, batch_size=[split.rows]).memmap(folder / "rows")
        self._fetched = FetchedBatches(self._fetch, split.rows, config)

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once, in the order of (seed, index)."""
        yield from self._fetched.epoch(index)

    def close(self) -> None:
        """Unmap the files and remove them."""
        self._fetched.close()
        self._rows, self._values = None, []
        self._folder.close()

    def _fetch(self, positions: np.ndarray) -> Batch:
        rows = self._rows[torch.from_numpy(positions)]
        schema = self._schema
        single, dense = len(schema.single_hot), len(schema.continuous)
        flat = [rows[str(number)] for number in range(single + dense + 1)]
        return Batch(
            {column.name: tensor for column, tensor in zip(schema.single_hot, flat, strict=False)},
            {
                column.name: take_positions(values, rows[f"start {number}"], rows[f"length {number}"])
                for number, (column, values) in enumerate(zip(schema.multi_hot, self._values, strict=True))
            },
            dict(zip(schema.continuous, flat[single:], strict=False)),
            flat[-1],
        )


def backend(_device: str) -> str:
    """Return the library's version. Raises LoaderUnavailable without it."""
    return f"tensordict {import_library('tensordict', 'tensordict').__version__}, memory-mapped files"


def _open(split: Split, config: LoaderConfig, options: NoOptions) -> Loader:
    return TensorDictLoader(split, config, options)


ADAPTER = Adapter(open=_open, options=NoOptions, backend=backend)
