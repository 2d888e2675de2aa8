"""Columns at the widths where their form changes."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from feedrate.reports.formats import table
from feedrate.reports.formats.terminal.columns import Column, print_columns


def _printed(width: int, *columns: Column) -> list[str]:
    stream = io.StringIO()
    print_columns(Console(file=stream, width=width), columns)
    return stream.getvalue().splitlines()


def test_the_highest_rank_is_left_out_first() -> None:
    columns = [Column(title="name", cells=["n" * 30])] + [
        Column(title=f"rank {rank}", cells=[f"{rank}" * 20], rank=rank) for rank in (0, 2, 1)
    ]
    shown = {
        width: [rank for rank in "012" if f"rank {rank}" in _printed(width, *columns)[0]] for width in (80, 96, 120)
    }
    assert shown == {80: ["0", "1"], 96: ["0", "1", "2"], 120: ["0", "1", "2"]}


def test_a_name_that_leaves_no_room_gets_a_line_of_its_own() -> None:
    lines = _printed(80, Column(title="name", cells=["n" * 50]), Column(title="x", unit="s", cells=["v" * 40]))
    assert lines[3:] == ["n" * 50, " " * 6 + "v" * 40]


def test_values_that_fit_no_line_become_blocks_that_are_not_cut() -> None:
    columns = [
        Column(title="name", cells=["a:" + "n" * 90]),
        *(Column(title=f"t{n}", cells=["v" * 60]) for n in range(2)),
    ]
    lines = _printed(80, *columns)
    assert lines == ["a:" + "n" * 78, "  " + "n" * 12, f"  t0  {'v' * 60}", f"  t1  {'v' * 60}"]


@pytest.mark.parametrize("width", [20, 40, 79])
def test_a_block_leaves_out_what_was_not_measured_and_folds_what_is_too_long(width: int) -> None:
    values = [
        Column(title="speed", unit="rows/s", cells=["-", "word " * 20]),
        Column(title="AUC", cells=["0.8", "0.9"]),
    ]
    lines = _printed(width, Column(title="name", cells=["a", "b"]), *values)
    assert max(map(len, lines)) <= width
    assert "speed" not in "".join(lines[: lines.index("b")])
    assert "".join(lines).count("word") == 20


def test_letters_of_double_width_keep_columns_aligned() -> None:
    lines = _printed(80, Column(title="name", cells=["日本語", "abcdef"]), Column(title="x", cells=["1", "2"]))
    assert lines[2:] == ["日本語  1", "abcdef  2"]


def test_a_table_is_split_by_columns_and_each_part_has_the_names() -> None:
    parts = table.fitting([["name", "a" * 30, "b" * 30], ["n", "1", "2"]], 40)
    assert [part[0][0] for part in parts] == ["name", "name"]
    assert [part[1][1] for part in parts] == ["1", "2"]


def test_values_follow_their_titles_in_all_blocks_if_one_is_too_long_to_be_aligned() -> None:
    values = Column(title="Against nvtabular:defaults", cells=["at least -92.7 % to -90.1 %", "same"])
    stall = Column(title="Stall", cells=["1", "2"])
    assert _printed(40, Column(title="Loader", cells=["a", "b"]), values, stall) == [
        "a",
        "  Against nvtabular:defaults: at least",
        "    -92.7 % to -90.1 %",
        "  Stall: 1",
        "",
        "b",
        "  Against nvtabular:defaults: same",
        "  Stall: 2",
    ]


def test_an_interval_without_room_stands_below_its_verdict_and_is_not_left_out() -> None:
    columns = [
        Column(title="Loader", cells=["n" * 50, "m"]),
        Column(title="Against", unit="a", cells=["faster", "baseline"]),
        Column(title="interval", cells=["1.6 times slower to 1.5 times faster", "-"], rank=1, under=True),
    ]
    head, unit, interval, _, *rows = _printed(80, *columns)
    assert [line.split() for line in (head, unit, interval)] == [["Loader", "Against"], ["a"], ["interval"]]
    assert [line.split() for line in rows] == [
        ["n" * 50, "faster"], "1.6 times slower to".split(), "1.5 times faster".split(), ["m", "baseline"]
    ]  # fmt: skip
    assert len({len(line) for line in (head, unit, interval, *rows)}) == 1
    assert _printed(120, *columns)[0].endswith("interval")
