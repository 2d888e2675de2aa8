"""NVTabular's TorchAsyncItr, as its users open it: on cudf where it is installed, else on pandas.

The library (23.8.0, the last release) yields a flat dict, `genres__values` and `genres__offsets` for a list column, and
the label apart; this turns that into a Batch and casts offsets to the values' dtype, nothing else.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, OwnEnvironment, Split
from feedrate.loaders.columns import batch_to
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable

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
    part_size_bytes: int = 1_000_000_000
    """Data in one partition. Rows mix only within a chunk of partitions, and larger ones load faster."""
    parts_per_chunk: int = 1
    """Partitions shuffled together."""


class NVTabularLoader:
    def __init__(self, split: Split, config: LoaderConfig, options: NVTabularOptions) -> None:
        library = import_nvtabular()
        self._config, self._schema = config, split.schema
        self._on_gpu = config.device != "cpu" and find_spec("cudf") is not None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a missing GPU and an inferred schema, both as intended here
            dataset = library.Dataset(
                [str(file) for file in split.files],
                engine="parquet",
                part_size=options.part_size_bytes,
                cpu=not self._on_gpu,
            )
            dataset.schema = dataset.schema.select_by_name(list(split.schema.columns))
        if dataset.npartitions < config.world_size:
            raise FeedrateError(
                f"nvtabular shards by partition and has {dataset.npartitions} for {config.world_size} ranks: "
                f"a part_size_bytes under {options.part_size_bytes} gives more"
            )
        schema = split.schema
        self._iterator = library.TorchAsyncItr(
            dataset,
            batch_size=config.batch_size,
            cats=[column.name for column in (*schema.single_hot, *schema.multi_hot)],
            conts=list(schema.continuous),
            labels=[schema.label],
            shuffle=config.shuffle,
            parts_per_chunk=options.parts_per_chunk,
            global_size=config.world_size,
            global_rank=config.rank,
        )

    def epoch(self, index: int) -> Iterator[Batch]:
        # The library draws from NumPy's global generator, here and in its thread: reproducible at best.
        np.random.seed(np.random.SeedSequence((self._config.seed, index)).generate_state(1)[0])
        for columns, label in self._iterator:
            batch = self._batch(columns, label)
            yield batch if self._on_gpu else batch_to(batch, self._config.device)

    def close(self) -> None:
        self._iterator.stop()

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


@dataclass(frozen=True, slots=True)
class Library:
    Dataset: Any
    TorchAsyncItr: Any


def import_nvtabular() -> Library:
    """Import Merlin with the dask settings without which list columns silently become strings."""
    os.environ.setdefault("DASK_DATAFRAME__QUERY_PLANNING", "False")
    os.environ.setdefault("DASK_DATAFRAME__CONVERT_STRING", "False")
    if find_spec("nvtabular") is None or find_spec("merlin") is None:
        raise LoaderUnavailable(f"nvtabular is not installed here: {HOW_TO_GET}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from merlin.io import Dataset
            from nvtabular.loader.torch import TorchAsyncItr
    except Exception as error:  # its imports fail in many ways, a missing name in a newer dependency most often
        raise LoaderUnavailable(
            f"nvtabular is installed but its import fails ({type(error).__name__}: {error}): {HOW_TO_GET}"
        ) from error
    return Library(Dataset, TorchAsyncItr)


def backend(device: str) -> str:
    import_nvtabular()
    version = metadata.version("nvtabular")
    if device == "cpu":
        return f"nvtabular {version} on pandas {metadata.version('pandas')}, host memory"
    if find_spec("cudf") is None:
        return f"nvtabular {version} on pandas {metadata.version('pandas')} (no cudf here), copied to the device"
    return f"nvtabular {version} on cudf {metadata.version('cudf-cu13')}, device memory"


def _open(split: Split, config: LoaderConfig, options: NVTabularOptions) -> Loader:
    return NVTabularLoader(split, config, options)


ADAPTER = Adapter(
    open=_open,
    options=NVTabularOptions,
    backend=backend,
    environment=ENVIRONMENT,
    deviations={
        "same_order_for_same_seed": "its order comes from global random state that its own thread draws from: not seedable",
        "tail_changes": "rows mix only within a chunk of partitions, so the last, short batch is the last file's tail",
        "ranks_disjoint_and_complete": "it shards by partition: ranks get unequal rows, and there must be a partition for each",
    },
)
