"""Headless Chromium: a browser that Playwright drives, or a page as it is after its scripts."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

needs_chromium = pytest.mark.skipif(
    shutil.which("chromium") is None, reason="needs Chromium (Debian's package `chromium`)"
)


@contextmanager
def open_browser() -> Iterator[Any]:
    """Yield Playwright's browser. Skips the test if Playwright is not installed."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: `pip install playwright`")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield chromium
        chromium.close()


def dump_dom(page: Path, profile: Path) -> subprocess.CompletedProcess[str]:
    """Open a file in Chromium. Standard output is the page after its scripts, standard error has the browser's console.

    profile: a scratch folder for the browser.
    """
    return subprocess.run(
        [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
            f"--user-data-dir={profile}", "--virtual-time-budget=10000", "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
