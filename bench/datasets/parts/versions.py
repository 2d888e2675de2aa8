"""What must be the same in every process that does parts of a dataset: feedrate's code, Python, and the libraries that make values."""

from __future__ import annotations

import functools
import hashlib
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from feedrate.bench.host.lifecycle.search_path import ROOT

LIBRARIES = ("numpy", "polars", "pyarrow", "torch")
FOLDERS = (
    "feedrate/bench/datasets",
    "feedrate/bench/consumer/reading.py",
    "feedrate/loaders/base.py",
    "feedrate/loaders/parquet",
)
"""Where the code is that makes rows."""


@functools.cache
def versions() -> Mapping[str, str]:
    """Return the versions of this process by name."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"Python": python, **{name: _version(name) for name in LIBRARIES}, "feedrate's code": _code(Path(ROOT))}


def difference(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Return in words what another process has otherwise; empty if nothing."""
    return ", ".join(
        f"{name} {theirs.get(name, 'nothing')} instead of {ours[name]}"
        for name in ours
        if theirs.get(name) != ours[name]
    )


def _version(name: str) -> str:
    try:
        return version(name).partition("+")[0]  # torch is built for the CPU or for CUDA
    except PackageNotFoundError:
        return "nothing"


def _code(root: Path) -> str:
    """Return a short digest of the files that make rows."""
    total = hashlib.blake2b(digest_size=4)
    for folder in FOLDERS:
        place = root / folder
        for file in sorted(place.rglob("*.py")) if place.is_dir() else (place,):
            total.update(file.relative_to(root).as_posix().encode())
            total.update(file.read_bytes())
    return total.hexdigest()
