"""tensordict: a memory-mapped TensorDict, indexed once for each batch.

The advice is that of its documentation: a TensorDict is a dataset, and a whole batch is one index operation.
https://docs.pytorch.org/tensordict/main/data_loading.html

A TensorDict holds no lists. Where the bag of a row begins, and its length, are two of its columns. The values of all bags
are a memory-mapped tensor beside it. The files are written once for a dataset.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, NoOptions, Split
from feedrate.loaders.toolkit import FetchedBatches, import_library, prepared_folder, read_columns, take_positions


class TensorDictLoader:
    """Maps the files of the columns into memory and fetches each batch from them."""

    def __init__(self, split: Split, config: LoaderConfig, _options: NoOptions) -> None:
        library = import_library("tensordict", "tensordict")
        folder = prepare(split, config, _options)
        self._schema = split.schema
        self._rows: Any = library.TensorDict.load_memmap(folder / "rows")
        self._values = [_mapped(folder / f"values {number}") for number in range(len(split.schema.multi_hot))]
        self._fetched = FetchedBatches(self._fetch, split.rows, config)

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once, in the order of (seed, index)."""
        yield from self._fetched.epoch(index)

    def close(self) -> None:
        """Unmap the files."""
        self._fetched.close()
        self._rows, self._values = None, []

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


def _mapped(path: Path) -> torch.Tensor:
    """Map the values of a bag column into memory: int32 [N]."""
    size = path.stat().st_size // torch.int32.itemsize
    return torch.from_file(str(path), shared=False, size=size, dtype=torch.int32)  # shared needs write access


def prepare(split: Split, _config: LoaderConfig, _options: NoOptions) -> Path:
    """Write the columns as memory-mapped files unless they are there, and return their folder."""
    library = import_library("tensordict", "tensordict")

    def write(folder: Path) -> None:
        columns = read_columns(split)
        # keys are numbers: a column's own name may be no file name
        tensors = {str(number): column for number, column in enumerate(columns.flat)}
        for number, (values, offsets) in enumerate(columns.bags.values()):
            tensors |= {f"start {number}": offsets[:-1], f"length {number}": offsets.diff()}
            values.numpy().tofile(folder / f"values {number}")
        library.TensorDict(tensors, batch_size=[split.rows]).memmap(folder / "rows")

    return prepared_folder(split, "tensordict", {"version": library.__version__}, write)


def backend(_device: str) -> str:
    """Return the library's version. Raises LoaderUnavailable without it."""
    return f"tensordict {import_library('tensordict', 'tensordict').__version__}, memory-mapped files"


def _open(split: Split, config: LoaderConfig, options: NoOptions) -> Loader:
    return TensorDictLoader(split, config, options)


ADAPTER = Adapter(open=_open, options=NoOptions, backend=backend, prepare=prepare, reads_stores=True)
