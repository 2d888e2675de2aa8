"""The commit of the checkout that feedrate runs from, and the files that differ from it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ("bench/*.py", "loaders/*.py", "reports/*.py")
"""Untracked files that count as changes: a module of feedrate's own is imported, whether or not it is committed."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A commit, and what was changed since."""

    commit: str | None
    """None if it is not known."""
    changed: tuple[str, ...] = ()
    """Tracked files with changes, and untracked modules of feedrate, relative to the root of the checkout."""
    marked_dirty: bool = False
    """Whether FEEDRATE_COMMIT says that there were changes, which it does not name."""

    @property
    def dirty(self) -> bool | None:
        """Whether code may differ from the commit; None if no commit is known."""
        return None if self.commit is None else self.marked_dirty or bool(self.changed)


def read_checkout(root: Path = ROOT) -> Checkout:
    """Read the commit and the changes of a checkout.

    Set FEEDRATE_COMMIT for a copy without .git. A trailing "-dirty" marks uncommitted changes.
    """
    if described := os.environ.get("FEEDRATE_COMMIT"):
        return Checkout(described.removesuffix("-dirty"), marked_dirty=described.endswith("-dirty"))
    if not (root / ".git").exists():
        return Checkout(None)
    try:
        commit = _git(root, "rev-parse", "HEAD")
        tracked = _git(root, "diff", "--name-only", "-z", "HEAD")
        untracked = _git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", *SOURCES)
    except (OSError, subprocess.CalledProcessError):
        return Checkout(None)
    return Checkout(commit.strip(), tuple(name for name in (tracked + untracked).split("\0") if name))


def warning(checkout: Checkout) -> str:
    """Return what a record of this checkout is not fit for, with the changed files; empty if there are no changes."""
    if not checkout.dirty:
        return ""
    first = f" ({checkout.changed[0]}" if checkout.changed else ""
    more = f" and {len(checkout.changed) - 1} more" if len(checkout.changed) > 1 else ""
    files = f"{first}{more})" if first else ""
    return (
        f"this checkout has uncommitted changes{files}: the record says so and cannot be published; commit them first"
    )


def _git(root: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *words], capture_output=True, text=True, errors="replace", check=True
    ).stdout
