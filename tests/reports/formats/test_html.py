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
from feedrate.bench.results.profiles.explained import explain
from feedrate.bench.results.profiles.record import Bar, PartRow, Profile, RangeRow, StepMark
from feedrate.bench.results.record import TrialResult
from feedrate.reports.analysis.history import history
from feedrate.reports.analysis.summarize import summarize
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


def test_the_page_needs_nothing_from_elsewhere_and_is_under_2_mb() -> None:
    page = _page(("a", RUN))
    before_data = page[: page.index('<script type="application/json"')]
    assert all(address.startswith("#") for address in re.findall(r'(?:src|href)="([^"]*)', before_data))
    assert "default-src &#39;none&#39;; script-src &#39;sha256-" in before_data
    assert page.count("Plotly.react(") >= 1
    assert len(page.encode()) < 2_000_000


def test_every_figure_has_its_place_its_words_and_its_data() -> None:
    page = _page(("a", RUN))
    names = [figure["name"] for figure in _data(page)]
    assert names == [
        "throughput", "throughput-load", "ceiling", "waiting", "wait-times", "wait-distribution", "auc", "auc-over-time",
        "frontier-peak-rss-bytes", "frontier-auc", "memory",
    ]  # fmt: skip
    for name in names:
        assert re.search(rf'id="{name}" role="img" aria-label="[^"]{{40,}}"', page)


def test_figures_without_data_are_left_out() -> None:
    comparison = summarize([(Path("a"), record(trial("fast", "load", 100)))])
    assert [figure.name for figure in figures(comparison)] == ["throughput", "memory"]


def test_points_carry_interval_and_raw_samples() -> None:
    [figure] = [figure for figure in figures(summarize([(Path("a"), RUN)])) if figure.name == "throughput"]
    [band, raw, mean] = [trace for trace in figure.data if trace["meta"].get("loader") == "fast"]
    assert band["x"] == [1000, 1000]
    assert mean["x"][0] == pytest.approx(800)
    assert mean["error_x"]["array"][0] == pytest.approx(24.8, abs=0.1)
    assert raw["x"] == pytest.approx([790, 800, 810])
    assert "n = 3 processes;" in figure.basis


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
        ("pinned", [("yes", False), ("yes", False)]),
    ]


def test_throughput_over_an_axis_is_drawn_if_it_was_swept() -> None:
    swept = [trial("a", "train", 100 * size, size=size) for size in (16, 64)]
    workers = [trial(f"b:workers={count}", "train", 100 + count) for count in (1, 4)]
    names = {figure.name for figure in figures(summarize([(Path("a"), record(*swept, *workers))]))}
    assert {"batch-sizes", "workers"} <= names


def test_every_figure_of_history_and_site_has_its_table(tmp_path: Path) -> None:
    for number in range(5):  # fewer make no figure
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
    assert 'href="#timeline-title"' in page
    assert html.OLD_PROFILE in page
    assert (
        html.OLD_PROFILE
        not in html.profile_of(explain(replace(_profile(), marks=(StepMark(number=1, start_s=0.0),))))["notes"]
    )
    assert "<code>feedrate explain DIR --open</code>" in page
    assert "<b>gemm</b>" not in page
    content = re.search(r'id="profiles-data">(.*?)</script>', page)
    assert content is not None
    [chart] = json.loads(content[1])["charts"]
    [group] = chart["groups"]
    assert [(lane["kind"], lane["names"], lane["start"]) for lane in group["lanes"]] == [
        ("ranges", ["next"], [0.0]), ("kernels", ["<b>gemm</b>"], [0.003]),
    ]  # fmt: skip


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
    assert host["y"] == ["next", "forward", "backward", "optimizer", "rest of the loop", "total"]
    assert host["x"] == pytest.approx([20, 10, 30, 5, 35, 100])
    assert host["base"] == pytest.approx([0, 20, 30, 60, 65, 0])
    assert device["y"] == ["next", "forward", "backward", "optimizer", "other work", "idle", "total"]
    assert device["text"] == ["0.0 %", "30.0 %", "20.0 %", "40.0 %", "5.0 %", "5.0 %", "100.0 %"]
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
    assert host["y"] == ["next", "step", "rest of the loop", "total"]
    assert host["x"] == pytest.approx([2, 10, 88, 100])
    assert device["x"] == pytest.approx([0, 90, 5, 5, 100])


def test_profiles_are_printed_to_the_console_of_results(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = Console(file=StringIO(), width=200)
    monkeypatch.setattr(terminal, "out", shared)
    parts = tuple(PartRow(part="forward", kind="function", name=name, count=10, seconds=0.1) for name in ("mm", ""))
    profile.print_profiles([explain(replace(_profile(), parts=parts))])
    printed = shared.file.getvalue()  # type: ignore[attr-defined]
    assert "input-bound: fetch" in printed
    assert "  Costliest functions of each part, per step:\n  forward: mm 10.0 ms (10.0 %)\n" in printed


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
