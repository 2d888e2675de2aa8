"""What the commands print to a pipe and to a terminal: COLUMNS, encodings, NO_COLOR, TERM=dumb."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from feedrate.bench.cli import terminal
from feedrate.bench.cli.app import app
from feedrate.bench.results import store
from feedrate.bench.results.record import RunRecord
from feedrate.reports.formats.terminal import letters
from feedrate.reports.formats.terminal.columns import Column, print_columns
from tests.samples.any_table.fourteen_loaders import NAMES, fourteen_loaders
from tests.samples.sample_record import ENVIRONMENT, record, trial

FEEDRATE = [sys.executable, "-m", "feedrate"]


def _environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "TERM")}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[4]), **changes}


def _in_terminal(words: list[str], **changes: str) -> str:
    """Run a command in a pseudo-terminal of 80 columns and return what it writes."""
    leader, follower = pty.openpty()
    os.set_blocking(leader, True)
    process = subprocess.Popen(
        [*FEEDRATE, *words], stdin=follower, stdout=follower, stderr=follower, env=_environment(**changes)
    )
    os.close(follower)
    written = b""
    try:
        while block := os.read(leader, 65_536):
            written += block
    except OSError:  # Linux says so when the last process has closed it
        pass
    finally:
        os.close(leader)
    assert process.wait(30) == 0
    return written.decode("ascii")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    store.write(folder, fourteen_loaders())
    return folder


def test_a_pipe_is_as_wide_as_columns_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    assert terminal.output_console().width == 72
    monkeypatch.setenv("COLUMNS", "wide")
    assert terminal.output_console().width == terminal.NO_LIMIT


def test_a_report_in_a_pipe_of_80_ascii_columns(run: Path) -> None:
    done = subprocess.run(
        [*FEEDRATE, "report", str(run), "-o", str(run / "page.html")],
        capture_output=True,
        check=False,
        env=_environment(PYTHONIOENCODING="ascii:strict", COLUMNS="80"),
    )
    assert done.returncode == 0, done.stderr.decode()
    printed = done.stdout.decode("ascii")
    table = [line for line in printed.splitlines() if re.search(r"0\.78\d\d$", line)]
    assert len(table) == 12
    assert max(map(len, table)) <= 80
    assert all(name in printed for name in NAMES)


@pytest.mark.parametrize("command", ["compare RUN", "compare RUN --wide --all", "history RUN", "list"])
def test_no_command_raises_in_ascii(command: str, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    letters.register()
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors=letters.HANDLER)
    monkeypatch.setattr(terminal, "out", Console(file=stream, width=80, emoji=False, highlight=False))
    assert not app([str(run) if word == "RUN" else word for word in command.split()], standalone_mode=False)
    stream.flush()
    printed = stream.buffer.getvalue()  # type: ignore[attr-defined]
    assert printed.decode("ascii").strip()
    assert b"\\u" not in printed  # every character has a stand-in that can be read


def test_a_dumb_terminal_gets_plain_lines(run: Path) -> None:
    written = _in_terminal(["report", str(run), "-o", str(run / "page.html")], TERM="dumb", PYTHONIOENCODING="ascii")
    assert "\x1b" not in written
    assert re.search(rf"{NAMES[11]}\r\n +5\.79 \+-3 % +faster: 29 times", written)


def test_no_color_takes_the_colours_away(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = [Column(title="a", cells=["b"]), Column(title="c", cells=["d"], styles=["green"])]
    printed = []
    for no_color in ("", "1"):
        monkeypatch.setenv("NO_COLOR", no_color)
        monkeypatch.setenv("TERM", "xterm-256color")
        stream = io.StringIO()
        print_columns(Console(file=stream, force_terminal=True, width=80), columns)
        printed.append(stream.getvalue())
    assert "\x1b[32m" in printed[0]
    assert "\x1b" not in printed[1]


def _compared(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    stream = io.StringIO()
    monkeypatch.setenv("FEEDRATE_COMMIT", ENVIRONMENT.commit or "")  # the records could be continued
    monkeypatch.setattr(terminal, "out", Console(file=stream, width=80))
    app(["compare", *(str(folder / word) for word in words)], standalone_mode=False)
    return stream.getvalue()


def _noisy_run(gpu: str = "A GPU") -> RunRecord:
    trials = [trial("a", "load", 100, n) for n in range(3)]
    trials += [trial("b", "load", rate, n) for n, rate in enumerate((105, 99, 111))]
    run = record(*trials, trial("c", "load", 1))
    return replace(run, baseline="a", environment=replace(run.environment, gpu=gpu))


def test_compare_begins_with_the_answers_and_says_no_number_of_rounds_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(tmp_path / "x", _noisy_run())
    printed = _compared(tmp_path, monkeypatch, "x@a", "x@b")
    assert printed.startswith("Without a model, b was faster than a in 2 of 3 rounds, but 3 rounds do not prove")
    assert printed.count("more rounds should settle") == 1
    assert "apart" not in printed


def test_compare_of_two_runs_asks_for_rounds_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = _noisy_run()
    store.write(tmp_path / "x", _noisy_run())
    store.write(tmp_path / "y", replace(other, trials=(*other.trials, trial("d", "load", 1))))
    store.write(tmp_path / "z", _noisy_run("B GPU"))
    printed = _compared(tmp_path, monkeypatch, "x@a", "y@b")
    assert re.search(
        r"Loader only: not proven after 3 rounds: about \d+ more of each run should\s+tell these two apart",
        " ".join(printed.split()),
    )
    assert "What next?" in printed
    assert "What next?" not in _compared(tmp_path, monkeypatch, "x@a", "z@b")


def test_a_long_command_goes_on_after_a_backslash_and_can_be_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _noisy_run()
    long = replace(run, environment=replace(run.environment, command=f"feedrate run {'d' * 90} -o RUN"))
    store.write(tmp_path / "x", long)
    printed = _compared(tmp_path, monkeypatch, "x@a", "x@b")
    goes_on = r" \\\n    "
    command = rf"^  feedrate run {'d' * 90}{goes_on}-o RUN --loaders a,b,c --repeats \d+ --seeds 0 --resume$"
    assert re.search(command, printed, re.MULTILINE)


def test_the_record_of_another_commit_gets_a_command_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _noisy_run()
    store.write(tmp_path / "x", replace(run, environment=replace(run.environment, commit="fedcba")))
    printed = _compared(tmp_path, monkeypatch, "x@a", "x@b")
    assert "The record was made at another commit, so it cannot be continued." in " ".join(printed.split())
    assert re.search(r"-o RUN-2 --loaders a,b,c --repeats \d+ --seeds 0$", printed, re.MULTILINE)


def test_compare_shows_the_settings_that_were_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = [replace(trial("a", "load", 100, n), options={"window_rows": "0"}) for n in range(3)]
    head = [
        replace(trial("b", "load", 200, n), options={"window_rows": "0"}, options_in_force={"window_rows": "4096"})
        for n in range(3)
    ]
    store.write(tmp_path, replace(record(*base, *head), baseline="a"))
    stream = io.StringIO()
    monkeypatch.setattr(terminal, "out", Console(file=stream, width=80))
    app(["compare", str(tmp_path)], standalone_mode=False)
    assert re.search(r"\nSetting in force +Base +Head\n.*\nwindow_rows +not recorded +4096\n", stream.getvalue())
