"""Draws the pictures of the documents: the report page of a published record, as a browser shows it.

The build puts them into the site. `python docs/hooks/pictures.py` writes them to docs/images, for readers on GitHub.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "reports" / "published" / "h200-25m-2026-11-24"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1280, 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture of the report page."""

    name: str
    """Its file below docs/images."""
    figure: str = ""
    """Id of the figure to show, with its heading and text. Empty: the first screen of the page."""


PICTURES = (
    Picture(name="report.png"),
    Picture(name="report-throughput.png", figure="throughput"),
    Picture(name="report-ceiling.png", figure="ceiling"),
)


def on_files(files: Any, config: Any) -> Any:
    """Put fresh pictures in the place of those in docs/images."""
    from mkdocs.structure.files import File

    for picture, content in drawn():
        path = f"images/{picture.name}"
        if committed := files.get_file_from_path(path):
            files.remove(committed)
        files.append(File.generated(config, path, content=content))
    return files


def drawn() -> Iterator[tuple[Picture, bytes]]:
    """Yield each picture as PNG."""
    from playwright.sync_api import sync_playwright

    browsers = [path for path in map(shutil.which, BROWSERS) if path]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        report = Path(folder) / "report.html"
        report.write_text(page())
        browser = playwright.chromium.launch(executable_path=next(iter(browsers), None), args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        view.goto(report.as_uri())
        view.wait_for_selector(".plotly")
        for picture in PICTURES:
            if picture.figure:
                yield picture, view.locator(f"section:has(> #{picture.figure})").screenshot()
            else:
                yield picture, view.screenshot()
        browser.close()


def page() -> str:
    """Return the report page of the record."""
    from feedrate.bench.results import store
    from feedrate.reports.analysis.summarize import summarize
    from feedrate.reports.formats import html

    return html.render(summarize([(RECORD, store.read(RECORD))]))


if __name__ == "__main__":
    for picture, content in drawn():
        (ROOT / "docs" / "images" / picture.name).write_bytes(content)
