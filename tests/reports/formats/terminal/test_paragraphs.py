"""Where lines end: never between a number and its unit, and in a command never between an option and its value."""

from __future__ import annotations

import shlex

import pytest

from feedrate.reports.formats.terminal.paragraphs import command_lines, paragraph_lines
from feedrate.reports.units import NO_BREAK, format_times, kept_together

COMMAND = "feedrate run '/my data/x' --loaders native,native-batched -o runs/new --repeats 6 --seeds 0,1,2 --resume"


@pytest.mark.parametrize("width", range(12, 60))
def test_no_line_ends_between_a_number_and_its_unit(width: int) -> None:
    text = "It lost -92.7 % of 1.51 G rows/s ±12 % (n = 1), 17 times more in 3 rounds, and took 4.00 GB for 20 seconds."
    lines = paragraph_lines(text, width)
    assert " ".join(line.strip() for line in lines) == text
    for kept in ("-92.7 %", "1.51 G rows/s", "±12 %", "n = 1", "17 times", "3 rounds", "4.00 GB", "20 seconds"):
        assert any(kept in line for line in lines)


def test_words_after_a_number_that_are_no_unit_may_stand_on_the_next_line() -> None:
    assert NO_BREAK not in kept_together("3 more, 5 loaders and batch size 100 on a GPU")


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_command_is_broken_between_options_only_and_a_shell_reads_the_same(width: int) -> None:
    lines = command_lines(COMMAND, width)
    assert shlex.split("\n".join(lines).replace("\\\n", "")) == shlex.split(COMMAND)  # as a shell joins lines
    assert any("--repeats 6" in line for line in lines)
    assert any("-o runs/new" in line for line in lines)
    assert any("'/my data/x'" in line for line in lines)
    assert all(len(line) <= width for line in lines)
    assert (len(lines) == 1) == (width == 200)


def test_factors_get_as_many_digits_as_tell_them_apart() -> None:
    assert format_times(1.92, 1.81, 2.11) == ("1.9", "1.8", "2.1")
    assert format_times(1.99, 1.984, 1.997) == ("1.99", "1.98", "2.00")
    assert format_times(17.2, 14.1, 20.4) == ("17", "14", "20")
    assert format_times(0.0601, 0.05, 0.0728) == ("0.060", "0.050", "0.073")
    assert format_times(0.0) == ("0",)
