"""Links from a page to the records that it shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from feedrate.bench.results import store


@dataclass(frozen=True, slots=True)
class RecordLink:
    """The file of a record."""

    text: str
    address: str
    """Relative to the page; empty if the file is not beside it."""


def record_link(run: Path, page: Path) -> RecordLink:
    """Return the link to a run's file. One in another folder is only named, because the page may be moved alone."""
    file = store.path_of(run)
    if file.absolute().parent == page.absolute().parent:
        return RecordLink(file.name, quote(file.name))
    return RecordLink(f"{file.absolute().parent.name}/{file.name}", "")
