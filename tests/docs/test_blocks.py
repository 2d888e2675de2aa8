"""The commands and the Python of README and docs run as they are written, with less to do."""

from __future__ import annotations

import contextlib
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from feedrate.bench.cli.app import app
from feedrate.bench.results.messages import Progress, Task
from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.run import preparations, suite
from feedrate.bench.trial.child import attempt
from tests.docs.blocks import PAGES, ROOT, Block, blocks
from tests.docs.given import KINDS, Shelf
from tests.docs.shell import Shell, forget, less

WITH_BLOCKS = [page for page in PAGES if any(not block.left_out for block in blocks(page))]
LEFT_OUT = [block for page in PAGES for block in blocks(page) if block.left_out]
ABORTED = "terminate called without an active exception"
"""What torch 2.13 prints when it aborts a process at its end, in about one of eight with a gloo group, without feedrate, too."""
MAX_LEFT_OUT = 25
"""Raise this only if a new block really cannot run on two cores without a network."""


@pytest.fixture
def _trials_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_here(
        _python: str,
        spec: TrialSpec,
        dataset: Path,
        *,
        timeout_s: float,
        progress: Progress,
        only_prepare: bool = False,
        launcher: object = None,
    ) -> tuple[TrialResult, bytes]:
        result = attempt(Task(spec=spec, dataset=str(dataset), only_prepare=only_prepare), progress).result
        assert result is not None
        return result, b""

    monkeypatch.setattr(suite, "run_in_process", run_here)
    monkeypatch.setattr(preparations, "run_in_process", run_here)


@pytest.mark.slow
@pytest.mark.usefixtures("_trials_in_this_process")
@pytest.mark.parametrize("page", WITH_BLOCKS)
def test_the_blocks_of_a_page_run_in_order(page: str, shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    folder.mkdir()
    shell = Shell(folder, tmp_path / "programs")
    for block in blocks(page):
        for name, kind in block.given:
            shelf.put(kind, folder / name)
        if block.file:
            (folder / block.file).write_text(less(block.code))
        elif not block.left_out:
            _run(block, shell)


def _run(block: Block, shell: Shell) -> None:
    if block.language == "python":
        with contextlib.chdir(shell.folder):
            exec(compile(less(block.code), block.place, "exec"), {"__name__": "page"})
        forget(shell.folder)
        return
    code, output = shell.run(block.code)
    if ABORTED in output:
        code, output = shell.run(block.code)
    assert code == 0, f"{block.place}: exit code {code}\n{output}"


def test_marks_are_read_and_few_blocks_are_left_out() -> None:
    found = [block for page in PAGES for block in blocks(page)]
    assert {kind for block in found for _, kind in block.given} <= set(KINDS)
    marks = sum(len(re.findall(r"(?m)^ *<!-- (?:not run|file|given): ", (ROOT / page).read_text())) for page in PAGES)
    assert marks == sum(bool(block.left_out) + bool(block.file) + len(block.given) for block in found)
    assert len(LEFT_OUT) <= MAX_LEFT_OUT


@pytest.mark.parametrize("block", LEFT_OUT, ids=lambda block: block.place)
def test_a_block_that_is_left_out_has_valid_options(block: Block) -> None:
    """It is reported as skipped, so that pytest's summary counts the reasons."""
    commands = get_command(app)
    for line in block.code.splitlines() if block.language == "sh" else ():
        words = shlex.split(line, comments=True)
        if words[:1] == ["feedrate"]:
            command = commands.get_command(None, words[1])  # type: ignore[attr-defined, arg-type]
            assert command is not None, line
            command.make_context(words[1], words[2:])
    pytest.skip(f"a block of the documents is not run: {block.left_out}")
