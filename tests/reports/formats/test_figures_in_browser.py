"""Figures in a real browser: fourteen loaders with long names are drawn without one text on another, and a figure can be saved."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from feedrate.bench.results import store
from feedrate.reports.analysis.history import history
from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.formats import history_page, html
from feedrate.reports.formats.site import build
from tests.reports.crowded_record import REAL, crowded_record, long_name
from tests.samples.chromium import needs_chromium
from tests.samples.records.odd_record import odd_record

pytestmark = [pytest.mark.slow, needs_chromium]
WIDTHS = (1440, 1024, 390)
TEXTS = """() => [...document.querySelectorAll(".figure")].filter((element) => element.clientHeight).map((element) => {
  const { left, top, right, bottom } = element.getBoundingClientRect();
  const texts = [...element.querySelectorAll("svg text")].map((text) => [text.textContent, text.getBoundingClientRect()])
    .filter(([words, box]) => words && box.width > 0)
    .map(([words, box]) => [words, box.left - left, box.top - top, box.right - left, box.bottom - top]);
  return [element.id, right - left, bottom - top, texts];
})"""
"""Returns name, width, height and texts of each figure. A text has its words and its box: left, top, right, bottom."""
TOO_WIDE = "(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector('.figures'))"
Text = tuple[str, float, float, float, float]


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _report(tmp_path_factory.mktemp("crowded"), 14)


@pytest.fixture(scope="module")
def fewer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _report(tmp_path_factory.mktemp("fewer"), 10)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("real") / "report.html"
    path.write_text(html.render(summarize([(REAL, store.read(REAL))])))
    return path


def _report(folder: Path, loaders: int) -> Path:
    path = folder / f"{loaders}.html"
    path.write_text(html.render(summarize([(folder, crowded_record(loaders))])))
    return path


def _open(browser: Any, path: Path, width: int = 1440, **options: Any) -> Any:
    page = browser.new_context(viewport={"width": width, "height": 900}, **options).new_page()
    page.goto(path.as_uri())
    page.wait_for_selector(".plotly")
    return page


def _figures(page: Any) -> list[tuple[str, float, float, list[Text]]]:
    return [tuple(figure) for figure in page.evaluate(TEXTS)]  # type: ignore[misc]


def _overlap(first: Text, second: Text, hair: float = 1.5) -> bool:
    (_, left, top, right, bottom), (_, left_2, top_2, right_2, bottom_2) = first, second
    return min(right, right_2) - max(left, left_2) > hair and min(bottom, bottom_2) - max(top, top_2) > hair


def _faults(page: Any) -> list[str]:
    """Return every pair of texts that overlap, and every text that leaves the box of its figure."""
    faults = []
    for name, width, height, texts in _figures(page):
        assert texts
        faults += [f"{name}: {a[0]} on {b[0]}" for a, b in combinations(texts, 2) if _overlap(a, b)]
        for words, left, top, right, bottom in texts:
            if left < -1 or top < -1 or right > width + 1 or bottom > height + 1:
                faults.append(f"{name}: {words} leaves the figure: {left:.0f} to {right:.0f} of {width:.0f} pixels")
    return faults


ROWS = {"throughput", "throughput-load", "ceiling", "stalls", "wait-times", "memory", "memory-gpu"}


@pytest.mark.parametrize("width", WIDTHS)
def test_no_text_lies_on_another_and_figures_grow_with_their_rows(
    width: int, browser: Any, crowded: Path, fewer: Path, real: Path
) -> None:
    pages = [_open(browser, path, width) for path in (crowded, fewer, real)]
    for page in pages:
        assert _faults(page) == []
        assert page.evaluate(TOO_WIDE) == 0
    many, few, _ = ({name: height for name, _, height, _ in _figures(page)} for page in pages)
    assert {*many} >= ROWS
    for name in ROWS:
        assert many[name] - few[name] >= 4 * 34


CUT_TEXT = """() => [...document.querySelectorAll("main :is(h1, h2, h3, p, li, dt, dd, td, th, pre, label, summary)")].filter((element) => {
  const box = element.getBoundingClientRect(), frame = element.closest(".scroll, .contents, .chosen");
  const leaves = !frame && (box.left < -1 || box.right > innerWidth + 1);
  return element.checkVisibility() && (leaves || (getComputedStyle(element).overflow !== "visible" && element.scrollWidth > element.clientWidth + 1));
}).map((element) => `${element.tagName} ${element.textContent.slice(0, 60)}`)"""


@pytest.mark.parametrize("width", WIDTHS)
def test_the_odd_record_has_no_text_on_another_and_none_that_is_cut(width: int, browser: Any, tmp_path: Path) -> None:
    """200 trials of 14 loaders with names of 50 characters, a void baseline, and a rate of ±228 %."""
    path = tmp_path / "odd.html"
    path.write_text(html.render(summarize([(Path("odd"), odd_record())])))
    page = _open(browser, path, width)
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    assert _faults(page) == []
    assert page.evaluate(TOO_WIDE) == 0
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(CUT_TEXT) == []


def test_no_text_lies_on_another_in_a_history(browser: Any, tmp_path: Path) -> None:
    run = crowded_record(6, 3)
    for day in range(1, 9):
        environment = replace(run.environment, started_at=f"2026-01-0{day}T00:00:00+00:00", commit=f"{day}abcdef0123")
        store.write(tmp_path / f"r{day}", replace(run, environment=environment))
    path = tmp_path / "history.html"
    path.write_text(history_page.render(history(tmp_path, pytest.fail)))
    for width in (1440, 390):
        assert _faults(_open(browser, path, width)) == []


def test_texts_stay_apart_after_a_change_of_width(browser: Any, real: Path) -> None:
    page = _open(browser, real, 1440)
    page.set_viewport_size({"width": 700, "height": 900})
    page.wait_for_timeout(300)
    assert page.evaluate("[...document.querySelectorAll('.figure')].every(e => e._fullLayout.width <= 700)")
    assert _faults(page) == []


def test_a_crowded_figure_takes_the_full_width_and_a_small_one_half_of_it(
    browser: Any, crowded: Path, real: Path
) -> None:
    main = "document.querySelector('.figures').clientWidth"
    page = _open(browser, crowded)
    assert all(width == page.evaluate(main) for _, width, *_ in _figures(page))
    page = _open(browser, real)
    assert all(width < page.evaluate(main) / 2 for _, width, *_ in _figures(page))


def test_a_filter_shrinks_the_figures_to_the_rows_that_are_left(browser: Any, fewer: Path) -> None:
    page = _open(browser, fewer)
    before = page.locator("#memory").bounding_box()["height"]
    page.fill("#filter", "row_groups")
    assert page.locator("#memory").bounding_box()["height"] == pytest.approx(before - 8 * 34)
    assert _faults(page) == []


def test_a_name_that_was_shortened_is_whole_under_the_pointer_and_in_the_table(browser: Any, fewer: Path) -> None:
    page = _open(browser, fewer, 390)
    name = long_name(5)
    label = page.locator("#throughput .annotation", has_text="loader-05").first
    assert "…" in label.text_content()
    label.scroll_into_view_if_needed()
    label.hover(force=True)
    page.wait_for_selector(".hoverlayer text")
    assert page.locator("#throughput .hoverlayer").text_content().replace(" ", "") == name
    table = page.locator("section[aria-labelledby=throughput-title] .data td", has_text=name)
    assert table.first.text_content() == name


def test_an_interval_that_leaves_the_axis_has_arrows_and_its_ends_in_words(browser: Any, crowded: Path) -> None:
    page = _open(browser, crowded)
    arrows = "figures[0].data.filter(trace => (trace.marker || {}).symbol == 'triangle-left' || [].concat((trace.marker || {}).symbol).includes('triangle-left')).length"
    assert page.evaluate(arrows) == 1
    assert any("up to 149 M" in words for words, *_ in _figures(page)[0][3])


THREE = REAL.parents[1] / "h100-nvtabular-2026-11-25"
"""A record of three loaders, whose waits reach over four decades."""
CUT = """() => [...document.querySelectorAll(".figure")].flatMap((figure) => {
  const plot = figure.querySelector(".nsewdrag").getBoundingClientRect();
  return [...figure.querySelectorAll(".scatterlayer .points path")].map((mark) => mark.getBoundingClientRect())
    .filter((box) => box.left < plot.left - 2 || box.right > plot.right + 2).map(() => figure.id);
})"""
CROSSED = """() => [...document.querySelectorAll(".figure[id^=frontier]")].flatMap((figure) => {
  const corner = figure.querySelector(".nsewdrag").getBoundingClientRect();
  const names = [...figure.querySelectorAll(".annotation text")];
  return [...figure.querySelectorAll(".scatterlayer .js-line")].flatMap((line) => names.filter((name) => {
    const box = name.getBoundingClientRect();
    const points = [...Array(Math.ceil(line.getTotalLength())).keys()].map((length) => line.getPointAtLength(length));
    return points.some(({ x, y }) => x + corner.left > box.left && x + corner.left < box.right && y + corner.top > box.top + 2 && y + corner.top < box.bottom - 2);
  }).map((name) => `${figure.id}: ${name.textContent}`));
})"""


def test_no_mark_is_cut_at_an_axis_and_no_line_goes_through_a_name(browser: Any, tmp_path: Path) -> None:
    for run in (THREE, REAL.parents[1] / "h200-2026-11-30" / "load"):
        path = tmp_path / f"{run.name}.html"
        path.write_text(html.render(summarize([(run, store.read(run))])))
        for width in (1440, 390):
            page = _open(browser, path, width)
            page.wait_for_selector(".figure:not(:has(.nsewdrag))", state="detached")
            assert set(page.evaluate(CUT)) <= {"stalls"}, "totals stand at 0, where the bars begin"
            assert page.evaluate(CROSSED) == []
            assert _faults(page) == []


LONG_LEADERS = """() => document.getElementById("auc-over-time").layout.shapes
  .filter((shape) => shape.line && shape.line.dash === "dot" && Math.abs(shape.x1 - shape.x0) > 90).length"""


def test_the_name_of_a_line_that_ends_early_stands_beside_its_end(browser: Any, real: Path, crowded: Path) -> None:
    for path in (real, crowded):
        page = _open(browser, path, 1440)
        assert page.evaluate(LONG_LEADERS) == 0
        assert page.locator("#auc-over-time .annotation").count() == page.evaluate(
            "document.getElementById('auc-over-time').data.filter(trace => !trace.meta.pale).length"
        )


def test_causes_of_waiting_are_named_on_their_bars_and_the_key_has_the_others(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(html.render(summarize([(THREE, store.read(THREE))])))
    page = _open(browser, path)
    texts = page.locator("#stalls .annotation").all_text_contents()
    assert texts.count("decode (the loader computes)") == 1
    assert "device contention (slower steps)" in texts, "in the key: its part is too short"
    assert not [text for text in texts if text.startswith("fetch")], "it took no time"
    page.fill("#filter", "cupy")
    assert not page.locator("#stalls .annotation", has_text="decode").count()


TICKS = (
    ({"low": 8e5, "high": 3e8, "log": True, "kind": "count"}, ["1 M", "10 M", "100 M"]),
    ({"low": 1e9, "high": 9e9, "log": True, "kind": "count"}, ["1 G", "2 G", "5 G"]),
    ({"low": 0, "high": 6.1e9, "log": False, "kind": "bytes"}, ["0 B", "2 GB", "4 GB", "6 GB"]),
    ({"low": 5e-5, "high": 0.2, "log": True, "kind": "seconds"}, ["100 us", "1 ms", "10 ms", "100 ms"]),
    ({"low": 0, "high": 1, "log": False, "kind": "share"}, ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]),
    ({"low": 4.4e6, "high": 7.1e6, "log": True, "kind": "count"}, ["4.5 M", "5 M", "5.5 M", "6 M", "6.5 M", "7 M"]),
)


def test_numbers_on_an_axis_are_round_and_have_units(browser: Any, real: Path) -> None:
    page = _open(browser, real)
    for axis, words in TICKS:
        shown = page.evaluate("(axis) => tidyTicks({ ...axis, size: 13, pixels: 380, upright: false }).ticktext", axis)
        assert [word for word in words if word not in shown] == [], (axis, shown)


def test_numbers_follow_a_zoom(browser: Any, real: Path) -> None:
    page = _open(browser, real)
    page.evaluate("Plotly.relayout('throughput', { 'xaxis.range': [6, 6.05] })")
    ticks = page.evaluate("document.getElementById('throughput')._fullLayout.xaxis.ticktext")
    assert len(ticks) >= 2
    assert all(1.0 <= float(tick.split()[0]) <= 1.13 for tick in ticks)


@pytest.mark.parametrize(("form", "begin"), [("svg", b"<svg"), ("png", b"\x89PNG")])
def test_a_figure_is_saved_by_keyboard(form: str, begin: bytes, browser: Any, fewer: Path, tmp_path: Path) -> None:
    page = _open(browser, fewer, 390, accept_downloads=True, color_scheme="dark")
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.locator(f"[data-save=throughput][data-form={form}]").focus()
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.name == f"throughput.{form}"
    assert path.read_bytes().startswith(begin)
    assert messages == []
    if form == "svg":
        words = re.sub(r"<[^>]+>", "", path.read_text())
        assert all(part in words for part in ("Throughput in training", "Unit: rows/s", long_name(5)))


def test_a_figure_of_the_site_is_saved_too(browser: Any, tmp_path: Path) -> None:
    store.write(tmp_path / "runs" / "a", store.read(REAL))
    build(tmp_path / "runs", tmp_path / "site", pytest.fail)
    [place] = (tmp_path / "site" / "results").glob("*.html")
    page = _open(browser, place, accept_downloads=True)
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    with page.expect_download() as download:
        page.locator("[data-save$=throughput][data-form=png]").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
    assert messages == []


def test_axe_finds_nothing_serious_on_a_phone_in_the_dark(browser: Any, real: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    page = _open(browser, real, 390, color_scheme="dark")
    violations = axe.Axe().run(page).response["violations"]
    assert [violation["id"] for violation in violations if violation["impact"] in ("serious", "critical")] == []
