"""A page as headless Chromium draws it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

needs_chromium = pytest.mark.skipif(
    shutil.which("chromium") is None, reason="needs Chromium (Debian's package `chromium`)"
)


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
