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
    ],
)
def test_invalid_options_are_refused(loader: str, message: str) -> None:
    with pytest.raises(FeedrateError, match=message):
        registry.choose(loader)
