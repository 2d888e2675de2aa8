"""Texts from strangers are inert wherever they are shown: in a terminal, in Markdown, in a spreadsheet, in a page."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from feedrate.loaders.error_text import MAX_CHARACTERS, one_line
from feedrate.reports.formats.markdown import markdown_table
from feedrate.reports.formats.numbers import in_cell
from feedrate.reports.names import in_markdown, plain
from tests.fuzz.mutators.strange_text import TEXTS

ANY_TEXT = st.lists(st.sampled_from(TEXTS) | st.text() | st.text("|`*_[]<>()!:/\\=+-@#&~ \n"), max_size=4).map("".join)
INERT = {"text", "text_special", "softbreak", "html_inline", "inline"}
"""What escaped text may become. The only HTML is the empty comment, which is checked."""
MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})


@given(ANY_TEXT)
def test_an_error_is_one_printable_line_of_bounded_length(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= MAX_CHARACTERS
    assert one_line(line) == line


@given(ANY_TEXT)
def test_a_name_is_shown_escaped(text: str) -> None:
    assert plain(text).isprintable()
    if text.isprintable():
        assert plain(text) == text


@given(ANY_TEXT)
def test_a_name_is_inert_in_markdown(text: str) -> None:
    for token in MARKDOWN.parseInline(in_markdown(text))[0].children or []:
        assert token.type in INERT
        assert token.type != "html_inline" or token.content == "<!-- -->"


@given(ANY_TEXT, ANY_TEXT)
def test_a_name_stays_in_its_cell_of_a_markdown_table(first: str, second: str) -> None:
    lines = markdown_table([["a", "b"], [in_markdown(first), in_markdown(second)], ["c", "d"]])
    kinds = [token.type for token in MARKDOWN.parse("\n".join(lines))]
    assert kinds.count("table_open") == 1
    assert kinds.count("tr_open") == 3
    assert kinds.count("td_open") == 4


@given(ANY_TEXT)
def test_a_spreadsheet_runs_no_cell(text: str) -> None:
    stream = io.StringIO()
    csv.writer(stream).writerow([in_cell(text), 1])
    [[cell, _]] = csv.reader(io.StringIO(stream.getvalue(), newline=""))
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert cell.removeprefix("'") == text.removeprefix("'")


@pytest.mark.parametrize("number", [-1.5, 3, None])
def test_numbers_of_a_spreadsheet_stay_numbers(number: float | None) -> None:
    assert in_cell(number) == number
