"""Keeps modules of the current folder out of feedrate's processes, so that a random.py beside the data is never imported.

Users' loaders are the exception: see feedrate.loaders.importing.user_folder. This module imports nothing that Python has not loaded
already, because `python -m feedrate` begins with the current folder on its search path.
"""

from __future__ import annotations

import os
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 4))
"""The folder that feedrate is imported from. A checkout may be the current folder, too."""


def module_command(python: str, module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module without the current folder on its search path."""
    return [python, "-P", "-m", module, *arguments]


def child_environment() -> dict[str, str]:
    """Return the environment for processes that feedrate starts: the current one without the current folder in PYTHONPATH."""
    environment = dict(os.environ)
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    kept = [entry for entry in entries if entry and not _is_current(entry)]
    if _is_current(ROOT):
        kept.insert(0, ROOT)
    environment.pop("PYTHONPATH", None)
    if kept:
        environment["PYTHONPATH"] = os.pathsep.join(kept)
    return environment


def leave_current_folder() -> None:
    """Take the current folder from this process's search path. `python -m` and PYTHONPATH put it first."""
    if _is_current(ROOT):
        return
    library = os.path.dirname(os.__file__)
    first = sys.path.index(library) if library in sys.path else len(sys.path)
    sys.path[:first] = [
        entry for entry in sys.path[:first] if not _is_current(entry)
    ]  # `pip install -e .` adds it later


def _is_current(entry: str) -> bool:
    """Whether an entry of a search path is the current folder, by any name."""
    try:
        return os.path.samefile(entry or ".", ".")
    except OSError:  # one of them does not exist
        return False
