"""The vendored script that draws the figures: which one it is, and how heavy it makes a page."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from feedrate.bench.results import store
from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.formats import html, pagekit

PUBLISHED = Path(__file__).parents[3] / "reports" / "published"
VERSION = "4.1.1"
SHA256 = "99784e3abfb07b142a15e521a439e6d9addceadb3f79553fd24c72774f0649ba"
MAX_PAGE_BYTES = 2_500_000
"""Largest page of a record without profiles."""


def test_it_is_the_basic_bundle_that_npm_has() -> None:
    script = pagekit.plotly()
    assert script.startswith(f"/**\n* plotly.js (basic - minified) v{VERSION}\n")
    assert sha256(script.encode()).hexdigest() == SHA256


def test_the_makefile_fetches_the_same_version() -> None:
    makefile = PUBLISHED.parents[1] / "Makefile"
    assert f"PLOTLY := {VERSION}\n" in makefile.read_text()


@pytest.mark.parametrize("record", ["h200-2026-11-30/load", "h200-2026-11-29-checked/load"])
def test_the_largest_published_records_give_light_pages(record: str) -> None:
    path = PUBLISHED / record
    assert len(html.render(summarize([(path, store.read(path))])).encode()) < MAX_PAGE_BYTES
