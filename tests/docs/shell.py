"""Runs a page's shell blocks with bash. The command `feedrate` in them runs in the test's own process, with less to do.

That saves the import of torch for each command and each trial: pages have some hundred. tests/bench/cli runs real processes.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import select
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from feedrate.bench.cli import app

ROOT = Path(__file__).parents[2]
ADDRESS = f"feedrate-docs-{os.getpid()}"
"""Of the socket, in Linux's abstract namespace: a path might be too long."""
BLOCK = 'bash -euo pipefail -c "$1" && code=0 || code=$?; echo $code > "$2"'
"""Runs a block outside the tree of the test's processes. A trial ends what runs below its process when the loader is closed."""
CLIENT = f"""#!{sys.executable} -SE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect("\\0" + os.environ["FEEDRATE_DOCS"])
    server.sendall(json.dumps([os.getcwd(), sys.argv[1:]]).encode())
    server.shutdown(socket.SHUT_WR)
    code, out, err = json.loads(b"".join(iter(lambda: server.recv(65536), b"")))
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""
LESS = {
    "run": {"--batch-size": "512", "--epochs": "1", "--repeats": "1", "--seeds": "0"},
    "profile": {"--steps": "5"},
    "check": {"--rows": "2100"},
}
"""Values that replace those of a page's command, so that it takes seconds. They are added if a page has none."""


def less(code: str) -> str:
    """Return the code with fewer rows."""
    return re.sub(r"\b20{1,2}_000\b", "3_000", code)


class Shell:
    """A folder in which the blocks of one page run, one after the other."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self.programs = folder, programs
        programs.mkdir()
        (programs / "feedrate").write_text(CLIENT)
        (programs / "feedrate").chmod(0o755)
        (folder / ".venv").symlink_to(sys.prefix)

    def run(self, code: str) -> tuple[int, str]:
        """Run a block. Return its exit code and all that it printed."""
        result, printed = self.programs / "result", self.programs / "printed"
        read_end, write_end = os.pipe()  # it closes when the block's last process has ended
        with socket.socket(socket.AF_UNIX) as server, open(read_end) as alive, printed.open("w") as output:
            server.bind(f"\0{ADDRESS}")
            server.listen()
            subprocess.run(
                ["setsid", "--fork", "bash", "-c", BLOCK, "bash", less(code), result],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self._environment(),
                pass_fds=[write_end], check=True,
            )  # fmt: skip
            os.close(write_end)
            while server in select.select([server, alive], [], [])[0]:
                _serve(server)
        return int(result.read_text()), printed.read_text()

    def _environment(self) -> dict[str, str]:
        paths = (self.programs, Path(sys.executable).parent, os.environ["PATH"])
        return {
            **os.environ, "PATH": os.pathsep.join(map(str, paths)), "PYTHONPATH": str(ROOT), "BROWSER": "true",
            "FEEDRATE_DOCS": ADDRESS, "OMP_NUM_THREADS": "1",
        }  # fmt: skip


def _serve(server: socket.socket) -> None:
    """Run one command for a client."""
    client, _ = server.accept()
    with client:
        folder, words = json.loads(b"".join(iter(lambda: client.recv(65536), b"")))
        client.sendall(json.dumps(call(Path(folder), words)).encode())


def call(folder: Path, words: Sequence[str]) -> tuple[int, str, str]:
    """Run `feedrate WORDS` in this process, as from that folder. Return exit code, standard output and standard error."""
    out, err, argv, path = io.StringIO(), io.StringIO(), sys.argv, list(sys.path)
    sys.argv = ["feedrate", *shortened(words)]
    sys.path.insert(0, str(folder))
    try:
        with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            app.main()
    except SystemExit as end:
        return int(end.code or 0), out.getvalue(), err.getvalue()
    finally:
        sys.argv, sys.path[:] = argv, path
        forget(folder)
    raise AssertionError("the command's main always exits")


def shortened(words: Sequence[str]) -> list[str]:
    """Return the words of a command with the values of `LESS`."""
    name, *rest = words or ("",)
    if name == "prepare" and "--rows" in rest:
        rest[rest.index("--rows") + 1] = "10000" if "synthetic-criteo" in rest else "3000"  # the least it takes
    for option, value in LESS.get(name, {}).items():
        if option in rest:
            rest[rest.index(option) + 1] = value
        else:
            rest += [option, value]
    return [name, *rest]


def forget(folder: Path) -> None:
    """Forget the modules that were imported from the folder, as the end of a process does."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
