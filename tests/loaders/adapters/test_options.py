"""Adapters refuse invalid options with the value and what is accepted."""

from __future__ import annotations

import pytest

from feedrate.loaders import registry
from feedrate.loaders.errors import FeedrateError


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        ("polars:block_rows=0", "block_rows is 0, but must be at least 1"),
        ("duckdb:threads=-1", "threads is -1, but must be at least 0"),
        ("duckdb:block_rows=0", "block_rows is 0, but must be at least 1"),
        ("hf-datasets:format=pandas", "format is 'pandas', but must be one of arrow, torch"),
        ("hf-datasets:streaming:format=torch", "format is 'torch', but must be one of arrow"),
        ("hf-datasets:streaming:buffer_size=0", "buffer_size is 0, but must be at least 1"),
        ("hf-datasets:streaming:num_shards=0", "num_shards is 0, but must be at least 1"),
        ("torchdata:method=fork", "method is 'fork', but must be one of thread, process"),
        ("lance:window_rows=0", "window_rows is 0, but must be at least 1"),
        ("lance:fragment_rows=0", "fragment_rows is 0, but must be at least 1"),
        ("grain:block_rows=0", "block_rows is 0, but must be at least 1"),
        ("grain:threads=-1", "threads is -1, but must be at least 0"),
        ("spdl:window_rows=0", "window_rows is 0, but must be at least 1"),
        ("spdl:readers=0", "readers is 0, but must be at least 1"),
        ("vortex:window_rows=0", "window_rows is 0, but must be at least 1"),
        ("vortex:range_rows=0", "range_rows is 0, but must be at least 1"),
        ("ray-data:buffer_rows=-1", "buffer_rows is -1, but must be at least 0"),
        ("ray-data:cpus=0", "cpus is 0, but must be at least 1"),
    ],
)
def test_invalid_options_are_refused(loader: str, message: str) -> None:
    with pytest.raises(FeedrateError, match=message):
        registry.choose(loader)
