"""Installs what lock files list, with pip's hash checking: a file whose SHA-256 is not in the lock file is refused."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from feedrate.bench.host.lifecycle.search_path import child_environment
from feedrate.bench.host.processes import last_words
from feedrate.loaders.errors import FeedrateError

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
        with tempfile.NamedTemporaryFile(
            "w", suffix=".txt", encoding="utf-8"
        ) as file:  # hashes are read from files only
            file.writelines(f"{requirement.text}\n" for requirement in locked)
            file.flush()
            self.install("--require-hashes", "--no-deps", *options, "-r", file.name)


def run_quietly(command: Sequence[str], failure: str) -> None:
    """Run a command. If it fails, raise FeedrateError with `failure` and the reason it printed."""
    completed = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False, env=child_environment()
    )
    if completed.returncode:
        raise FeedrateError(f"{failure}: {_reason(completed.stderr)}")


def _reason(text: str) -> str:
    """Return pip's last error, or the last line of any other program's output."""
    errors = [line.removeprefix("ERROR: ") for line in text.splitlines() if line.startswith("ERROR: ")]
    return errors[-1] if errors else last_words(text)
