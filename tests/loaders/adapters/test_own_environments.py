"""Checks the adapters whose libraries have an environment of their own, there. Skipped if it is not installed."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from feedrate.bench.host import venvs
from feedrate.bench.run.check import check_loader
from feedrate.loaders import registry
from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable

LIBRARIES = {"litdata": "litdata", "mosaic-streaming": "streaming.base", "tf-data": "tensorflow"}


@pytest.mark.parametrize(
    "loader",
    [
        "litdata",
        "litdata:block_rows=300:window_rows=1500",
        "mosaic-streaming",
        "mosaic-streaming:block_rows=300:window_rows=1500",
        "tf-data",
        "tf-data:rows",
    ],
)
def test_adapters_break_no_rule_in_their_environment(loader: str) -> None:
    require_environment(loader)
    results = check_loader(loader, LoaderConfig(batch_size=256), data=None, rows=4_001, timeout_s=60)
    assert [result for result in results if result.outcome != "passed"] == []


@pytest.mark.parametrize(("loader", "module"), LIBRARIES.items())
def test_a_missing_library_comes_with_the_command_that_installs_its_environment(
    loader: str, module: str, planted: Split
) -> None:
    if find_spec(module.partition(".")[0]) is not None:
        pytest.skip(f"{module} is installed in this environment")
    choice = registry.choose(loader)
    with pytest.raises(LoaderUnavailable, match=rf"which is not installed: run `feedrate install {loader}`"):
        choice.adapter.backend("cpu")
    with pytest.raises(LoaderUnavailable, match=rf"^{loader} needs {module}"):
        choice.open(planted, LoaderConfig())


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        ("litdata:block_rows=0", "block_rows is 0, but must be at least 1"),
        ("litdata:chunk_mb=0", "chunk_mb is 0, but must be at least 1"),
        ("mosaic-streaming:shard_mb=0", "shard_mb is 0, but must be at least 1"),
        ("mosaic-streaming:window_rows=0", "window_rows is 0, but must be at least 1"),
        ("tf-data:buffer_size=-1", "buffer_size is -1, but must be at least 0"),
    ],
)
def test_invalid_options_are_refused(loader: str, message: str) -> None:
    with pytest.raises(FeedrateError, match=message):
        registry.choose(loader)


def require_environment(loader: str) -> None:
    """Skip the test, with the command that installs the environment, if it is not installed."""
    try:
        venvs.interpreter(loader)
    except LoaderUnavailable as error:
        pytest.skip(str(error))
