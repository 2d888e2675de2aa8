"""Runs cases in one process: reads `TARGET SEED` from its input, and writes a line of JSON for each."""

from __future__ import annotations

import faulthandler
import json
import os
import random
import resource
import shutil
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from tests.fuzz.case import Case, Outcome
from tests.fuzz.oracle import violations
from tests.fuzz.stand_ins import NO_PROCESS, stand_in
from tests.fuzz.targets import TARGETS
from tests.fuzz.templates import Templates

SPARE_BYTES = 6_000_000_000
"""Address space that a case may reserve. Its resident memory has a lower limit, in the oracle."""


def main(root: Path) -> None:
    """root: an empty folder for everything that the cases read and write."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    questions = os.fdopen(os.dup(0))
    _redirect(os.open(os.devnull, os.O_RDONLY), 0)
    shutil.rmtree(root / "templates", ignore_errors=True)  # of a worker that died
    templates = Templates.make(root / "templates")
    _warm_up()
    stand_in()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + SPARE_BYTES, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable(os.dup(2))  # the parent aborts a worker that hangs
    answers.write("ready\n")
    for question in questions:
        target, seed = question.split()
        answers.write(json.dumps(_answer(target, int(seed), root, templates)) + "\n")


def _answer(target: str, seed: int, root: Path, templates: Templates) -> dict[str, Any]:
    place = root / "case"
    shutil.rmtree(place, ignore_errors=True)
    for name in ("around/work", "home", "tmp"):
        (place / name).mkdir(parents=True)
    (place / "around/neighbour").write_bytes(b"untouched")
    os.chdir(place / "around/work")
    case = TARGETS[target](random.Random(f"{target} {seed}"), templates)
    outcome = _run(case, place)
    os.chdir(root)
    said = (outcome.stderr or outcome.stdout).decode(errors="replace")
    return {
        "target": target,
        "seed": seed,
        "argv": [word[:200] for word in case.argv],
        "code": outcome.code,
        "seconds": round(outcome.seconds, 4),
        "violations": list(violations(outcome)),
        "stopped": NO_PROCESS in said,
        "said": said[:400],
    }


def _run(case: Case, place: Path) -> Outcome:
    from feedrate.bench.cli.app import main as feedrate

    before = _snapshot(place)
    sys.argv = ["feedrate", *case.argv]
    kept = os.dup(1), os.dup(2)
    streams = os.memfd_create("stdout"), os.memfd_create("stderr")
    base = _reset_peak()
    _redirect(streams[0], 1, close=False)
    _redirect(streams[1], 2, close=False)
    start = time.process_time()
    code: object
    try:
        feedrate()
        code = 0
    except SystemExit as end:
        code = end.code if end.code is not None else 0
    except BaseException:
        code = traceback.format_exc()[-3000:]
    seconds = time.process_time() - start
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    for number, descriptor in enumerate(kept, 1):
        _redirect(descriptor, number)
    grown = _peak() - base
    touched = _touched(before, _snapshot(place), [Path("around/work", name) for name in case.outputs])
    stdout, stderr = map(_content, streams)
    return Outcome(code=code, stdout=stdout, stderr=stderr, seconds=seconds, grown_bytes=grown, touched=touched)


def _redirect(source: int, target: int, *, close: bool = True) -> None:
    os.dup2(source, target)
    if close:
        os.close(source)


def _content(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        return file.read()


def _snapshot(place: Path) -> dict[Path, tuple[int, ...]]:
    """Mode, size and time of change of everything below a folder. Of a folder, only that it is one."""
    states = {}
    for folder, folders, files in os.walk(place):
        for name in (*folders, *files):
            path = Path(folder, name)
            status = path.lstat()
            whole = () if path.is_dir() and not path.is_symlink() else (status.st_size, status.st_mtime_ns)
            states[path.relative_to(place)] = (status.st_mode, *whole)
    return states


def _touched(before: dict[Path, Any], after: dict[Path, Any], outputs: list[Path]) -> tuple[str, ...]:
    changed = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    allowed = {path for output in outputs for path in (output, *output.parents)}
    return tuple(
        str(path) for path in changed if path not in allowed and not any(output in path.parents for output in outputs)
    )


def _reset_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _warm_up() -> None:
    """Import what cases import, before memory is limited and time is taken."""
    import numba  # noqa: F401
    import polars  # noqa: F401
    import torch

    torch.set_num_threads(1)
    import feedrate.bench.run.session
    import feedrate.reports.formats.html
    import feedrate.reports.formats.site  # noqa: F401


if __name__ == "__main__":
    main(Path(sys.argv[1]))
