"""The report's page and its figures: their data, sentences and tables, and names from records that could be markup."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from feedrate.bench.cli import profile, terminal
from feedrate.bench.results import store
from feedrate.bench.results.gpu_record import GpuRecord
from feedrate.bench.results.profiles.explained import explain
from feedrate.bench.results.profiles.record import Bar, Profile, RangeRow
from feedrate.bench.results.record import RunRecord, TrialResult
from feedrate.reports.analysis.history import history
from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.figures.figure import Figure
from feedrate.reports.figures.frontiers import on_frontier
from feedrate.reports.figures.overview import figures
from feedrate.reports.formats import history_page, html
from feedrate.reports.formats.site import build
from tests.samples.sample_record import RUN, record, trial
from tests.samples.snapshot import check_page

AT = datetime(2026, 1, 1, tzinfo=UTC)
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def _page(*runs: tuple[str, object]) -> str:
    return html.render(summarize([(Path(name), run) for name, run in runs]), made_at=AT)  # type: ignore[misc]


def _data(page: str) -> list[dict[str, object]]:
    match = re.search(r'id="figures-data">(.*?)</script>', page, re.DOTALL)
    assert match is not None
    data: list[dict[str, object]] = json.loads(match.group(1))
    return data


def test_the_page_needs_nothing_from_elsewhere_and_is_under_6_mb() -> None:
    page = _page(("a", RUN))
    before_data = page[: page.index('<script type="application/json"')]
    assert re.findall(r'(?:src|href)="([^"]*)', before_data) == ["#results"]
    assert "default-src &#39;none&#39;; script-src &#39;sha256-" in before_data
    assert page.count("Plotly.react(") >= 1
    assert len(page.encode()) < 6_000_000


def test_every_figure_has_its_place_its_words_and_its_data() -> None:
    page = _page(("a", RUN))
    names = [figure["name"] for figure in _data(page)]
    assert names == [
        "throughput", "ceiling", "waiting", "wait-times", "wait-distribution", "auc", "auc-over-time",
        "frontier-peak-rss-bytes", "frontier-auc", "memory",
    ]  # fmt: skip
    for name in names:
        assert re.search(rf'id="{name}" role="img" aria-label="[^"]{{40,}}"', page)


def test_figures_without_data_are_left_out() -> None:
    comparison = summarize([(Path("a"), record(trial("fast", "load", 100)))])
    assert [figure.name for figure in figures(comparison)] == ["throughput"]


def test_points_carry_interval_and_raw_samples() -> None:
    [figure] = [figure for figure in figures(summarize([(Path("a"), RUN)])) if figure.name == "throughput"]
    [mean, raw] = [trace for trace in figure.data if "fast" in trace["y"] and 5_000_000 not in trace["x"]][:2]
    assert mean["x"][0] == pytest.approx(800)
    assert mean["error_x"]["array"][0] == pytest.approx(24.8, abs=0.1)
    assert raw["x"][:3] == pytest.approx([790, 800, 810])
    assert "n = 1 to 3" in figure.basis


def _figures(*runs: RunRecord) -> dict[str, Figure]:
    comparison = summarize([(Path(f"run{number}"), run) for number, run in enumerate(runs)])
    return {figure.name: figure for figure in figures(comparison)}


def _table(figure: Figure) -> list[dict[str, str]]:
    head, lines = figure.table
    return [dict(zip(head, line, strict=True)) for line in lines]


def test_a_table_holds_mean_interval_n_and_every_sample() -> None:
    training = [line for line in _table(_figures(RUN)["throughput"]) if line["Series"] == "Training"]
    assert training[0] == {
        "Series": "Training", "Loader": "fast", "rows/s": "800 rows/s", "rows/s: 95 % interval": "775 rows/s to 825 rows/s",
        "n": "3", "rows/s: samples": "790 rows/s, 800 rows/s, 810 rows/s",
    }  # fmt: skip


def test_a_table_of_auc_holds_minimum_and_maximum_by_epoch() -> None:
    run = record(*(trial("a", "train", 100, repeat, auc=auc) for repeat, auc in enumerate((0.80, 0.82))))
    for name in ("auc", "auc-over-time"):
        last = _table(_figures(run)[name])[-1]
        assert last["AUC"] == "0.8100"
        assert last["AUC: minimum to maximum"] == "0.8000 to 0.8200"
        assert last["AUC: samples"] == "0.8000, 0.8200"


def test_a_table_has_a_line_for_each_point_and_the_ends_of_a_long_line() -> None:
    for figure in _figures(RUN).values():
        drawn = [len(trace["x"]) for trace in figure.data if trace.get("hoverinfo") != "skip"]
        lines = figure.table[1]
        assert len(lines) == sum(drawn) or figure.thinned
    waits = [line for line in _table(_figures(RUN)["wait-distribution"]) if line["Series"] == "fast"]
    assert 35 <= len(waits) <= 41
    assert [waits[0]["share of steps with at most this wait"], waits[-1]["wait"]] == ["0.5 %", "100 ms"]


def test_every_figure_states_unit_n_interval_cache_and_device() -> None:
    gpu = GpuRecord(samples=2, period_s=0.1, busy_fraction=0.5, at_s=(0.0, 0.1), busy=(0.5, None))
    swept = [replace(trial("a", "train", 100 * size, size=size), gpu=gpu, peak_gpu_bytes=1000) for size in (16, 64)]
    workers = [trial(f"b:workers={count}", "train", 100 + count) for count in (1, 4)]
    by_name = {**_figures(RUN), **_figures(record(*swept, *workers))}
    assert {"ceiling", "waiting", "batch-sizes", "workers", "utilisation", "frontier-peak-gpu-bytes", "memory"} <= {
        *by_name
    }
    for figure in by_name.values():
        assert re.fullmatch(
            r"Unit: [^;]+; n = \d[^;]*; (bars: |no interval: )[^;]+; page cache warm; A GPU\.", figure.basis
        ), figure.basis


def test_a_share_of_the_ceiling_has_an_interval_from_rounds() -> None:
    replays = [trial("replay", "replay", rows_per_s, repeat) for repeat, rows_per_s in enumerate((1000, 1100, 900))]
    trains = [trial("a", "train", rows_per_s, repeat) for repeat, rows_per_s in enumerate((500, 550, 450))]
    [line] = _table(_figures(record(*replays, *trains))["ceiling"])
    assert line["training / model alone: 95 % interval"] == "50.0 % to 50.0 %"
    assert line["training / model alone: samples"] == "50.0 %, 50.0 %, 50.0 %"
    alone = _figures(record(replays[0], trains[0]))["ceiling"]
    assert "no interval: only one trial" in alone.basis
    assert "training / model alone: 95 % interval" not in alone.table[0]
    assert "no interval: only one trial" in _figures(record(replays[0], *trains))["ceiling"].basis


def test_a_figure_names_only_the_loaders_that_it_draws() -> None:
    run = record(trial("trained", "train", 100), trial("replay", "replay", 200), trial("alone", "load", 100))
    by_name = _figures(run)
    assert by_name["throughput"].layout["yaxis"]["categoryarray"] == ["trained", "alone"]
    assert by_name["ceiling"].layout["yaxis"]["categoryarray"] == ["trained"]


def test_frontiers_have_intervals_on_both_axes() -> None:
    [fast, slow] = _table(_figures(RUN)["frontier-auc"])
    assert fast["rows/s: 95 % interval"] == "775 rows/s to 825 rows/s"
    assert fast["AUC: 95 % interval"] == "0.8050 to 0.8050"
    assert slow["n"] == "3"


def test_a_frontier_of_host_memory_uses_pss_if_it_is_known() -> None:
    trials = [replace(trial(name, "train", 100), peak_pss_bytes=1_000_000) for name in ("a", "b")]
    names = {*_figures(record(*trials))}
    assert "frontier-peak-pss-bytes" in names
    assert "frontier-peak-rss-bytes" not in names


def test_utilisation_has_a_line_for_each_trial_and_gaps_for_missing_values() -> None:
    gpu = GpuRecord(samples=3, period_s=0.1, at_s=(0.0, 0.1, 0.2), busy=(0.5, None, 0.7))
    figure = _figures(record(*(replace(trial("a", "train", 100, repeat), gpu=gpu) for repeat in range(2))))[
        "utilisation"
    ]
    assert [(trace["name"], trace["visible"]) for trace in figure.data] == [
        ("a, trial 1", True),
        ("a, trial 2", "legendonly"),
    ]
    assert figure.data[0]["y"] == [0.5, None, 0.7]
    assert [line["GPU busy"] for line in _table(figure)][:3] == ["50.0 %", "-", "70.0 %"]


def test_trials_without_a_result_are_shown_with_their_reason() -> None:
    assert "<em>unavailable</em>. get it | there" in _page(("a", RUN))


def test_names_from_a_record_reach_the_page_only_escaped() -> None:
    evil = record(
        trial(HOSTILE, "train", 100),
        TrialResult(spec=trial("x", "load", 1).spec, status="failed", detail=HOSTILE),
    )
    evil = replace(evil, environment=replace(evil.environment, gpu=HOSTILE, command=HOSTILE))
    page = _page((HOSTILE.replace("/", ""), evil))
    assert HOSTILE not in page
    assert "<img src=x" not in page
    assert 'onerror="' not in page


def test_the_page_matches_its_snapshot() -> None:
    check_page(_page(("a", RUN)), "report.html")


def test_options_of_loaders_are_listed_side_by_side() -> None:
    trials = [
        replace(trial(name, "train", 100), options={"workers": "8", "pinned": "True"}) for name in ("a:workers=8", "b")
    ]
    assert html.options_table(summarize([(Path("a"), record(*trials))])) == [
        ("workers", [("8", True), ("8", False)]),
        ("pinned", [("True", False), ("True", False)]),
    ]


def test_a_frontier_holds_the_points_that_no_other_beats() -> None:
    points = [(1.0, 10.0), (2.0, 20.0), (3.0, 15.0), (2.0, 5.0), (4.0, 20.0)]
    assert on_frontier(points, lower=True) == [(1.0, 10.0), (2.0, 20.0)]
    assert on_frontier(points, lower=False) == [(4.0, 20.0)]
    assert on_frontier([(1.0, 10.0), (2.0, 5.0)], lower=False) == [(1.0, 10.0), (2.0, 5.0)]


def test_throughput_over_an_axis_is_drawn_if_it_was_swept() -> None:
    swept = [trial("a", "train", 100 * size, size=size) for size in (16, 64)]
    workers = [trial(f"b:workers={count}", "train", 100 + count) for count in (1, 4)]
    names = {figure.name for figure in figures(summarize([(Path("a"), record(*swept, *workers))]))}
    assert {"batch-sizes", "workers"} <= names


def test_a_line_of_a_sweep_belongs_to_one_run_one_loader_and_one_batch_size() -> None:
    trials = [trial(f"b:workers={count}", "train", 100 * count, size=size) for count in (1, 4) for size in (16, 64)]
    figure = _figures(record(*trials), record(*trials))["workers"]
    assert sorted((trace["name"], tuple(trace["x"])) for trace in figure.data) == [
        (f"b, run{run}, batch {size}, training", (1, 4)) for run in (0, 1) for size in (16, 64)
    ]
    [first, *_] = _figures(record(*trials), record(*trials))["batch-sizes"].data
    assert first["x"] == [16, 64]


def test_workers_of_a_sweep_are_the_loader_s_option_or_otherwise_the_run_s_setting() -> None:
    by_setting = trial("b", "train", 400)
    by_option = trial("b:workers=2", "train", 200)
    by_setting = replace(by_setting, spec=replace(by_setting.spec, workers=4))
    [line] = _figures(record(by_option, by_setting))["workers"].data
    assert line["x"] == [2, 4]


def test_every_figure_of_history_and_site_has_its_table(tmp_path: Path) -> None:
    for number in range(2):
        started = replace(RUN.environment, started_at=f"2026-01-0{number + 1}T00:00:00+00:00")
        store.write(tmp_path / "runs" / f"r{number}", replace(RUN, environment=started))
    build(tmp_path / "runs", tmp_path / "site", pytest.fail)
    [place] = (tmp_path / "site" / "results").glob("*.html")
    trend = history_page.render(history(tmp_path / "runs", pytest.fail), made_at=AT)
    for page in (trend, place.read_text()):
        names = [figure["name"] for figure in _data(page)]
        assert names
        for name in names:
            section = page[page.index(f'id="{name}"') : page.index("</section>", page.index(f'id="{name}"'))]
            assert section.count("<details") == 1
            assert section.count("<tr>") > 2
            assert "Unit: " in section
    assert re.search(
        r"<td>800 rows/s</td><td>775 rows/s to 825 rows/s</td><td>abcdef0\+?, 2026-01-01</td><td>3</td>", trend
    )


def _profile() -> Profile:
    bars = (
        Bar(row="main", name="next", start_s=0.0, end_s=0.003),
        Bar(row="device: kernels", name="<b>gemm</b>", start_s=0.003, end_s=0.004),
    )
    spec = trial("fast", "train", 1).spec
    waits = replace(RUN.trials[0].epochs[0], stall_s=0.5, wait_s=0.5, wall_s=1.0, wait_cpu_s=0.0, wait_others_cpu_s=0.0)  # type: ignore[index]
    return Profile(
        spec=spec, profiler="torch", version="2", steps=10, rows=1000, window_s=1.0, epoch=waits, cores=2,
        kernel_busy_fraction=None, device_busy_fraction=None, ranges=(), timeline=bars,
    )  # fmt: skip


def test_a_profile_s_causes_and_timeline_are_in_the_page() -> None:
    page = html.render(summarize([(Path("a"), RUN)]), profiles=[explain(_profile())], made_at=AT)
    assert "<strong>input-bound: fetch</strong>" in page
    assert 'href="#timeline-0-title"' in page
    assert "<td>3 ms to 4 ms</td>" in page
    [figure] = [figure for figure in _data(page) if figure["name"] == "timeline-0"]
    assert [trace["name"] for trace in figure["data"]] == ["next", "&lt;b&gt;gemm&lt;/b&gt;"]  # type: ignore[attr-defined, index]


def test_a_step_is_drawn_part_after_part_and_its_parts_add_up() -> None:
    parts = (("next", 0.2, 0.0), ("forward", 0.1, 0.3), ("backward", 0.3, 0.2), ("optimizer", 0.05, 0.4))
    rows = tuple(
        RangeRow(name=name, thread="main", count=10, seconds=seconds, device_s=device)
        for name, seconds, device in parts
    )
    other_thread = RangeRow(name="next", thread="valid 7", count=10, seconds=9.0, device_s=None)
    profiled = replace(_profile(), ranges=(*rows, other_thread), device_busy_fraction=0.95)
    page = html.render(summarize([(Path("a"), RUN)]), profiles=[explain(profiled)], made_at=AT)
    [figure] = [figure for figure in _data(page) if figure["name"] == "waterfall-0"]
    host, device = figure["data"]  # type: ignore[misc]
    assert host["y"] == ["next", "forward", "backward", "optimizer", "other work", "rest", "total"]
    assert host["x"] == pytest.approx([20, 10, 30, 5, 0, 35, 100])
    assert host["base"] == pytest.approx([0, 20, 30, 60, 65, 65, 0])
    assert device["x"] == pytest.approx([0, 30, 20, 40, 5, 5, 100])
    assert "<td>20 ms to 30 ms</td>" in page


def test_a_step_that_is_a_single_graph_is_drawn_as_one_part() -> None:
    rows = tuple(
        RangeRow(name=name, thread="main", count=10, seconds=seconds, device_s=device)
        for name, seconds, device in (("next", 0.02, 0.0), ("step", 0.1, 0.9))
    )
    profiled = replace(_profile(), ranges=rows, device_busy_fraction=0.95)
    [figure] = [
        figure
        for figure in _data(html.render(summarize([(Path("a"), RUN)]), profiles=[explain(profiled)], made_at=AT))
        if figure["name"] == "waterfall-0"
    ]
    host, device = figure["data"]  # type: ignore[misc]
    assert host["y"] == ["next", "step", "other work", "rest", "total"]
    assert host["x"] == pytest.approx([2, 10, 0, 88, 100])
    assert device["x"] == pytest.approx([0, 90, 5, 5, 100])


def test_profiles_are_printed_to_the_console_of_results(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = Console(file=StringIO(), width=200)
    monkeypatch.setattr(terminal, "out", shared)
    profile.print_profiles([explain(_profile())])
    assert "input-bound: fetch" in shared.file.getvalue()  # type: ignore[attr-defined]


def test_several_runs_are_judged_against_the_first_and_their_differences_are_listed() -> None:
    slower = replace(
        RUN,
        environment=replace(RUN.environment, gpu="B GPU"),
        trials=tuple(trial("fast", "train", rate, number) for number, rate in enumerate((390, 400, 410))),
    )
    comparison = summarize([(Path("a"), RUN), (Path("b"), slower)])
    [(title, lines, why)] = html.against_first(comparison)
    assert (title, why) == ("b against a", "")
    [line] = [line for line in lines if line[2] == "Training"]
    assert (line[0], line[3], line[4], line[6]) == ("fast", "800 rows/s", "400 rows/s", "slower")
    page = html.render(comparison, made_at=AT)
    assert "Comparison of runs" in page
    assert "the runs differ in GPU (A GPU in a, B GPU in b)" in page
    other_data = replace(slower, dataset=replace(slower.dataset, fingerprint="f" * 16))
    [(_, lines, why)] = html.against_first(summarize([(Path("a"), RUN), (Path("b"), other_data)]))
    assert lines == []
    assert "must not be compared" in why
