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
    unrecorded: frozenset[str] = frozenset()
    """Settings that it lacks. See `store.unrecorded_settings`."""


def record_link(run: Path, page: Path) -> RecordLink:
    """Return the link to a run's file. One in another folder is only named, because the page may be moved alone."""
    file, unrecorded = store.path_of(run), store.unrecorded_settings(run)
    if file.absolute().parent == page.absolute().parent:
        return RecordLink(file.name, quote(file.name), unrecorded)
    return RecordLink(f"{file.absolute().parent.name}/{file.name}", "", unrecorded)
