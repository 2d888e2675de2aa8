"""The table after `run` and `report`, at every width and in every encoding, with many loaders of long names."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from feedrate.reports.analysis.summarize import Comparison, summarize
from feedrate.reports.formats import table
from feedrate.reports.formats.terminal import summary
from tests.samples.any_table.fourteen_loaders import NAMES, fourteen_loaders
from tests.samples.sample_record import RUN, record, trial
from tests.samples.snapshot import check_text

WIDTHS = (40, 60, 80, 120, 200)


@pytest.fixture(scope="module")
def fourteen() -> Comparison:
    return summarize([(Path("a"), fourteen_loaders())])


def _printed(comparison: Comparison, width: int, *, wide: bool = False, encoding: str = "utf-8") -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    (summary.print_all if wide else summary.print_summary)(comparison, Console(file=stream, width=width))
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined,no-any-return]


def _table(printed: str) -> list[str]:
    """The lines between the answer and the notes."""
    lines = printed.splitlines()
    first = lines.index("")
    return lines[first + 1 : next(n for n, line in enumerate(lines) if line.startswith("The baseline is"))]


@pytest.mark.parametrize("width", [40, 80])
def test_the_summary_matches_its_snapshot(width: int, fourteen: Comparison) -> None:
    check_text(_printed(fourteen, width), f"summary-{width}.txt")


@pytest.mark.parametrize("width", WIDTHS)
def test_no_name_is_cut_and_no_line_of_the_table_is_too_wide(width: int, fourteen: Comparison) -> None:
    lines = _table(_printed(fourteen, width))
    assert max(map(len, lines)) <= width
    joined = "".join(line.strip() for line in lines)
    assert all(name in joined for name in NAMES)


@pytest.mark.parametrize("width", WIDTHS)
def test_void_and_failed_trials_stand_in_the_table_and_below_it(width: int, fourteen: Comparison) -> None:
    printed = _printed(fourteen, width)
    assert re.search(r"\bvoid\n|\bvoid +-", printed)
    words = " ".join(printed.split())
    assert re.search(rf"- {NAMES[12]}: \d+ of \d+ trials void: timed epoch 1: an epoch delivered 3,999 rows", words)
    assert re.search(rf"- {NAMES[13]}: \d+ of \d+ trials failed: ValueError: cannot parse row 7: 'N/A'", words)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
@pytest.mark.parametrize("wide", [False, True])
def test_any_encoding_gets_an_aligned_table(encoding: str, wide: bool, fourteen: Comparison) -> None:
    odd = replace(fourteen, rows=tuple(replace(row, label=f"ж{row.label}") for row in fourteen.rows))
    printed = _printed(odd, 120, wide=wide, encoding=encoding)
    assert "\\u0436company" in printed
    assert ("±" in printed) == (encoding != "ascii")
    assert ("5.79 +-3 %" in printed or "5.79 M rows/s +-3 %" in printed) == (encoding == "ascii")
    if not wide:
        rows = [line for line in printed.splitlines() if "rows/s" not in line and re.search(r" 0\.78\d\d$", line)]
        assert len({len(line) for line in rows}) == 1


def test_all_columns_and_notes_are_there_if_they_are_wanted(fourteen: Comparison) -> None:
    for width in WIDTHS:
        printed = " ".join(_printed(fourteen, width, wide=True).split())
        cells = table.cells(fourteen)
        for cell in {*cells[0], *(cell for line in cells[1:] for cell in line[1:] if cell != "-")}:
            assert cell in printed
        assert "Task mlp: the reference notebook's embedding MLP" in printed


def test_a_short_name_of_a_baseline_stands_in_the_head() -> None:
    printed = _printed(summarize([(Path("a"), replace(RUN, baseline="slow"))]), 80)
    assert re.search(r"Training +Against", printed)
    assert re.search(r"rows/s +slow", printed)
    assert "faster: at least 4.9 times" in printed
    assert re.search(r"^gone +unavailable", printed, re.MULTILINE)


def test_flags_that_differ_in_numbers_only_are_one_line() -> None:
    flags = [f"a thread waited {share} % of the time" for share in (30, 40, 50)]
    trials = [replace(trial("a", "train", 100, n), flags=(flag,)) for n, flag in enumerate(flags)]
    printed = _printed(summarize([(Path("a"), record(*trials))]), 80)
    assert printed.count("a thread waited") == 2  # in the title and under "What is wrong?"


@pytest.mark.parametrize(("rates", "words"), [
    ((100.0,), "What next? 2 more rounds should give the first intervals."),
    ((100.0, 112.0), "its rate is uncertain after 2 rounds: about 1 more should narrow it"),
    ((100.0, 250.0), "its rate is uncertain after 2 rounds: about"),
])  # fmt: skip
def test_an_open_verdict_says_how_many_rounds_would_settle_it(rates: tuple[float, ...], words: str) -> None:
    trials = [trial("a", "train", rate, n) for n, rate in enumerate(rates)]
    assert words in " ".join(_printed(summarize([(Path("a"), record(*trials))]), 80).split())
