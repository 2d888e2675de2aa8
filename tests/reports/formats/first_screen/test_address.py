"""The page's address holds the reader's view, headings link to themselves, and a plain link still goes to its place."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from feedrate.bench.results import store
from feedrate.bench.results.profiles import files
from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.formats import html
from tests.reports.formats.first_screen.conftest import PUBLISHED
from tests.samples.chromium import needs_chromium

pytestmark = [pytest.mark.slow, needs_chromium]
Opened = Callable[..., Any]
RANGE = "document.getElementById('throughput')._fullLayout.xaxis.range"


def _fragment(page: Any) -> str:
    fragment: str = page.evaluate("location.hash")
    return fragment


def test_a_link_restores_filter_sorting_theme_loaders_and_zoom(opened: Opened, report: Path) -> None:
    page = opened(report)
    assert _fragment(page) == ""
    page.fill("#filter", "native")
    page.click("text=Choose")
    page.uncheck("input[value=native-batched]")
    page.click("#table .sort:has-text('First batch')")
    page.click("#theme")
    page.click("#theme")
    page.evaluate("Plotly.relayout('throughput', {'xaxis.range[0]': 5.5, 'xaxis.range[1]': 7})")
    copy = opened(report, _fragment(page))
    for shown in (page, copy):
        assert shown.input_value("#filter") == "native"
        assert shown.locator(".card:visible h3").all_text_contents() == ["native-batched:workers=8"]
        assert shown.locator("#shown").text_content() == "1 of 3 shown"
        assert shown.locator("#table th[aria-sort=descending]").text_content() == "First batch"
        assert shown.evaluate("document.documentElement.dataset.theme") == "dark"
        assert shown.evaluate(RANGE) == [5.5, 7]
    assert _fragment(copy) == _fragment(page)


def test_a_zoom_outlives_a_change_of_theme_and_the_whole_range_removes_it(opened: Opened, report: Path) -> None:
    page = opened(report)
    full = page.evaluate(RANGE)
    page.evaluate("Plotly.relayout('throughput', {'xaxis.range[0]': 5.5, 'xaxis.range[1]': 7})")
    page.click("#theme")
    assert page.evaluate(RANGE) == [5.5, 7]
    page.evaluate("range => Plotly.relayout('throughput', {'xaxis.range': range})", full)
    assert "zoom" not in _fragment(page)
    assert page.evaluate(RANGE) == pytest.approx(full)


def test_a_link_shows_the_same_part_of_a_profile(opened: Opened, tmp_path: Path) -> None:
    run = PUBLISHED / "h100-2026-11-25" / "fast"
    path = tmp_path / "report.html"
    path.write_text(html.render(summarize([(run, store.read(run))]), profiles=list(files.explained(run))))
    page = opened(path)
    page.click("#timeline button[data-do=in]")
    page.wait_for_url(re.compile("zoom=timeline"))
    span = "['from', 'to'].map((end) => Number(document.querySelector('#timeline .profile-view').dataset[end]))"
    shown = page.evaluate(span)
    assert shown[0] > 0
    assert opened(path, _fragment(page)).evaluate(span) == pytest.approx(shown, rel=1e-4)
    page.click("#timeline button[data-do=fit]")
    page.wait_for_url(path.as_uri())


def test_what_the_page_lacks_is_ignored(opened: Opened, report: Path) -> None:
    page = opened(report, "#at=nowhere&loader=none&sort=ascending+Nothing&theme=pink&zoom=throughput+xaxis+a+b&x=%00")
    assert page.locator(".card:visible").count() == 3
    assert page.evaluate("document.documentElement.dataset.theme") is None
    assert _fragment(page) == ""


def test_a_heading_links_to_itself_and_keeps_the_rest_of_the_view(opened: Opened, report: Path) -> None:
    page = opened(report)
    page.fill("#filter", "cupy")
    page.click("#results a")
    page.wait_for_url(re.compile("at=results"))
    assert _fragment(page) == "#at=results&filter=cupy"
    page.fill("#filter", "")
    assert _fragment(page) == "#results"
    copy = opened(report, "#at=memory-title&filter=cupy")
    assert -2 <= copy.evaluate("document.getElementById('memory-title').getBoundingClientRect().top") < 900
    assert copy.evaluate("scrollY") > 0


def test_the_contents_list_every_part_of_the_page(opened: Opened, report: Path) -> None:
    page = opened(report)
    page.click("text=Contents")
    entries = page.locator("#contents a")
    assert entries.all_text_contents() == page.locator("main h2").all_text_contents()
    page.click("#contents a[href$='#throughput-title']")
    page.wait_for_url(re.compile("throughput-title"))
    assert _fragment(page) == "#throughput-title"


def test_the_skip_link_still_moves_the_focus(opened: Opened, report: Path) -> None:
    page = opened(report)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "results"
