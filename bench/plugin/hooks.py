"""The pytest plugin: a fixture `feedrate` with which a loader's author checks, times and gates it in the author's own repository.

    def test_my_loader(feedrate):
        feedrate(MyLoader, dataset="synthetic-movielens", rows=200_000, mode="train")

Loaded with every pytest of the environment, so it imports nothing heavy before an option or a test asks for it.
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
"""What each test's timed rounds came to."""
BASELINE = pytest.StashKey["Baseline | None"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("feedrate", "feedrate: gates on loaders")
    group.addoption(
        "--feedrate-fail-if",
        metavar="CONDITIONS",
        help='fail where a loader is beyond one of them against the saved run: "rows_per_s<-10%%,auc<-0.002,wait_fraction>+0.05"',
    )
    group.addoption(
        "--feedrate-baseline",
        metavar="FILE",
        help="the saved run: a file of --benchmark-json or --benchmark-save; else the latest in --benchmark-storage; "
        "write --feedrate-baseline=FILE: after a space pytest takes a file for a test's, and may choose another rootdir",
    )


def pytest_configure(config: pytest.Config) -> None:
    """A mistake in the options ends pytest here: before anything is collected."""
    config.stash[RESULTS] = []
    config.stash[BASELINE] = None
    if config.getoption("--feedrate-fail-if") is not None or config.getoption("--feedrate-baseline") is not None:
        from feedrate.bench.plugin import baseline_gate

        config.stash[BASELINE] = baseline_gate.read_options(config)


if HAS_BENCHMARK:

    @pytest.fixture
    def feedrate(request: pytest.FixtureRequest, benchmark: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
        """feedrate(loader, dataset=..., rows=..., mode=...): see bench/plugin/fixture.py for what it takes and does."""
        return _checker(request, benchmark, tmp_path_factory)

else:

    @pytest.fixture
    def feedrate() -> Any:
        pytest.fail("the fixture feedrate needs pytest-benchmark: `pip install pytest-benchmark`")


def _checker(
    request: pytest.FixtureRequest, benchmark: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., dict[str, Any]]:
    from feedrate.bench.plugin import fixture

    config, baseline = request.config, request.config.stash[BASELINE]

    def check(loader: Any, **options: Any) -> dict[str, Any]:
        asked = fixture.asked(loader, **options)
        fixture.conform(asked, tmp_path_factory.mktemp("conformance"))
        fixture.refuse_shared_cores(gated=baseline is not None)
        dataset = fixture.prepared(asked, _cache_folder(config, tmp_path_factory))
        base = _comparable(baseline, request.node, fixture.settings(asked, dataset)) if baseline else {}
        found = fixture.timed(asked, benchmark, dataset)
        config.stash[RESULTS].append({"test": request.node.name, "nodeid": request.node.nodeid, **found})
        if baseline:
            _gate(baseline, base, found)
        return found

    return check


def _cache_folder(config: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = getattr(config, "cache", None)  # -p no:cacheprovider
    return cache.mkdir("feedrate") if cache else tmp_path_factory.getbasetemp() / "feedrate"


def _comparable(baseline: Baseline, node: pytest.Item, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    from feedrate.bench.plugin import baseline_gate
    from feedrate.loaders.errors import FeedrateError

    try:
        base = baseline_gate.comparable(baseline, node.nodeid, settings)
    except FeedrateError as error:
        pytest.fail(str(error), pytrace=False)
    if sentence := baseline_gate.other_machine(baseline, base, settings):
        node.warn(pytest.PytestWarning(sentence))
    return base


def _gate(baseline: Baseline, base: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    from feedrate.bench.plugin import baseline_gate

    if sentences := list(baseline_gate.failures(baseline, base, found)):
        pytest.fail("\n".join([f"against {baseline.path.name}", *sentences]), pytrace=False)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.exitstatus == pytest.ExitCode.OK and _unmeasured(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _unmeasured(config: pytest.Config) -> list[str]:
    baseline = config.stash[BASELINE]
    if baseline is None or config.option.collectonly:
        return []
    from feedrate.bench.plugin import baseline_gate

    results: list[dict[str, Any]] = config.stash[RESULTS]
    narrowed = config.option.keyword or config.option.markexpr or any("::" in word for word in config.args)
    gone = [] if narrowed else baseline_gate.lost(baseline, {found["nodeid"] for found in results})
    return [*baseline_gate.unmeasured(baseline, results), *gone]


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """What pytest-benchmark's table has no columns for, and conditions that have let everything pass."""
    results: list[dict[str, Any]] = config.stash[RESULTS]
    unmeasured = _unmeasured(config) if exitstatus == pytest.ExitCode.OK else []
    if results or unmeasured:
        terminalreporter.write_sep("-", "feedrate")
    if results:
        _write_table(terminalreporter, results)
    for sentence in unmeasured:
        terminalreporter.write_line(f"FAILED {sentence}", red=True)


def _write_table(terminalreporter: Any, results: Sequence[Mapping[str, Any]]) -> None:
    width = max(len(found["test"]) for found in results)
    terminalreporter.write_line(f"{'test':{width}}  {'mode':6}  {'rows/s':>12}  {'waiting':>8}  {'AUC':>7}")
    for found in results:
        auc = f"{found['auc']:.4f}" if "auc" in found else "-"
        terminalreporter.write_line(
            f"{found['test']:{width}}  {found['mode']:6}  {found['rows_per_s']:12,.0f}  {found['wait_fraction']:8.1%}  {auc:>7}"
        )
