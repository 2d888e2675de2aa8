"""A browser, and the pages that the tests of this folder open in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from feedrate.bench.results import store
from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.formats import html
from tests.samples.records.odd_record import odd_record

PUBLISHED = Path(__file__).parents[4] / "reports" / "published"


@pytest.fixture(scope="session")
def odd_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the odd record."""
    path = tmp_path_factory.mktemp("odd") / "report.html"
    path.write_text(html.render(summarize([(Path("odd"), odd_record())])))
    return path


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a published record with three loaders."""
    run = PUBLISHED / "h200-engine-2026-11-24"
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html.render(summarize([(run, store.read(run))])))
    return path


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """A function that opens a page: (path, fragment="", options of the browser's context)."""
    contexts = []

    def open_page(path: Path, fragment: str = "", **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.goto(path.as_uri() + fragment)
        page.wait_for_selector(".plotly")
        return page

    yield open_page
    for context in contexts:
        context.close()
