"""The pytest plugin: a fixture `feedrate` with which a loader's author checks, times and gates it in the author's own repository.

    def test_my_loader(feedrate):
        feedrate(MyLoader, dataset="synthetic-movielens", rows=200_000, mode="train")

Loaded with every pytest of the environment, so it imports nothing heavy before a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest

HAS_BENCHMARK = find_spec("pytest_benchmark") is not None
RESULTS = pytest.StashKey[list[dict[str, Any]]]()
"""What each test's timed rounds came to."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("feedrate", "feedrate: gates on loaders")
    group.addoption(
        "--feedrate-fail-if",
        metavar="CONDITIONS",
        default="",
        help='fail where a loader is beyond one of them against the saved run: "rows_per_s<-10%%,auc<-0.002,wait_fraction>+0.05"',
    )
    group.addoption(
        "--feedrate-baseline",
        metavar="FILE",
        default="",
        help="the saved run: a file of --benchmark-json or --benchmark-save; else the latest in pytest-benchmark's storage",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = []


if HAS_BENCHMARK:

    @pytest.fixture
    def feedrate(request: pytest.FixtureRequest, benchmark: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
        """feedrate(loader, dataset=..., rows=..., mode=...): see bench/author.py for what it takes and does."""
        return _checker(request, benchmark, tmp_path_factory)

else:

    @pytest.fixture
    def feedrate() -> Any:
        pytest.fail("the fixture feedrate needs pytest-benchmark: `pip install pytest-benchmark`")


def _checker(
    request: pytest.FixtureRequest, benchmark: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., dict[str, Any]]:
    from feedrate.bench import author

    config = request.config
    author.gates_of(config)  # a condition that cannot be read fails before anything is timed

    def check(loader: Any, **options: Any) -> dict[str, Any]:
        asked = author.asked(loader, **options)
        author.conform(asked, tmp_path_factory.mktemp("conformance"))
        author.refuse_shared_cores()
        found = author.timed(asked, benchmark, author.prepared(asked, config))
        config.stash[RESULTS].append({"test": request.node.name, **found})
        author.gate(config, request.node.nodeid, found)
        return found

    return check


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """What pytest-benchmark's table has no columns for."""
    results = config.stash.get(RESULTS, [])
    if not results:
        return
    terminalreporter.write_sep("-", "feedrate")
    width = max(len(found["test"]) for found in results)
    terminalreporter.write_line(f"{'test':{width}}  {'mode':6}  {'rows/s':>12}  {'waiting':>8}  {'AUC':>7}")
    for found in results:
        auc = f"{found['auc']:.4f}" if "auc" in found else "-"
        terminalreporter.write_line(
            f"{found['test']:{width}}  {found['mode']:6}  {found['rows_per_s']:12,.0f}  {found['wait_fraction']:8.1%}  {auc:>7}"
        )
