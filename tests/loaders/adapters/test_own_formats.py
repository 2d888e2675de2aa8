"""Loaders whose libraries have a format of their own write it once for a dataset, and read the same rows from it later."""

from __future__ import annotations

import pytest
import torch

from feedrate.bench.datasets.canonical import Dataset
from feedrate.loaders import registry
from feedrate.loaders.base import LoaderConfig
from feedrate.loaders.errors import LoaderUnavailable
from feedrate.loaders.toolkit import preparation_of, read_columns


@pytest.mark.parametrize("name", ["hf-datasets", "lance", "tensordict", "vortex"])
def test_the_format_is_written_once_beside_the_dataset(name: str, small: Dataset) -> None:
    choice, split = registry.choose(name), small.split("train")
    try:
        choice.adapter.backend("cpu")
    except LoaderUnavailable as error:
        pytest.skip(str(error))
    assert choice.adapter.prepare is not None
    folder = choice.adapter.prepare(split, LoaderConfig(), choice.options)
    assert folder.is_relative_to(small.folder)
    assert preparation_of(folder).bytes == sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    written = {file: file.stat().st_mtime_ns for file in folder.parent.rglob("*")}
    for _ in range(2):  # the second one is a loader that was opened after the first one was closed
        loader = choice.open(split, LoaderConfig(batch_size=split.rows, shuffle=False))
        [batch] = loader.epoch(0)
        loader.close()
        stored = read_columns(split).slice(0, split.rows)
        assert all(map(torch.equal, batch.tensors(), stored.tensors()))
    assert {file: file.stat().st_mtime_ns for file in folder.parent.rglob("*")} == written
