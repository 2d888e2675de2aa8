"""The site in a real browser: sorting and filtering, and an address that keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from feedrate.bench.results import store
from feedrate.reports.formats.predicted import page as prediction_page
from feedrate.reports.formats.site import build
from tests.reports.figures.test_predictions import PREDICTION
from tests.samples.any_table.fourteen_loaders import NAMES, fourteen_loaders
from tests.samples.chromium import needs_chromium

pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    store.write(folder / "runs" / "a", fourteen_loaders())
    build(folder / "runs", folder / "site", pytest.fail)
    return folder / "site" / "index.html"


def _open(browser: Any, address: str, width: int = 1440) -> tuple[Any, list[str]]:
    page, messages = browser.new_context(viewport={"width": width, "height": 900}).new_page(), []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(address)
    return page, messages


def _shown(page: Any) -> list[str]:
    names: list[str] = page.locator("tr[data-row]:not([hidden]) th").all_inner_texts()
    return names


def test_the_address_keeps_filter_and_sort(browser: Any, site: Path) -> None:
    page, messages = _open(browser, site.as_uri())
    assert len(_shown(page)) == 12
    page.get_by_role("button", name="Rows/s").click()
    assert _shown(page)[0] in NAMES[10:12]  # a number begins with the largest
    page.get_by_role("button", name="Rows/s").click()
    assert _shown(page)[0] in NAMES[:2]
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("Rows/s")
    page.locator("#filter").fill("of_09")
    address = page.evaluate("location.href")
    assert address.endswith("#sort=ascending+Rows%2Fs&filter=of_09")
    again, _ = _open(browser, address)
    assert _shown(again) == _shown(page)
    assert len(_shown(again)) == 1
    assert again.locator("#filter").input_value() == "of_09"
    assert not messages


@pytest.mark.parametrize("width", [1440, 390])
def test_no_page_is_wider_than_the_window(width: int, browser: Any, site: Path) -> None:
    for path in [site, *site.parent.glob("results/*.html"), *sorted(site.parent.glob("loaders/*.html"))[:1]]:
        page, messages = _open(browser, path.as_uri(), width)
        page.wait_for_timeout(1_500)  # figures take their width when they are drawn
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name
        assert not messages


def test_an_address_of_another_kind_changes_nothing(browser: Any, site: Path) -> None:
    page, messages = _open(browser, f"{site.as_uri()}#sort=9+sideways+No&filter=")
    assert len(_shown(page)) == 12
    page, more = _open(browser, f"{site.as_uri()}#charts")
    assert len(_shown(page)) == 12
    assert not [*messages, *more]


def test_a_page_without_a_filter_copies_and_draws(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "prediction.html"
    path.write_text(prediction_page.render(PREDICTION))
    page, messages = _open(browser, path.as_uri())
    page.wait_for_selector(".figure:not(:has(.plotly))", state="detached")
    assert page.locator(".figure").count() == 2
    assert page.locator(".copy button").count() >= 2
    assert messages == []


def test_a_filter_without_a_match_says_so(browser: Any, site: Path) -> None:
    page, messages = _open(browser, site.as_uri())
    page.fill("#filter", "nothing is called so")
    assert page.locator("[role=status]").all_text_contents() == ["Nothing matches."]
    page.fill("#filter", "")
    assert page.locator("[role=status]").all_text_contents() == [""]
    assert messages == []
