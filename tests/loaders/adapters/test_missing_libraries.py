"""An adapter whose library is missing says how to install it, and the extra that it names exists."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from feedrate.loaders import registry
from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.errors import LoaderUnavailable

PROJECT = Path(__file__).parents[3] / "pyproject.toml"


@pytest.mark.parametrize(
    ("loader", "module", "package"),
    [
        ("duckdb", "duckdb", "duckdb"),
        ("hf-datasets", "datasets", "datasets"),
        ("torchdata", "torchdata", "torchdata"),
        ("tensordict", "tensordict", "tensordict"),
        ("lance", "lance", "pylance"),
        ("grain", "grain", "grain"),
        ("spdl", "spdl", "spdl"),
        ("vortex", "vortex", "vortex-data"),
        ("ray-data", "ray", "ray[data]"),
    ],
)
def test_a_missing_library_comes_with_the_command_that_installs_it(
    loader: str, module: str, package: str, planted: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    choice = registry.choose(loader)
    with pytest.raises(LoaderUnavailable, match=rf"which is not installed: run `pip install 'feedrate\[{loader}\]'`"):
        choice.adapter.backend("cpu")
    with pytest.raises(LoaderUnavailable, match=rf"^{loader} needs {module}"):
        choice.open(planted, LoaderConfig())
    extras = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]
    assert [requirement.partition(">=")[0] for requirement in extras[loader]] == [package]
