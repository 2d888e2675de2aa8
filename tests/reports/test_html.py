from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from feedrate.bench.record import TrialResult
from feedrate.reports import html
from feedrate.reports.compare import compare
from feedrate.reports.figures import figures
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
    assert not re.findall(r'(?:src|href)="', own)
    assert page.count("Plotly.react(") >= 1
    assert len(page.encode()) < 6_000_000


def test_every_figure_has_its_place_its_words_and_its_data() -> None:
    page = _page(("a", RUN))
    names = [figure["name"] for figure in _data(page)]
    assert names == ["throughput", "ceiling", "waiting", "wait-times", "auc", "memory"]
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


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium (Debian's package `chromium`)")
def test_a_browser_draws_it_without_an_error(tmp_path: Path) -> None:
    """Real Chromium: every figure drawn, no script of a hostile record run, no error on the console."""
    evil = record(*RUN.trials, trial(HOSTILE, "train", 50))
    catch = "<script>window.addEventListener('error', e => { document.body.dataset.failed = e.message; })</script>"
    path = tmp_path / "report.html"
    path.write_text(_page(("a", evil)).replace("</head>", catch + "</head>", 1))
    done = subprocess.run(
        [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=10000", "--dump-dom", path.as_uri(),
        ],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "data-failed" not in done.stdout
    assert "<title>owned" not in done.stdout
    assert done.stdout.count('class="plot-container plotly"') == 6
