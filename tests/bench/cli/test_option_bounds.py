"""Every number on the command line has bounds, and is refused beyond them before anything slow."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from feedrate.bench.cli.app import main
from feedrate.bench.datasets.canonical import Dataset
from tests.fuzz.mutators.arguments import FUNCTIONS, types_of

WORDS = {
    "run": "run {data} -o x",
    "profile": "profile cupy {data} -o x --device cpu",
    "check": "check cupy",
    "selftest": "selftest",
    "simulate": "simulate {data}",
    "prepare": "prepare parquet {data} --label rating -o x",
    "prepare rows": "prepare synthetic-movielens -o x",
    "prepare positive_fraction": "prepare synthetic-criteo -o x",
}
"""The rest of the command for the options of each command."""
NUMBERS = [
    (command, option) for command in FUNCTIONS for option, types in types_of(command).items() if {*types} & {int, float}
]
UNBOUNDED = {("prepare", "label_above")}
"""Options for which every finite number makes sense."""
LISTS = [
    ("run", "batch_size"),
    ("run", "seeds"),
    ("run", "hidden"),
    ("run", "bottom"),
    ("profile", "hidden"),
    ("simulate", "nodes"),
]


"""Options with several numbers."""


def test_the_options_with_numbers_are_found() -> None:
    assert ("run", "workers") in NUMBERS
    assert ("run", "learning_rate") in NUMBERS
    assert len(NUMBERS) > 20


@pytest.mark.parametrize("value", ["nan", "-1e300", "9" * 400], ids=["nan", "low", "high"])
@pytest.mark.parametrize(("command", "option"), [*NUMBERS, *LISTS])
def test_a_number_out_of_bounds_is_refused_by_name(
    command: str,
    option: str,
    value: str,
    small: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if (command, option) in UNBOUNDED and value == "-1e300":
        pytest.skip("any finite number is one")
    words = WORDS.get(f"{command} {option}", WORDS[command]).format(data=small.folder).split()
    flag = f"--{option.replace('_', '-')}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["feedrate", *words, f"{flag}={value}"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err.splitlines()[-1]  # another feedrate on this machine may be warned of before
    assert ended.value.code == 2
    assert not any(tmp_path.iterdir())
    assert flag in said or option in said
    assert len(said) <= 310
