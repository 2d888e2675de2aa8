"""Installs what lock files list, with pip's hash checking: a file whose SHA-256 is not in the lock file is refused."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from feedrate.bench.host.lifecycle.run_to_end import Finished, run_to_end
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.scratch.temporary_folder import TemporaryFolder

ONLY_WHEELS = ("--only-binary", ":all:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """One requirement of a lock file."""

    name: str
    version: str
    text: str
    """The requirement as pip reads it from a file: name, version, marker and hashes on one line."""


def read_lock(name: str) -> list[Locked]:
    """Return the requirements of a lock file. name: its path within loaders/."""
    content = (resources.files("feedrate.loaders") / name).read_text(encoding="utf-8")
    content = re.sub(r"^#.*$", "", content, flags=re.MULTILINE)
    lines = [" ".join(line.split()) for line in content.replace("\\\n", " ").splitlines()]
    return [_locked(line) for line in lines if line]


def _locked(line: str) -> Locked:
    match = re.match(r"([\w.-]+)==([^\s;]+)", line)
    assert match, f"{line} is not pinned"
    return Locked(name=match[1], version=match[2], text=line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pip:
    """The pip of this environment, which installs into another one."""

    python: Path
    """The interpreter of the other environment, which needs no pip."""
    name: str
    """What is installed, for errors."""
    find_links: Path | None
    """Folder of wheels to install from without a network."""

    def install(self, *arguments: str) -> None:
        """Run `pip install`. Raises FeedrateError with pip's reason if it fails."""
        source = ["--no-index", "--find-links", str(self.find_links)] if self.find_links else []
        pip = [sys.executable, "-P", "-m", "pip", "--python", str(self.python), "install", "--quiet"]
        run_quietly([*pip, "--disable-pip-version-check", *source, *arguments], f"cannot install {self.name}")

    def install_locked(self, locked: Sequence[Locked], build_tools: Sequence[str] = ()) -> None:
        """Install these requirements and nothing else. Packages are built from source only if there are tools for it.

        build_tools: names of requirements that are installed first. pip would get others for itself, without hashes.
        """
        tools = [requirement for requirement in locked if requirement.name in build_tools]
        others = [requirement for requirement in locked if requirement.name not in build_tools]
        self._install_with_hashes(tools, ONLY_WHEELS)
        self._install_with_hashes(others, ("--no-build-isolation", "--use-pep517") if tools else ONLY_WHEELS)

    def _install_with_hashes(self, locked: Sequence[Locked], options: Sequence[str]) -> None:
        if not locked:
            return
        with TemporaryFolder() as folder:  # hashes are read from files only
            file = folder.path / "requirements.txt"
            file.write_text("".join(f"{requirement.text}\n" for requirement in locked), encoding="utf-8")
            self.install("--require-hashes", "--no-deps", *options, "-r", str(file))


def run_quietly(command: Sequence[str], failure: str) -> None:
    """Run a command, which ends if feedrate does. If it fails, raise FeedrateError with `failure` and the reason it printed."""
    done = run_to_end(command)
    if done.code:
        raise FeedrateError(f"{failure}: {_reason(done)}")


def _reason(done: Finished) -> str:
    """Return pip's last error, or the last line of any other program's output."""
    lines = done.stderr.decode(errors="replace").splitlines()
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return errors[-1] if errors else done.why()
