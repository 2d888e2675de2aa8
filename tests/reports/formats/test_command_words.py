"""Where the lines of a command may end."""

from __future__ import annotations

import pytest

from feedrate.reports.formats.command_words import options


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        ("feedrate run data/a-b --loaders cupy,native -o runs/a", ["feedrate run data/a-b", "--loaders cupy,native", "-o runs/a"]),
        ("feedrate run 'a --b' --resume", ["feedrate run 'a --b'", "--resume"]),
    ],
)  # fmt: skip
def test_an_option_and_its_value_stay_together(command: str, parts: list[str]) -> None:
    assert options(command) == parts
    assert " ".join(options(command)) == command
