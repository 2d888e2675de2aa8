from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from feedrate.bench.profiling.diagnosis import diagnose
from feedrate.bench.profiling.record import Bar, Profile
from feedrate.bench.record import TrialResult
from feedrate.reports import html
from feedrate.reports.compare import compare
from feedrate.reports.figures import figures
from feedrate.reports.frontiers import on_frontier
from sample_record import RUN, record, trial

AT = datetime(2026, 1, 1, tzinfo=UTC)
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def _page(*runs: tuple[str, object]) -> str:
    return html.render(compare([(Path(name), run) for name, run in runs]), made_at=AT)  # type: ignore[misc]


def _data(page: str) -> list[dict[str, object]]:
    found = re.search(r'id="figures-data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: list[dict[str, object]] = json.loads(found.group(1))
    return data


def test_the_page_needs_nothing_from_elsewhere_and_is_under_6_mb() -> None:
    page = _page(("a", RUN))
    own = page[: page.index('<script type="application/json"')]
    assert re.findall(r'(?:src|href)="([^"]*)', own) == ["#results"]
    assert "default-src &#39;none&#39;; script-src &#39;sha256-" in own
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
    comparison = compare([(Path("a"), record(trial("fast", "load", 100)))])
    assert [figure.name for figure in figures(comparison)] == ["throughput"]


def test_points_carry_interval_and_raw_samples() -> None:
    [figure] = [figure for figure in figures(compare([(Path("a"), RUN)])) if figure.name == "throughput"]
    [mean, raw] = [trace for trace in figure.data if "fast" in trace["y"] and 5_000_000 not in trace["x"]][:2]
    assert mean["x"][0] == pytest.approx(800)
    assert mean["error_x"]["array"][0] == pytest.approx(24.8, abs=0.1)
    assert raw["x"][:3] == pytest.approx([790, 800, 810])
    assert "n = 1 to 3" in figure.about


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


def test_the_page_is_what_it_was() -> None:
    """All of it but styles, scripts and the figures' data. FEEDRATE_SNAPSHOTS=write accepts what is there now: read the diff."""
    page = re.sub(r"(?s)<(style|script)[^>]*>.*?</\1>", r"<\1>...</\1>", _page(("a", RUN)))
    page = re.sub(r"sha256-[^&]*", "sha256-...", page)
    kept = Path(__file__).parent / "snapshots" / "report.html"
    if os.environ.get("FEEDRATE_SNAPSHOTS") == "write":
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(page)
    assert page.splitlines() == kept.read_text().splitlines()


def test_loaders_options_stand_side_by_side() -> None:
    own = [
        replace(trial(name, "train", 100), options={"workers": "8", "pinned": "True"})
        for name in ("one:workers=8", "other")
    ]
    assert html.options_table(compare([(Path("a"), record(*own))])) == [
        ("workers", [("8", True), ("8", False)]),
        ("pinned", [("True", False), ("True", False)]),
    ]


def test_a_frontier_is_what_nobody_beats() -> None:
    points = [(1.0, 10.0), (2.0, 20.0), (3.0, 15.0), (2.0, 5.0), (4.0, 20.0)]
    assert on_frontier(points, lower=True) == [(1.0, 10.0), (2.0, 20.0)]
    assert on_frontier(points, lower=False) == [(4.0, 20.0)]
    assert on_frontier([(1.0, 10.0), (2.0, 5.0)], lower=False) == [(1.0, 10.0), (2.0, 5.0)]


def test_throughput_over_an_axis_is_drawn_where_one_was_swept() -> None:
    swept = [trial("a", "train", 100 * size, size=size) for size in (16, 64)]
    workers = [trial(f"b:workers={count}", "train", 100 + count) for count in (1, 4)]
    names = {figure.name for figure in figures(compare([(Path("a"), record(*swept, *workers))]))}
    assert {"batch-sizes", "workers"} <= names


def test_a_profile_s_causes_and_timeline_are_in_the_page() -> None:
    bars = (
        Bar(row="main", name="next", start_s=0.0, end_s=0.003),
        Bar(row="device: kernels", name="<b>gemm</b>", start_s=0.003, end_s=0.004),
    )
    spec = trial("fast", "train", 1).spec
    waits = replace(RUN.trials[0].epochs[0], stall_s=0.5, wait_s=0.5, wall_s=1.0, wait_cpu_s=0.0, wait_others_cpu_s=0.0)  # type: ignore[index]
    found = Profile(
        spec=spec, profiler="torch", version="2", steps=10, rows=1000, window_s=1.0, epoch=waits, cores=2,
        kernel_busy_fraction=None, device_busy_fraction=None, ranges=(), timeline=bars,
    )  # fmt: skip
    page = html.render(compare([(Path("a"), RUN)]), profiles=[(found, diagnose(found))], made_at=AT)
    assert "<strong>input-bound: fetch</strong>" in page
    assert 'href="#timeline-0-title"' in page
    [figure] = [figure for figure in _data(page) if figure["name"] == "timeline-0"]
    assert [trace["name"] for trace in figure["data"]] == ["next", "&lt;b&gt;gemm&lt;/b&gt;"]  # type: ignore[attr-defined, index]
