"""Text for encodings that lack some of its characters."""

from __future__ import annotations

import io

import pytest

from feedrate.reports.formats.history_text import BARS
from feedrate.reports.formats.terminal import letters


def test_ascii_gets_a_stand_in_for_every_character_that_reports_draw() -> None:
    assert letters.in_encoding("9.4 ±1 % ▲▼ … ─", "ascii") == "9.4 +-1 % ^v ... -"
    bars = letters.in_encoding(BARS, "ascii")
    assert len(set(bars)) == len(BARS)


def test_an_encoding_keeps_what_it_has() -> None:
    assert letters.in_encoding("±…▁", "cp1252") == "±…_"
    assert letters.in_encoding("±…▁", "utf-8") == "±…▁"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8", "utf-16"])
def test_no_character_raises(encoding: str) -> None:
    letters.register()
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=letters.HANDLER)
    stream.write("±\N{SNOWMAN}\ud800ж▁\U0001f600")
    stream.flush()
    assert letters.in_encoding("\ud800", encoding) == "\\ud800"


def test_only_the_letters_that_are_lacking_are_replaced() -> None:
    assert letters.in_encoding("ж±é▁", "latin-1") == "\\u0436±é_"
