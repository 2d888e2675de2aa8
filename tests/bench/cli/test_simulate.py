"""`feedrate simulate` as a user calls it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from feedrate.bench.cli import simulate
from feedrate.bench.cli.app import main

PUBLISHED = Path(__file__).parents[3] / "reports" / "published"
RECORD = str(PUBLISHED / "h200-engine-2026-11-24")
CLUSTER = "--nodes 1..2 --gpus-per-node 4 --storage-gb-s 10 --network-gb-s 25 --gradient-mb 10 --loader cupy".split()


def called(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Call the command in this process. Return its exit code."""
    monkeypatch.setattr(sys, "argv", ["feedrate", "simulate", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_it_prints_a_table_and_all_assumptions_and_writes_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    assert called([RECORD, *CLUSTER, "-o", str(page)], monkeypatch) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("cupy on 8 ranks: ")
    lines, text = [line.split() for line in printed.out.splitlines()], " ".join(printed.out.split())
    assert [line[:2] for line in lines if line and line[0].isdigit()] == [["1", "4"], ["2", "8"]]
    for words in (
        "Assumptions:",
        "cupy alone 198.",
        "10 GB/s",
        "25 GB/s between nodes",
        "Seed 0.",
    ):
        assert words in text
    text = page.read_text()
    assert 'id="predicted-throughput"' in text
    assert "Nothing on this page was measured on these clusters" in text
    assert printed.err == f"wrote {page}\n"


def test_the_same_command_prints_the_same(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    words = [RECORD, *CLUSTER, "--jitter", "0.3"]
    first, second, third = (
        (called([*words, "--seed", seed], monkeypatch), capsys.readouterr().out) for seed in ("5", "5", "6")
    )
    assert first == second
    assert first != third


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([RECORD, "--loader", "cupi"], "no trial has cupi without the model"),
        ([RECORD, "--nodes", "0..4"], "--nodes: '0..4' must be node counts from 1 to 1,024"),
        ([RECORD, "--nodes", "4..2"], "--nodes: '4..2' must be node counts"),
        ([RECORD, "--nodes", "many"], "--nodes: 'many' must be node counts"),
        ([RECORD, "--jitter", "3"], "--jitter is 3, but must be at most 2"),
        ([RECORD, "--storage-gb-s", "nan"], "--storage-gb-s is nan"),
        ([RECORD, "-o", "."], "-o is ., which is a folder"),
        (["nowhere"], "nowhere/run.json does not exist"),
        (["nowhere", "--storage-gb-s", "inf"], "--storage-gb-s is inf, but must be at most 1000000"),
    ],
)
def test_wrong_requests_are_refused_in_a_sentence(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(words, monkeypatch) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1
    assert not printed.out


def test_node_counts_double_up_to_the_last_one() -> None:
    assert simulate.node_counts("1..8") == (1, 2, 4, 8)
    assert simulate.node_counts("3..20") == (3, 6, 12, 20)
    assert simulate.node_counts("8,1,8") == (1, 8)
    assert simulate.node_counts("7") == (7,)
    with pytest.raises(typer.BadParameter):
        simulate.node_counts("1..2..3")


def test_simpy_is_loaded_by_the_simulation_only() -> None:
    code = "import sys, feedrate.bench.cli.app; print({'simpy', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
