"""What `prepare` and `explain` print in narrow terminals and in small encodings: no line is too wide, and no name is cut."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedrate.bench.cli import terminal
from feedrate.bench.cli.app import app
from feedrate.reports.formats.terminal import letters

PROFILES = Path(__file__).parents[3] / "reports" / "published" / "h100-2026-11-26" / "profiles"
LONG = "a_rather_long_name_of_a_column"
SIZES = pytest.mark.parametrize(("width", "encoding"), [(80, "ascii"), (60, "cp1252"), (40, "utf-8"), (40, "ascii")])


def _printed(words: list[str], width: int, encoding: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    letters.register()
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    console = terminal.PlainConsole(file=stream, width=width, emoji=False, highlight=False)
    monkeypatch.setattr(terminal, "out", console)
    monkeypatch.setattr(terminal, "err", console)
    assert not app(words, standalone_mode=False)
    stream.flush()
    return stream.buffer.getvalue().decode(encoding).splitlines()  # type: ignore[attr-defined,no-any-return]


@SIZES
def test_the_columns_of_a_table_are_shown_whole(
    width: int, encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = np.arange(200) % 20
    columns = {"user": ids, LONG: ids, "price": np.linspace(1, 900, 200), "clicked": ids % 2}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    words = ["prepare", str(tmp_path / "a.parquet"), "--label", "clicked", "--normalize", "price", "--yes"]
    monkeypatch.chdir(tmp_path)
    lines = _printed([*words, "-o", "out"], width, encoding, monkeypatch)
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert f"{LONG} {'single-hot 20' if width == 80 else 'Kind single-hot Ids 20'}" in text
    assert "price: normalized (mean 450.5, deviation " in text
    assert "…" not in text
    assert " rows in 1 file valid: " in text


@SIZES
def test_a_profile_is_explained_at_any_width(width: int, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _printed(["explain", str(PROFILES)], width, encoding, monkeypatch)
    kernel = max(map(len, " ".join(lines).split()))  # the name of a kernel is one word
    assert max(map(len, lines)) <= max(width, kernel + 6)
    text = " ".join(" ".join(lines).split())
    assert "The device is busy nearly all the time: the loader is not the bottleneck." in text
    assert ("to_device main 800 237 ms 48.3 % 24.4 ms 3.01 G bytes/s" in text) == (width == 80)
    assert ("to_device Thread main Times 800 Host 237 ms" in text) == (width < 80)
