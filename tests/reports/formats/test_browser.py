"""The report in a real browser, Debian's Chromium: what its readers can do, and what a stranger's record cannot do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from feedrate.bench.results import store
from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.formats import html
from feedrate.reports.formats.site import build
from tests.samples.chromium import needs_chromium
from tests.samples.sample_record import RUN, record, trial

pytestmark = [
    pytest.mark.slow,
    needs_chromium,
]
PUBLISHED = Path(__file__).parents[3] / "reports" / "published" / "h200-engine-2026-11-24"
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"><b>bold</b>"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html.render(summarize([(PUBLISHED, store.read(PUBLISHED))])))
    return path


class Reader:
    """An open page, with its console messages, its errors and its requests."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.page = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options}).new_page()
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector(".plotly")


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a condition. The page's own policy forbids Playwright's wait_for_function."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "the condition did not become true within 10 s"
        time.sleep(0.05)


def test_it_draws_all_figures_and_requests_nothing_else(browser: Any, report: Path) -> None:
    reader = Reader(browser, report)
    drawn = reader.page.locator(".figure .plot-container").count()
    assert drawn == reader.page.locator(".figure").count() > 10
    assert reader.messages == []
    assert [url for url in reader.requests if not url.startswith(("data:", "blob:"))] == [report.as_uri()]


def test_typing_a_name_shows_only_the_matching_loaders(browser: Any, report: Path) -> None:
    page = Reader(browser, report).page
    page.fill("#filter", "CUPY")
    assert page.locator(".card:visible h3").all_text_contents() == ["cupy"]
    assert page.locator("#table tbody tr[data-loader]:visible th").all_text_contents() == ["cupy"]
    assert page.locator("#shown").text_content() == "1 of 3 shown"
    labels = "[...document.getElementById('throughput')._fullLayout.yaxis.categoryarray]"
    assert page.evaluate(labels) == ["cupy"]
    page.fill("#filter", "")
    assert page.locator(".card:visible").count() == 3
    assert len(page.evaluate(labels)) == 3


def test_a_filter_without_a_match_says_so_and_leaves_no_empty_part(browser: Any, report: Path) -> None:
    reader = Reader(browser, report)
    page = reader.page
    page.fill("#filter", "nothing is called so")
    assert page.locator("#shown").text_content() == "No loader matches."
    for part in (".card", "#table", "#verdicts", ".figure"):
        assert page.locator(f"{part}:visible").count() == 0
    page.fill("#filter", "")
    assert page.locator("#shown").text_content() == ""
    assert page.locator(".figure:visible .plot-container").count() > 10
    assert reader.messages == []


def test_a_column_sorts_both_ways_by_number_and_by_keyboard(browser: Any, report: Path) -> None:
    page = Reader(browser, report).page
    button = page.locator("#table .sort", has_text="First batch")
    column = page.locator("#table thead th").all_text_contents().index("First batch")
    values = f"[...document.querySelectorAll('#table tbody tr[data-loader]')].map(row => Number(row.cells[{column}].dataset.value))"
    button.focus()
    page.keyboard.press("Enter")
    assert page.evaluate(values) == sorted(page.evaluate(values), reverse=True)
    page.keyboard.press("Enter")
    assert page.evaluate(values) == sorted(page.evaluate(values))
    assert page.locator("#table th[aria-sort=ascending]").text_content() == "First batch"
    assert page.locator("#table tbody tr").last.locator("th").text_content() == "replay (ceiling)"


def test_the_theme_changes_page_and_figures(browser: Any, report: Path) -> None:
    page = Reader(browser, report, color_scheme="light").page
    colours = (
        "[getComputedStyle(document.body).backgroundColor, document.getElementById('throughput').layout.font.color]"
    )
    before = page.evaluate(colours)
    page.click("#theme")
    assert page.evaluate(colours) == before
    page.click("#theme")
    dark = page.evaluate(colours)
    assert dark[0] != before[0]
    assert dark[1] != before[1]
    page.click("#theme")
    page.emulate_media(color_scheme="dark")
    wait_until(lambda: page.evaluate(colours) == dark)


def test_dragging_zooms_and_a_double_click_goes_back(browser: Any, report: Path) -> None:
    page = Reader(browser, report).page
    shown = "document.getElementById('throughput')._fullLayout.xaxis.range"
    page.locator("#throughput").scroll_into_view_if_needed()
    box = page.locator("#throughput .nsewdrag").bounding_box()
    full_range = page.evaluate(shown)
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
    page.mouse.up()
    wait_until(lambda: page.evaluate(shown)[0] > full_range[0] + 0.01)
    page.wait_for_timeout(700)  # Plotly counts clicks within 600 ms of each other, and the drag began with one
    page.mouse.dblclick(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    wait_until(lambda: abs(page.evaluate(shown)[0] - full_range[0]) < 0.01)


def test_the_frontier_is_drawn_for_the_loaders_that_are_shown(browser: Any, report: Path) -> None:
    page = Reader(browser, report).page
    figure = "document.getElementById('frontier-peak-gpu-bytes')"
    edge = f"{figure}.data.at(-1).y"
    marks = f"{figure}.data.slice(0, -1).filter(trace => trace.visible !== false).map(trace => trace.y[0])"
    full_edge = page.evaluate(edge)
    speeds = page.evaluate(marks)
    page.fill("#filter", "native")
    remaining = page.evaluate(marks)
    assert len(remaining) == 2
    assert set(page.evaluate(edge)) <= set(remaining)
    assert max(page.evaluate(edge)) == max(remaining) < max(speeds)
    page.fill("#filter", "no such loader")
    assert not page.locator("#frontier-peak-gpu-bytes").is_visible()
    page.fill("#filter", "")
    assert page.evaluate(edge) == full_edge


PRINTED = """() => {
  const seen = {};
  const look = (name) => {
    const figure = document.querySelector(".figure");
    seen[name] = {
      paper: getComputedStyle(document.body).backgroundColor, ink: figure.layout.font.color,
      width: figure._fullLayout.width, open: document.querySelectorAll("details[open]:not(.data)").length,
    };
  };
  look("before");
  window.dispatchEvent(new Event("beforeprint"));
  look("printed");
  window.dispatchEvent(new Event("afterprint"));
  look("after");
  seen.folds = document.querySelectorAll("details:not(.data)").length;
  return seen;
}"""


def test_a_printed_page_is_light_and_unfolded_and_is_restored_afterwards(
    browser: Any, report: Path, site: Path
) -> None:
    place = next((site / "results").glob("*.html"))
    for path in (report, place):
        reader = Reader(browser, path, color_scheme="dark")
        seen = reader.page.evaluate(PRINTED)
        assert seen["before"]["ink"] == "#e8eaed"
        assert (seen["printed"]["ink"], seen["printed"]["paper"]) == ("#1a1d21", "rgb(255, 255, 255)")
        assert seen["printed"]["width"] in (308, 640)
        assert seen["before"]["open"] < seen["printed"]["open"] == seen["folds"]
        assert seen["after"] == seen["before"]
        assert reader.messages == []


def test_a_chosen_dark_theme_is_light_on_paper_too(browser: Any, report: Path) -> None:
    page = Reader(browser, report).page
    page.click("#theme")
    page.click("#theme")
    background = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(background) != "rgb(255, 255, 255)"
    seen = page.evaluate(PRINTED)
    assert seen["printed"]["ink"] == "#1a1d21"
    assert seen["after"] == seen["before"]
    page.emulate_media(media="print")
    assert page.evaluate(background) == "rgb(255, 255, 255)"


def _serious(violations: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the rule and the first element of each violation that axe calls serious or critical."""
    return [
        (violation["id"], violation["nodes"][0]["html"])
        for violation in violations
        if violation["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(scheme: str, browser: Any, report: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    page = Reader(browser, report, color_scheme=scheme).page
    violations = axe.Axe().run(page).response["violations"]
    assert _serious(violations) == []


def test_a_phone_shows_it_without_scrolling_sideways(browser: Any, report: Path) -> None:
    page = Reader(browser, report, viewport={"width": 390, "height": 844}).page
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_figure_s_numbers_are_in_its_table(browser: Any, report: Path) -> None:
    page = Reader(browser, report).page
    page.click("text=Data table: Throughput >> nth=0")
    lines = page.locator("section[aria-labelledby=throughput-title] tbody tr").all_inner_texts()
    assert any(line.split("\t")[:2] == ["Training", "cupy"] and "rows/s" in line for line in lines)


def test_a_stranger_s_names_are_shown_as_text(browser: Any, tmp_path: Path) -> None:
    evil = record(*RUN.trials, trial(HOSTILE, "train", 50), trial(HOSTILE, "load", 50))
    path = tmp_path / "evil.html"
    path.write_text(html.render(summarize([(Path("a"), evil)])))
    reader = Reader(browser, path)
    assert reader.page.title().startswith("feedrate")
    assert reader.page.locator(".card h3", has_text="<b>bold</b>").count() == 1
    assert reader.page.locator("main img, main b").count() == 0
    assert reader.messages == []
    reader.page.fill("#filter", "</script>")
    assert reader.page.locator(".card:visible").count() == 1


def test_the_policy_stops_what_escaping_would_let_through(browser: Any, report: Path, tmp_path: Path) -> None:
    planted = "<script>document.title='owned'</script><img src='https://example.org/x.png'></body>"
    path = tmp_path / "planted.html"
    path.write_text(report.read_text().replace("</body>", planted))
    reader = Reader(browser, path)
    assert reader.page.title() != "owned"
    assert len([text for text in reader.messages if "Content Security Policy" in text]) == 2


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    build(PUBLISHED.parent, folder, lambda sentence: pytest.fail(sentence))
    return folder


def test_the_site_s_index_filters_and_leads_to_pages(browser: Any, site: Path) -> None:
    page = browser.new_context().new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto((site / "index.html").as_uri())
    total = page.locator("tr[data-row]:visible").count()
    assert total >= 3
    page.fill("#filter", "h100 nvtabular 25,000,000")
    assert 1 <= page.locator("tr[data-row]:visible").count() < total
    page.click("tr[data-row]:visible a[href^='results/']")
    page.wait_for_selector(".plotly")
    assert page.title().startswith("feedrate")
    assert all(url.startswith((site.as_uri(), "data:", "blob:")) for url in requests)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_the_site(scheme: str, browser: Any, site: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    for path in (site / "index.html", *sorted((site / "results").glob("*.html"))[:1]):
        page = browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 844}).new_page()
        page.goto(path.as_uri())
        violations = axe.Axe().run(page).response["violations"]
        assert _serious(violations) == []
