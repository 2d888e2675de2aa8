"""Tables copied as Markdown and CSV, commands and citations copied as text, and a report on paper."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from feedrate.bench.results import store
from feedrate.bench.results.profiles import files
from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.formats import html
from feedrate.reports.names import in_markdown
from tests.reports.formats.first_screen.conftest import PUBLISHED
from tests.samples.chromium import needs_chromium
from tests.samples.sample_record import RUN, record, trial

pytestmark = [pytest.mark.slow, needs_chromium]
Opened = Callable[..., Any]
ALLOWED = ["clipboard-read", "clipboard-write"]
FORMULA, MARKUP = '=cmd|"/c calc"!A1', "@user #1 [a](http://b) `c` | d"
COPIED = "navigator.clipboard.readText()"


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("evil") / "report.html"
    names = (FORMULA, MARKUP, "-1+2", "+3", "@sum", "-5")
    trials = (trial(name, "load", 100 + number) for number, name in enumerate(names))
    path.write_text(html.render(summarize([(Path("a"), record(*RUN.trials, *trials))])))
    return path


def test_a_table_is_copied_as_csv_that_no_spreadsheet_runs(opened: Opened, evil: Path) -> None:
    page = opened(evil, permissions=ALLOWED)
    page.click("section[aria-labelledby=results] button:has-text('Copy as CSV')")
    page.wait_for_selector("section[aria-labelledby=results] button:has-text('Copied')")
    head, *lines = list(csv.reader(StringIO(page.evaluate(COPIED))))
    assert head[:3] == ["Loader", "Loader only rows/s", "Training rows/s"]
    names = {line[0] for line in lines}
    assert {f"'{FORMULA}", MARKUP, "'-1+2", "+3", "'@sum", "-5"} - names == {MARKUP}  # it begins with @, too
    assert f"'{MARKUP}" in names
    assert not [cell for line in lines for cell in line if re.match(r"[=@\t]|[-+](?![\d.]+$)", cell)]
    assert [line[1:3] for line in lines if line[0] == "replay (ceiling)"] == [["", "1.00 k ±0 %"]]


def test_only_shown_rows_are_copied_in_their_order_and_markup_is_inert(opened: Opened, evil: Path) -> None:
    page = opened(evil, permissions=ALLOWED)
    page.fill("#filter", "@")
    page.click("#table .sort:has-text('Loader only')")
    page.click("section[aria-labelledby=results] button:has-text('Copy as Markdown')")
    page.wait_for_selector("section[aria-labelledby=results] button:has-text('Copied')")
    lines = page.evaluate(COPIED).splitlines()
    assert lines[1].startswith("| --- | ---: |")
    assert [line.split(" | ")[0] for line in lines[2:4]] == [f"| {in_markdown(name)}" for name in ("@sum", MARKUP)]
    assert [line[:17] for line in lines[4:]] == ["| replay (ceiling"]


def test_without_a_clipboard_the_text_is_copied_by_selection(opened: Opened, evil: Path) -> None:
    page = opened(evil, permissions=ALLOWED)
    page.evaluate("() => { navigator.clipboard.writeText = async () => { throw new Error('denied'); }; }")
    page.click("button[aria-label^='Copy: BibTeX']")
    page.wait_for_selector("button:has-text('Copied')")
    assert page.evaluate(COPIED).startswith("@misc{feedrate-2026-01-01-a-gpu,")
    assert page.locator("textarea").count() == 0


def test_a_report_with_four_profiles_is_printed_on_fewer_than_12_pages(browser: Any, tmp_path: Path) -> None:
    run = PUBLISHED / "h100-2026-11-25" / "train"
    profiles = list(files.explained(run))
    assert len(profiles) == 4
    path = tmp_path / "report.html"
    path.write_text(html.render(summarize([(run, store.read(run))]), profiles=profiles))
    page = browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector(".plotly")
    pages = len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))
    page.close()
    assert 3 <= pages < 12
