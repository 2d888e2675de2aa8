"""A loader that dies, hangs or raises anything breaks a rule with a true sentence, and the other rules are still checked."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from feedrate.bench.run.check import check_loader
from feedrate.loaders import registry
from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.conformance import Case, RuleResult, check
from feedrate.loaders.errors import FeedrateError

CONFIG = LoaderConfig(batch_size=512)
MODULE = """
import ctypes, os, sys, time
from feedrate.loaders.native_batched import NativeBatchedLoader

class Silent(BaseException):
    pass

class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError
    __repr__ = __str__

class Mine(NativeBatchedLoader):
    def __init__(self, split, config):
        super().__init__(split, config)
        self._config = config
        {opened}

    def epoch(self, index):
        for number, batch in enumerate(super().epoch(index)):
            if number == 2 and index == {epoch}:
                {code}
            yield batch

    def close(self):
        {closed}
        super().close()
"""


def _written(folder: Path, code: str = "pass", *, epoch: int = 1, opened: str = "pass", closed: str = "pass") -> str:
    """Write a loader that runs `code` in the third batch of an epoch, and return its name. The module's name is new."""
    name = f"mine_{folder.name.replace('-', '_')}"
    (folder / f"{name}.py").write_text(MODULE.format(code=code, epoch=epoch, opened=opened, closed=closed))
    return f"{name}:Mine"


def _check(folder: Path, loader: str, **options: float) -> dict[str, RuleResult]:
    results = check_loader(loader, CONFIG, rows=2100, import_path=[str(folder)], **options)  # type: ignore[arg-type]
    return {result.rule: result for result in results if result.outcome != "passed"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("os._exit(0)", "its process exited with code 0 in the middle of an epoch"),
        ("ctypes.string_at(0)", "its process was killed by SIGSEGV in the middle of an epoch"),
        ("time.sleep(60)", "it reported nothing for 2 s and was stopped in the middle of an epoch"),
    ],
)
def test_a_death_in_an_epoch_breaks_the_rule_and_the_other_rules_are_checked(
    code: str, sentence: str, tmp_path: Path
) -> None:
    broken = _check(tmp_path, _written(tmp_path, code), timeout_s=2.0)
    assert {rule: result.detail for rule, result in broken.items()} == {"epochs_end": sentence}
    assert "ranks_even" in broken["epochs_end"].spoilt
    assert not {"opens", "close_twice"} & set(broken["epochs_end"].spoilt)


def test_a_death_on_import_breaks_the_first_rule(tmp_path: Path) -> None:
    (tmp_path / "exits.py").write_text("import os\nos._exit(0)\n")
    broken = _check(tmp_path, "exits:Mine")
    assert broken["opens"].detail == "its process exited with code 0 while its module was imported"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("sys.exit(0)", "it called sys.exit(0)"),
        ("raise Silent", "Silent without a message"),
        ("raise KeyboardInterrupt('mine')", "KeyboardInterrupt: mine"),
        ("raise Unprintable", "an exception of type Unprintable whose text cannot be printed"),
        ("raise ValueError('\\ud800 a\\n  b')", "ValueError: ? a b"),
        ("raise ValueError('x' * 999)", f"ValueError: {'x' * 288}"),
    ],
)
def test_whatever_it_raises_breaks_a_rule(
    code: str, sentence: str, tmp_path: Path, planted: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    case = Case(registry.choose(_written(tmp_path, code)), planted, CONFIG, alone=True)
    broken = {result.rule: result.detail for result in check(case) if result.outcome != "passed"}
    assert broken == {"epochs_end": sentence}


def test_ctrl_c_in_the_user_s_own_process_is_not_the_loader_s(
    tmp_path: Path, planted: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    case = Case(registry.choose(_written(tmp_path, "raise KeyboardInterrupt")), planted, CONFIG)
    with pytest.raises(KeyboardInterrupt):
        list(check(case))


def test_an_opening_error_is_reported_once(tmp_path: Path, planted: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    loader = _written(tmp_path, opened="if config.world_size > 1: raise ValueError('one rank only')")
    broken = [result for result in check(Case(registry.choose(loader), planted, CONFIG)) if result.outcome != "passed"]
    assert [(result.rule, result.detail) for result in broken] == [
        ("ranks_disjoint_and_complete", "ValueError: one rank only")
    ]
    assert broken[0].spoilt == ("ranks_even", "ranks_contents_intact", "ranks_reshuffle")


@pytest.mark.slow
def test_an_error_in_a_worker_process_of_the_loader_is_its_last_line(
    tmp_path: Path, planted: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "raises_in_worker.py").write_text(
        "from torch.utils.data import DataLoader, IterableDataset\n"
        "class Rows(IterableDataset):\n"
        "    def __iter__(self):\n        raise ValueError('no rows today')\n"
        "class Mine:\n"
        "    def __init__(self, split, config): pass\n"
        "    def epoch(self, index): return iter(DataLoader(Rows(), num_workers=1))\n"
        "    def close(self): pass\n"
    )
    broken = [
        result.detail
        for result in check(Case(registry.choose("raises_in_worker:Mine"), planted, CONFIG))
        if result.outcome == "failed"
    ]
    assert broken[0] == "ValueError: no rows today"


@pytest.mark.slow
def test_nothing_stays_behind_and_output_is_kept_apart(tmp_path: Path) -> None:
    """The loader starts a process in a session of its own, prints into standard output, and is then killed."""
    code = f"print('a word'); os.system('setsid sleep 300 & echo $! > {tmp_path}/pid'); os.abort()"
    printed: list[str] = []
    results = list(
        check_loader(
            _written(tmp_path, code, epoch=0), CONFIG, rows=2100, import_path=[str(tmp_path)], printed=printed.append
        )
    )
    assert [result.rule for result in results if result.outcome == "failed"] == ["epochs_end"]
    assert "a word" in printed[0]
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and _lives(int((tmp_path / "pid").read_text())):
        time.sleep(0.05)
    assert not _lives(int((tmp_path / "pid").read_text()))


def test_the_command_exits_with_1_and_prints_the_mistake_once(tmp_path: Path) -> None:
    loader = _written(tmp_path, opened="raise ValueError('never')")
    done = subprocess.run(
        [sys.executable, "-m", "feedrate", "check", loader, "--rows", "2100"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("ValueError: never") == 1
    assert "also spoils: epochs_end, plain_batches" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 rule(s) broken, which spoil 22 other(s)")


@pytest.mark.parametrize(
    ("loader", "sentence"), [("nowhere", "unknown loader 'nowhere'"), ("replay", "there is nothing to check")]
)
def test_a_loader_that_cannot_be_checked_is_refused(loader: str, sentence: str) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        list(check_loader(loader, CONFIG, rows=2100))


def test_too_few_rows_are_refused_at_once() -> None:
    with pytest.raises(FeedrateError, match="--rows has 2047 rows, but the rules need at least 4 batches of 512: 2048"):
        check_loader("nowhere", CONFIG, rows=2047)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z" and os.path.exists(f"/proc/{pid}")
