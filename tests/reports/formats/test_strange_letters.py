"""Characters that a browser or terminal would obey are shown escaped, whichever text of a record or profile has them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any, TypeVar
from unicodedata import category

import msgspec
import pytest

from feedrate.bench.results import store
from feedrate.bench.results.profiles import files
from feedrate.bench.results.profiles.explained import explain
from feedrate.bench.results.record import RunRecord
from feedrate.reports import notebook
from feedrate.reports.analysis.history import history
from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.formats import history_page, html, markdown
from feedrate.reports.formats.site import build

PUBLISHED = Path(__file__).parents[3] / "reports" / "published"
STRANGE = "\u202e\u200b\x1b"
JSON = re.compile(r"(?s)<script[^>]*json[^>]*>(.*?)</script>")
Record = TypeVar("Record")


def strange(record: Record) -> Record:
    """Return the record with strange letters at the end of each text that may be any. Its time must stay a time."""
    content = json.loads(msgspec.json.encode(record))
    free = {"/environment/started_at": False}
    for node, key, place in list(_texts(content)):
        before, kind = node[key], re.sub(r"\d+", "0", place)
        node[key] = before + STRANGE
        if kind not in free:
            free[kind] = _fits(content, type(record))
        if not free[kind]:
            node[key] = before
    assert sum(free.values()) > 10
    return msgspec.convert(content, type(record))


def _fits(content: Any, kind: type) -> bool:
    try:
        msgspec.convert(content, kind)
    except msgspec.ValidationError:
        return False
    return True


def _texts(node: Any, place: str = "") -> Iterator[tuple[Any, Any, str]]:
    """Yield each text in it: what holds it, its key there, and the path to it."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(value, str):
            yield node, key, f"{place}/{key}"
        elif isinstance(value, dict | list):
            yield from _texts(value, f"{place}/{key}")


def _obeyed(text: str) -> set[str]:
    """The characters of it that may not stand in any output."""
    return {c for c in text if not c.isprintable() and c not in "\n\t" and category(c) != "Zs"}


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _strings([*value, *value.values()])
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _require_inert(page: str) -> None:
    assert "u202e" in page
    assert _obeyed(unescape(JSON.sub("", page))) == set()
    for content in JSON.findall(page):
        assert set().union(*map(_obeyed, _strings(json.loads(content)))) == set()


@pytest.fixture(scope="module")
def record() -> RunRecord:
    return strange(store.read(PUBLISHED / "h200-2026-11-30" / "load"))


def _report(record: RunRecord, _folder: Path) -> Iterator[str]:
    yield html.render(summarize([(Path("runs"), record)]))


def _markdown(record: RunRecord, _folder: Path) -> Iterator[str]:
    yield markdown.write_markdown(summarize([(Path("runs"), record)]))


def _history(record: RunRecord, folder: Path) -> Iterator[str]:
    for name in "abcde":
        store.write(folder / name, record)
    yield history_page.render(history(folder, lambda _: None))


def _site(record: RunRecord, folder: Path) -> Iterator[str]:
    store.write(folder / "runs" / "a", record)
    build(folder / "runs", folder / "site", lambda _: None)
    for page in (folder / "site").rglob("*.html"):
        yield page.read_text("utf-8")
    for data in (folder / "site").rglob("*.json"):
        yield data.read_text("utf-8")


def _notebook(record: RunRecord, _folder: Path) -> Iterator[str]:
    shown = notebook.InlineFigures.of(summarize([(Path("runs"), record)]))
    yield shown._repr_mimebundle_()["text/html"].rpartition("Plotly = Plotly")[2]
    yield repr(shown)


@pytest.mark.parametrize("pages", [_report, _markdown, _history, _site, _notebook])
def test_a_record_s_texts_are_inert(
    pages: Callable[[RunRecord, Path], Iterator[str]], record: RunRecord, tmp_path: Path
) -> None:
    for page in pages(record, tmp_path):
        _require_inert(page)


def test_a_profile_s_texts_are_inert(record: RunRecord) -> None:
    profiles = [explain(strange(profile)) for profile in files.find(PUBLISHED / "h100-2026-11-25" / "train")]
    _require_inert(html.render(summarize([(Path("runs"), record)]), profiles=profiles[:1]))
