"""The odd record in a browser: 14 loaders of 50 characters, 200 trials, a void baseline and ±228 %, at three widths."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.formats import html
from tests.samples.chromium import needs_chromium
from tests.samples.records.odd_record import NAMES, odd_record
from tests.samples.sample_record import record, trial

pytestmark = [pytest.mark.slow, needs_chromium]
SIZES = [{"width": 1440, "height": 900}, {"width": 1024, "height": 768}, {"width": 390, "height": 844}]
Opened = Callable[..., Any]

STUCK = """() => {
  const box = document.querySelector("#table").closest(".scroll");
  const before = [...document.querySelectorAll("#table th:first-child")].map((cell) => cell.getBoundingClientRect().left);
  box.scrollLeft = 150;
  const after = [...document.querySelectorAll("#table th:first-child")].map((cell) => cell.getBoundingClientRect().left);
  return { moved: box.scrollLeft > 0, stays: before.every((left, index) => left === after[index]) };
}"""
OPAQUE = """() => [...document.querySelectorAll("#table th:first-child")].every((cell) => {
  const colour = getComputedStyle(cell).backgroundColor;
  return colour !== "rgba(0, 0, 0, 0)" && colour !== "transparent";
})"""


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a condition: figures take their new size a moment after the window."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "the condition did not become true within 10 s"
        time.sleep(0.05)


def test_the_record_is_as_odd_as_it_says() -> None:
    assert len(odd_record().trials) == 200
    assert {len(name) for name in NAMES} == {50}
    assert len(set(NAMES)) == 14


def test_a_wide_page_shows_the_whole_table_with_short_cells_and_long_texts_at_hand(
    opened: Opened, odd_page: Path
) -> None:
    page = opened(odd_page)
    for width in (1440, 1024):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_selector(".frame:not(.more-right) #table")
        assert page.evaluate("document.documentElement.scrollWidth") == width
    short = page.locator("#table td[title]")
    assert {text.strip() for text in short.all_text_contents()} == {"not known"}
    assert short.first.get_attribute("title") == "not known: run more rounds"
    below = page.locator("section[aria-labelledby=results] > .about").all_text_contents()
    assert (
        below[0]
        .replace("\xa0", " ")
        .startswith("The same for all loaders. Waiting: 25.0 %, AUC: 0.8000, First batch: 250 ms")
    )


def test_only_tables_scroll_sideways_and_their_first_column_stays(opened: Opened, odd_page: Path) -> None:
    page = opened(odd_page)
    scroll = "document.querySelector('#table').closest('.scroll').scrollLeft ="
    page.set_viewport_size(SIZES[2])
    page.wait_for_selector(".frame.more-right:not(.more-left) #table")
    wait_until(lambda: page.evaluate("document.documentElement.scrollWidth") == SIZES[2]["width"])
    assert page.evaluate(STUCK) == {"moved": True, "stays": True}
    assert page.evaluate(OPAQUE)
    page.wait_for_selector(".frame.more-left #table")
    page.evaluate(f"{scroll} 1e6")
    page.wait_for_selector(".frame.more-left:not(.more-right) #table")


COVERED = """left => {
  const box = document.querySelector("#table").closest(".scroll");
  box.scrollLeft = left;
  const [first, ...cells] = document.querySelector("#table thead tr").cells, edge = first.getBoundingClientRect().right;
  return cells.map(cell => cell.getBoundingClientRect()).filter(cell => cell.left < edge - 1 && cell.right > edge + 1).length;
}"""


def test_no_column_rests_half_below_the_first_one(opened: Opened, odd_page: Path) -> None:
    page = opened(odd_page)
    page.set_viewport_size(SIZES[2])
    page.wait_for_selector(".frame.more-right:not(.more-left) #table")
    for left in (35, 90, 150, 240, 333, 1e6):
        wait_until(lambda left=left: page.evaluate(COVERED, left) == 0)


def test_what_is_wrong_has_no_scroll_bar_of_its_own_and_a_long_list_unfolds(opened: Opened, tmp_path: Path) -> None:
    flags = [[f"fault {letter * 3}"] for letter in "abcdefghijkl"]
    trials = [replace(trial(f"loader-{n}", "train", 100 + n), flags=tuple(flag)) for n, flag in enumerate(flags)]
    path = tmp_path / "report.html"
    path.write_text(html.render(summarize([(Path("faults"), record(*trials))])))
    page = opened(path)
    for size in SIZES:
        page.set_viewport_size(size)
        assert page.locator(".wrong ul").evaluate_all(
            "lists => lists.every(one => one.scrollHeight <= one.clientHeight + 1)"
        )
    shown = page.locator(".wrong li:visible")
    before = shown.count()
    page.click(".wrong summary")
    assert (before, shown.count()) == (8, page.locator(".wrong li").count())


def test_axe_finds_nothing_serious_in_both_schemes_at_both_widths(opened: Opened, odd_page: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    page = opened(odd_page)
    page.click("text=Contents")
    page.click("text=Choose")
    for scheme, size in ((scheme, size) for scheme in ("light", "dark") for size in (SIZES[0], SIZES[2])):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(size)
        found = axe.Axe().run(page).response["violations"]
        serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
        assert (scheme, size["width"], serious) == (scheme, size["width"], [])


def test_every_loader_is_named_on_top_and_each_line_leads_to_its_place(opened: Opened, odd_page: Path) -> None:
    page = opened(odd_page)
    named = page.locator(".standings a, .answers .about a").all_text_contents()
    assert sorted(named) == sorted(NAMES)
    links = page.locator(".wrong a")
    for number in range(links.count()):
        place = links.nth(number).get_attribute("href")
        assert page.locator(place).count() == 1
    links.filter(has_text="void: row 17").click()
    assert page.evaluate("document.activeElement.id") == "not-ok-1"


def test_a_wide_interval_is_cut_with_a_mark_and_the_baseline_has_its_own_word(opened: Opened, odd_page: Path) -> None:
    page = opened(odd_page)
    bars = page.locator("#table .ratio")
    assert bars.count() == 13
    assert page.locator("#table td", has_text="baseline").count() == 1
    within = "bars => bars.every(bar => { const box = bar.getBBox(); return box.x >= 0 && box.x + box.width <= 140 })"
    assert page.locator("#table .ratio *").evaluate_all(within)


IN_SIGHT = """place => {
  const element = document.querySelector(place), box = element.getBoundingClientRect();
  return element.checkVisibility() && box.left >= 0 && box.left < innerWidth && box.top > -5 && box.top < innerHeight;
}"""


def test_each_line_of_what_is_wrong_opens_and_scrolls_to_its_place(opened: Opened, odd_page: Path) -> None:
    page = opened(odd_page)
    page.set_viewport_size(SIZES[2])
    links = page.locator(".wrong a")
    places = [links.nth(number).get_attribute("href") for number in range(links.count())]
    assert any("-note-" in place for place in places)
    assert "#column-rows-checked" in places
    for number, place in enumerate(places):
        links.nth(number).click()
        assert page.evaluate(IN_SIGHT, place), place
        assert opened(odd_page, place).evaluate(IN_SIGHT, place), place
