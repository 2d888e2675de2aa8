"""What loaders report of the options that leave a choice to them."""

from __future__ import annotations

from dataclasses import fields
from importlib.util import find_spec

import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.results.settings import AUTOMATIC
from feedrate.loaders import registry
from feedrate.loaders.base import LoaderConfig
from feedrate.loaders.errors import LoaderUnavailable


def _in_force(text: str, dataset: Dataset, budget: int | None = None) -> dict[str, str]:
    choice = registry.choose(text)
    loader = choice.open(dataset.split("train"), LoaderConfig(batch_size=512, memory_budget_bytes=budget))
    try:
        return choice.in_force(loader)
    finally:
        loader.close()


def test_cupy_reports_its_window_and_decoder(small: Dataset) -> None:
    assert _in_force("cupy", small) == {"window_rows": "all rows, in memory", "decode": "pyarrow, when opened"}
    assert _in_force("cupy:window_rows=1000", small, 100_000_000) == {"window_rows": "512", "decode": "pyarrow"}


def test_arrow_reports_its_window(small: Dataset) -> None:
    assert _in_force("arrow", small) == {"window_rows": str(2**20)}
    assert int(_in_force("arrow", small, 2_000_000)["window_rows"]) < 2**20


@pytest.mark.skipif(find_spec("duckdb") is None, reason="needs duckdb")
def test_duckdb_reports_its_threads(small: Dataset) -> None:
    assert _in_force("duckdb:threads=3", small) == {"threads": "3"}
    assert int(_in_force("duckdb", small)["threads"]) > 0


def test_every_adapter_with_such_an_option_reports_it() -> None:
    """An option of an adapter whose default is 0 or auto leaves a choice to the loader."""
    for name in registry.names():
        try:
            adapter = registry.choose(name).adapter
        except LoaderUnavailable:
            continue
        if registry.is_for_tests(name):
            continue
        open_choices = {field.name for field in fields(adapter.options) if field.default in ("auto", 0)}
        open_choices -= {field.name for field in fields(adapter.options) if field.default is False}
        assert open_choices <= AUTOMATIC.keys(), name
        assert not open_choices or adapter.in_force.__module__ != "feedrate.loaders.base", name
