"""Samples the Python stacks of this process and its workers with py-spy, which needs no change of the code that it samples."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from feedrate.loaders.errors import FeedrateError

SAMPLE_HZ = 200
ATTACH_S, WRITE_S = 10.0, 10.0
"""Limits for the time in which py-spy attaches, and in which it writes its file."""
_PR_SET_PTRACER, _PR_SET_PTRACER_ANY = 0x59616D61, ctypes.c_ulong(-1)


def find_sampler() -> str:
    """Return the path of py-spy, from this interpreter's environment or the PATH. Empty without py-spy."""
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy") or ""


@contextlib.contextmanager
def sampled(program: str, output: Path) -> Iterator[None]:
    """Sample the block with py-spy, and write folded stacks to `output`.

    Raises FeedrateError if py-spy cannot attach, which the system may forbid, or writes no file.
    """
    # Linux lets a child trace its parent only if the parent agrees, unless the child is root
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _PR_SET_PTRACER_ANY, 0, 0, 0)
    command = [
        program, "record", "--pid", str(os.getpid()), "--subprocesses", "--threads", "--function", "--format", "raw",
        "--rate", str(SAMPLE_HZ), "--output", str(output),
    ]  # fmt: skip
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said)
        try:
            _wait_until_attached(process)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            try:
                process.communicate(timeout=WRITE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        if not output.exists():
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise FeedrateError(f"py-spy wrote no samples: {lines[0]}")


def _wait_until_attached(process: subprocess.Popen[bytes]) -> None:
    """Wait for the first line that py-spy prints, or for its end."""

    assert process.stdout is not None
    select.select([process.stdout], [], [], ATTACH_S)
