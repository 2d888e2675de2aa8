from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import log
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from feedrate.bench.cli.app import app
from feedrate.bench.results import store
from feedrate.bench.results.record import RunRecord
from feedrate.loaders.errors import FeedrateError
from feedrate.reports.analysis.changes import change_points
from feedrate.reports.analysis.history import History, history
from feedrate.reports.formats import history_page, history_text
from tests.samples.chromium import dump_dom, needs_chromium
from tests.samples.sample_record import record, trial
from tests.samples.snapshot import check_page

START = datetime(2026, 1, 1, tzinfo=UTC)
HOSTILE = "</script><script>document.title='owned'</script>\x1b[31m\u202e"


def _run(number: int, rates: dict[str, float], *, commit: str = "", torch: str = "2.13.0") -> RunRecord:
    run = record(*(trial(name, "train", rate * (1 + 0.001 * i), i) for name, rate in rates.items() for i in range(2)))
    env = replace(
        run.environment,
        commit=commit or f"{number:07x}feed",
        started_at=(START + timedelta(days=number)).isoformat(),
        packages={"torch": torch},
    )
    return replace(run, environment=env)


def _write(folder: Path, runs: Sequence[RunRecord]) -> Path:
    for i, run in enumerate(reversed(runs)):  # names are not in order of time
        store.write(folder / f"r{i:03d}", run)
    return folder


def _history(folder: Path) -> History:
    warnings: list[str] = []
    result = history(folder, warnings.append)
    assert not warnings
    return result


def _changes(result: History) -> list[tuple[str, str, str]]:
    return [
        (series.loader, series.metric.name, series.points[change.at].moment.commit)
        for series in result.series
        for change in series.changes
    ]


def _noisy(levels: Sequence[float], noise: float = 0.02, seed: int = 0) -> list[float]:
    source = random.Random(seed)
    return [level * source.gauss(1, noise) for level in levels]


def test_a_planted_change_is_found_at_its_run_and_only_there(tmp_path: Path) -> None:
    fast = _noisy([800] * 12 + [680] * 8)
    steady = _noisy([100] * 20, seed=1)
    runs = [
        _run(i, {"fast": fast_rate, "slow": slow_rate})
        for i, (fast_rate, slow_rate) in enumerate(zip(fast, steady, strict=True))
    ]
    result = _history(_write(tmp_path, runs))
    assert (result.runs, result.trials) == (20, 80)
    assert _changes(result) == [("fast", "train_rows_per_s", "000000c")]
    [change] = [change for series in result.series for change in series.changes]
    assert change.size == pytest.approx(-0.15, abs=0.02)


def test_noise_alone_is_not_marked_as_a_change() -> None:
    source = random.Random(7)
    for length in (5, 8, 20, 60):
        marked = sum(
            bool(change_points([log(source.gauss(100, 5)) for _ in range(length)], log(1.03))) for _ in range(100)
        )
        assert marked == 0, length


def test_two_changes_an_outlier_and_a_change_too_small_to_matter() -> None:
    steps = [log(x) for x in _noisy([100] * 10 + [80] * 10 + [120] * 10)]
    assert change_points(steps, 0.03) == [10, 20]
    assert change_points([*steps[:5], log(500), *steps[5:10]], 0.03) == []
    assert change_points([0.0] * 10 + [0.02] * 10, 0.03) == []
    assert change_points([0.0] * 10 + [0.04] * 10, 0.03) == [10]
    assert change_points([0.0, 0.0, 1.0, 1.0], 0.03) == []


def test_a_new_level_of_one_run_is_not_marked_until_a_second_confirms_it() -> None:
    before = [log(x) for x in _noisy([100] * 12)]
    assert change_points([*before, log(70)], 0.03) == []
    assert change_points([*before, log(70), log(70.5)], 0.03) == [12]


def test_other_settings_machines_and_data_make_separate_series(tmp_path: Path) -> None:
    base = _run(0, {"fast": 800})
    spec = base.trials[0].spec
    others = [
        replace(base, environment=replace(base.environment, gpu="Another GPU")),
        replace(base, environment=replace(base.environment, cores=64)),
        replace(base, dataset=replace(base.dataset, fingerprint="f" * 16)),
        replace(base, trials=(replace(base.trials[0], spec=replace(spec, epochs=9)),)),
        replace(base, trials=(replace(base.trials[0], spec=replace(spec, batch_size=7)),)),
        replace(base, trials=(replace(base.trials[0], spec=replace(spec, model=replace(spec.model, step="fast"))),)),
    ]
    result = _history(_write(tmp_path, [base, *others]))
    speeds = [series for series in result.series if series.metric.name == "train_rows_per_s"]
    assert len(speeds) == 7
    assert {len(series.points) for series in speeds} == {1}


def test_failed_and_void_trials_add_no_points(tmp_path: Path) -> None:
    run = _run(0, {"fast": 800})
    void = replace(run.trials[0], status="void", spec=replace(run.trials[0].spec, loader="bad"))
    result = _history(_write(tmp_path, [replace(run, trials=(*run.trials, void))]))
    assert {series.loader for series in result.series} == {"fast"}


def test_the_table_shows_each_change_its_run_and_the_versions_that_changed(tmp_path: Path) -> None:
    runs = [
        _run(i, {"fast": x}, torch="2.13.0" if i < 6 else "2.14.0") for i, x in enumerate([800.0] * 6 + [400.0] * 6)
    ]
    result = _history(_write(tmp_path, runs))
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    history_text.print_history(result, console)
    shown = console.export_text()
    assert "▼ -50.0 % at 0000006 (before: 0000005), 2026-01-07, run 7 of 12" in shown
    assert "800 rows/s to 400 rows/s" in shown
    assert "torch 2.13.0 to 2.14.0" in " ".join(shown.split())
    assert "██████▁▁▁▁▁▁" in shown
    assert "1 change" in shown


def test_a_long_series_is_averaged_in_its_sparkline() -> None:
    assert history_text.sparkline([1.0, 2.0, 3.0]) == "▁▅█"
    assert history_text.sparkline([5.0] * 3) == "▄▄▄"
    assert history_text.sparkline([0.0] * 320 + [1.0] * 320) == "▁" * 16 + "█" * 16


def test_the_page_matches_its_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [_run(i, {"fast": x}) for i, x in enumerate([800.0] * 6 + [400.0] * 6)]
    _write(tmp_path / "runs", runs)
    monkeypatch.chdir(tmp_path)
    check_page(history_page.render(_history(Path("runs")), made_at=START), "history.html")


def test_too_few_runs_are_not_reported_as_unchanged(tmp_path: Path) -> None:
    result = _history(_write(tmp_path, [_run(0, {"fast": 800.0}), _run(1, {"fast": 400.0})]))
    assert "no change can be judged" in history_text.answer(result)


def test_the_page_marks_the_change_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    runs = [_run(i, {HOSTILE: x}, commit=HOSTILE) for i, x in enumerate([800.0] * 6 + [400.0] * 6)]
    page = history_page.render(_history(_write(tmp_path, runs)), made_at=START)
    markup = page[: page.index('<script type="application/json"')]
    assert not re.findall(r"""\s(?:src|href|on\w+)\s*=|url\(|@import""", markup)
    assert "circle-open" in page
    assert "<script>document" not in page
    assert "\x1b" not in markup
    assert "\u202e" not in markup


def test_broken_records_are_named_and_skipped(tmp_path: Path) -> None:
    store.write(tmp_path / "good", _run(0, {"fast": 800}))
    store.write(tmp_path / "huge", _run(1, {"fast": 1e300}))
    bad = _run(2, {"fast": 1})
    store.write(tmp_path / "when", replace(bad, environment=replace(bad.environment, started_at="yesterday")))
    for name, content in (("cut", b'{"schema_version": 2, "envi'), ("deep", b"[" * 100_000), ("bytes", b"\xff\xfe")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_bytes(content)
    warnings: list[str] = []
    assert history(tmp_path, warnings.append).runs == 1
    assert len(warnings) == 5
    assert all(
        any(f"{name}/run.json" in line for line in warnings) for name in ("huge", "when", "cut", "deep", "bytes")
    )


def test_a_folder_without_records_gives_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FeedrateError, match=r"contains no run\.json: pass a folder of runs"):
        history(tmp_path, print)
    with pytest.raises(FeedrateError, match="does not exist"):
        history(tmp_path / "none", print)


def test_the_command_prints_and_writes(tmp_path: Path) -> None:
    _write(tmp_path / "runs", [_run(i, {"fast": 800}) for i in range(6)])
    done = CliRunner().invoke(app, ["history", str(tmp_path / "runs"), "-o", str(tmp_path / "out" / "h.html")])
    assert done.exit_code == 0, done.output
    assert "steady" in done.output
    assert (tmp_path / "out" / "h.html").stat().st_size < 6_000_000


@needs_chromium
def test_a_browser_draws_the_page_with_an_empty_console(tmp_path: Path) -> None:
    runs = [_run(i, {HOSTILE: x, "slow": 100}) for i, x in enumerate([800.0] * 6 + [400.0] * 6)]
    path = tmp_path / "history.html"
    path.write_text(history_page.render(_history(_write(tmp_path / "runs", runs))), errors="replace")
    done = dump_dom(path, tmp_path / "profile")
    assert done.returncode == 0, done.stderr
    assert "CONSOLE" not in done.stderr
    assert "<title>feedrate history</title>" in done.stdout
    assert done.stdout.count('class="plot-container plotly"') == done.stdout.count('class="figure') - done.stdout.count(
        'class="figures"'
    )
