"""The sample of the terminal in the tutorial is what feedrate prints for its record."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console

from feedrate.bench.results import store
from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.formats.terminal.summary import print_summary

ROOT = Path(__file__).parents[2]
SAMPLE = re.compile(r"<!-- sample: (\S+) -->\n\n```text\n(.*?)\n```", re.DOTALL)


def test_the_tutorial_shows_what_the_terminal_prints(tmp_path: Path) -> None:
    [(record, text)] = SAMPLE.findall((ROOT / "docs" / "tutorial.md").read_text())
    store.write(tmp_path, store.read(ROOT / "reports" / "published" / record))  # not compressed, as a reader's own run
    stream = io.StringIO()
    print_summary(summarize([(tmp_path, store.read(tmp_path))]), Console(file=stream, width=80))
    assert text.strip() == stream.getvalue().strip()
