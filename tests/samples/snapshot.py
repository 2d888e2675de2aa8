"""Pages kept beside the tests, so that a change of one is a diff that can be read."""

from __future__ import annotations

import os
import re
from pathlib import Path

SNAPSHOTS = Path(__file__).parents[1] / "reports" / "snapshots"


def check_page(page: str, name: str) -> None:
    """All of it but styles, scripts and the figures' data. FEEDRATE_SNAPSHOTS=write accepts what is there now: read the diff."""
    page = re.sub(r"(?s)<(style|script)[^>]*>.*?</\1>", r"<\1>...</\1>", page)
    page = re.sub(r"sha256-[^&\"]*", "sha256-...", page)
    check_text(page, name)


def check_text(text: str, name: str) -> None:
    """All of a text, with the same way to accept it."""
    kept = SNAPSHOTS / name
    if os.environ.get("FEEDRATE_SNAPSHOTS") == "write":
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(text)
    assert text.splitlines() == kept.read_text().splitlines()
