"""The pytest plugin: the fixture `feedrate`, with which authors check, time and gate a loader in their own repository.

    def test_my_loader(feedrate):
        feedrate(MyLoader, dataset="synthetic-movielens", rows=200_000, mode="train")

Every pytest run in the environment loads this module, so it imports nothing heavy before an option or a test needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from feedrate.bench.plugin.baseline_gate import Baseline

HAS_BENCHMARK = find_spec("pytest_benchmark") is not None
RESULTS = pytest.StashKey[list[dict[str, Any]]]()
"""The settings and numbers of each test that timed a loader."""
BASELINE = pytest.StashKey["Baseline | None"]()
"""The saved run to compare with. None without conditions."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the gate."""
    group = parser.getgroup("feedrate", "feedrate: gates on loaders")
    group.addoption(
        "--feedrate-fail-if",
        metavar="CONDITIONS",
        help="fail if a loader meets one of these conditions, compared with the saved run: "
        '"rows_per_s<-10%%,auc<-0.002,wait_fraction>+0.05"',
    )
    group.addoption(
        "--feedrate-baseline",
        metavar="FILE",
        help="saved run to compare with, written by --benchmark-json or --benchmark-save. Default: the latest in "
        "--benchmark-storage. Write --feedrate-baseline=FILE: after a space, pytest takes FILE for a test file and may "
        "choose another rootdir",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read the options of the gate. A wrong one ends pytest here, before tests are collected."""
    config.stash[RESULTS] = []
    config.stash[BASELINE] = None
    if config.getoption("--feedrate-fail-if") is not None or config.getoption("--feedrate-baseline") is not None:
        from feedrate.bench.plugin import baseline_gate

        config.stash[BASELINE] = baseline_gate.read_options(config)


if HAS_BENCHMARK:

    @pytest.fixture
    def feedrate(request: pytest.FixtureRequest, benchmark: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
        """Check, time and gate a loader: feedrate(loader, dataset=..., mode=...). See feedrate.bench.plugin.fixture."""
        return _checker(request, benchmark, tmp_path_factory)

else:

    @pytest.fixture
    def feedrate() -> Any:
        """Fail, because pytest-benchmark is missing."""
        pytest.fail("the fixture feedrate needs pytest-benchmark: install it with `pip install pytest-benchmark`")


def _checker(
    request: pytest.FixtureRequest, benchmark: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., dict[str, Any]]:
    from feedrate.bench.plugin import fixture

    config, baseline = request.config, request.config.stash[BASELINE]

    def check(loader: Any, **options: Any) -> dict[str, Any]:
        wanted = fixture.benchmark_request(loader, **options)
        fixture.conform(wanted, tmp_path_factory.mktemp("conformance"))
        fixture.refuse_shared_cores(gated=baseline is not None)
        dataset = fixture.prepared(wanted, _cache_folder(config, tmp_path_factory))
        base = _comparable(baseline, request.node, fixture.settings(wanted, dataset)) if baseline else {}
        result = fixture.timed(wanted, benchmark, dataset)
        config.stash[RESULTS].append({"test": request.node.name, "nodeid": request.node.nodeid, **result})
        if baseline:
            _gate(baseline, base, result)
        return result

    return check


def _cache_folder(config: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = getattr(config, "cache", None)  # missing with -p no:cacheprovider
    return cache.mkdir("feedrate") if cache else tmp_path_factory.getbasetemp() / "feedrate"


def _comparable(baseline: Baseline, node: pytest.Item, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    from feedrate.bench.plugin import baseline_gate
    from feedrate.loaders.errors import FeedrateError

    try:
        base = baseline_gate.comparable(baseline, node.nodeid, settings)
    except FeedrateError as error:
        pytest.fail(str(error), pytrace=False)
    if warning := baseline_gate.other_machine(baseline, base, settings):
        node.warn(pytest.PytestWarning(warning))
    return base


def _gate(baseline: Baseline, base: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    from feedrate.bench.plugin import baseline_gate

    if failures := list(baseline_gate.failures(baseline, base, result)):
        pytest.fail("\n".join([f"compared with {baseline.path.name}:", *failures]), pytrace=False)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that passed although a condition or a saved test was not measured."""
    if session.exitstatus == pytest.ExitCode.OK and _unmeasured(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _unmeasured(config: pytest.Config) -> list[str]:
    baseline = config.stash[BASELINE]
    if baseline is None or config.option.collectonly:
        return []
    from feedrate.bench.plugin import baseline_gate

    results: list[dict[str, Any]] = config.stash[RESULTS]
    narrowed = config.option.keyword or config.option.markexpr or any("::" in word for word in config.args)
    lost = [] if narrowed else baseline_gate.lost(baseline, {result["nodeid"] for result in results})
    return [*baseline_gate.unmeasured(baseline, results), *lost]


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """Write the numbers that pytest-benchmark's table lacks, and what the gate could not check."""
    results: list[dict[str, Any]] = config.stash[RESULTS]
    unmeasured = _unmeasured(config) if exitstatus == pytest.ExitCode.OK else []
    if results or unmeasured:
        terminalreporter.write_sep("-", "feedrate")
    if results:
        _write_table(terminalreporter, results)
    for message in unmeasured:
        terminalreporter.write_line(f"FAILED {message}", red=True)


def _write_table(terminalreporter: Any, results: Sequence[Mapping[str, Any]]) -> None:
    width = max(len(result["test"]) for result in results)
    terminalreporter.write_line(f"{'test':{width}}  {'mode':6}  {'rows/s':>12}  {'waiting':>8}  {'AUC':>7}")
    for result in results:
        auc = f"{result['auc']:.4f}" if "auc" in result else "-"
        terminalreporter.write_line(
            f"{result['test']:{width}}  {result['mode']:6}  {result['rows_per_s']:12,.0f}  "
            f"{result['wait_fraction']:8.1%}  {auc:>7}"
        )
