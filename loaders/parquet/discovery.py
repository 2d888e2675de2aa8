"""Finds the data files below the paths that a user names, by the rules of Spark and Arrow. It opens none of them.

Files and folders whose names begin with "_" or "." are skipped, a folder is a folder whatever its name is, and folders
named `key=value` are columns.
"""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import unquote

from feedrate.loaders.errors import FeedrateError

Format = Literal["parquet", "csv"]
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
"""What Hive and Spark write for a missing value in the name of a folder."""
_PARQUET = re.compile(r"\.(parquet|parq|pq)(\.(gz|gzip|snappy|zst|zstd|lz4|br|brotli|lzo))?$", re.IGNORECASE)
_CSV = re.compile(r"\.(csv|tsv)(\.(gz|gzip|zst|zstd))?$", re.IGNORECASE)
_MAX_NAMED = 3
"""Names of other files in a message about a folder without data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """A file of the data set."""

    path: Path
    format: Format
    inner: tuple[str, ...]
    """The names of the folders between the path that the user named and the file, then the file's own name."""
    keys: Mapping[str, str | None] = field(default_factory=dict)
    """Columns in the names of those folders. None: a missing value."""
    origin: Path | None = None
    """The user's file that `path` is a converted copy of. None: `path` itself is the user's."""

    @property
    def shown(self) -> Path:
        """The path to name in messages."""
        return self.origin or self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFiles:
    """What was found, in the order in which it is read."""

    files: tuple[DataFile, ...]
    skipped: Mapping[str, int]
    """Why something was left out, with the number of files and folders."""


class KnownFiles(Protocol):
    """What is known of the files of a public data set, whose names may lack a suffix."""

    def format_of(self, path: Path, *, named: bool) -> Format | None:
        """Return the format of a file without a usual suffix; None if it is no data. named: the user named the file itself."""
        ...

    def reason_to_skip(self, path: Path) -> str:
        """Return why a file in a folder is left out, as a plural noun; empty if it is data."""
        ...


def find_files(paths: Sequence[Path], *, output: Path | None = None, known: KnownFiles | None = None) -> DataFiles:
    """Return the files at the paths, which may be files, folders or glob patterns.

    output: a folder that is never read, even if it lies within a path. known: tells files beyond the usual suffixes.
    Raises FeedrateError if a path does not exist or has no data, or if Parquet and CSV files lie side by side.
    """
    skipped: Counter[str] = Counter()
    files: list[DataFile] = []
    seen: set[Path] = set()
    for path in paths:
        for file in _below(path, output.resolve() if output else None, known, skipped):
            real = file.path.resolve()
            if real in seen:
                skipped["named twice"] += 1
                continue
            seen.add(real)
            files.append(file)
    formats = {file.format: file.path for file in files}
    if len(formats) > 1:
        raise FeedrateError(
            f"{_shown(paths)} has Parquet files ({formats['parquet'].name}) beside CSV files ({formats['csv'].name}): "
            "name the files of one format, for instance with a quoted glob pattern"
        )
    return DataFiles(files=tuple(files), skipped=dict(skipped))


def _below(path: Path, output: Path | None, known: KnownFiles | None, skipped: Counter[str]) -> list[DataFile]:
    """Return the data files of one path."""
    found: list[DataFile] = []
    others: list[str] = []
    for root, start in _starts(path):
        if start.is_dir():
            inside = _walk(start, output, skipped)
            for file in inside:
                data_format = _format_of(file, known, named=False)
                reason = known.reason_to_skip(file) if known and data_format else ""
                if reason:
                    skipped[reason] += 1
                elif data_format is None:
                    others.append(file.name)
                else:
                    found.append(_data_file(root, file, data_format))
        elif start.is_file():
            found.append(_data_file(root, start, _format_of(start, known, named=True) or "parquet"))
        else:
            raise FeedrateError(f"{start} is neither a file nor a folder")
    if not found:
        raise FeedrateError(f"{path} has no Parquet or CSV file{_holding(others, skipped)}")
    skipped["other files"] += len(others)
    skipped += Counter()  # drops zeros
    return found


def _starts(path: Path) -> list[tuple[Path, Path]]:
    """Return (root, file or folder) for a path, or for each match of a pattern. `key=value` folders count below the root."""
    if path.exists() or path.is_symlink():
        if not path.exists():
            raise FeedrateError(f"{path} is a link to a file that does not exist")
        return [(path if path.is_dir() else path.parent, path)]
    if not glob.has_magic(str(path)):
        raise FeedrateError(f"{path} does not exist")
    root = Path(*_before_magic(path.parts))
    matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))
    if not matches:
        raise FeedrateError(f"no file matches {path}")
    return [(root, match) for match in matches]


def _before_magic(parts: Iterable[str]) -> Iterator[str]:
    for part in parts:
        if glob.has_magic(part):
            return
        yield part


def _walk(folder: Path, output: Path | None, skipped: Counter[str]) -> Iterator[Path]:
    """Yield the files below a folder in order, without hidden ones, the output and prepared datasets."""
    seen: set[str] = set()
    for name, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(name)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        kept = []
        for child in folders:
            reason = _reason_to_skip(Path(name, child), output)
            if reason:
                skipped[reason] += 1
            else:
                kept.append(child)
        folders[:] = kept
        for file in sorted(files):
            if file.startswith(("_", ".")):
                skipped["hidden files"] += 1
            elif Path(name, file).is_file():
                yield Path(name, file)
            else:
                skipped["links to nothing, pipes and devices"] += 1


def _reason_to_skip(folder: Path, output: Path | None) -> str:
    if folder.name.startswith(".") or (folder.name.startswith("_") and "=" not in folder.name):
        return "hidden folders"
    if output is not None and folder.resolve() == output:
        return "the output folder"
    if (folder / "dataset.json").is_file() and (folder / "train").is_dir():
        return "folders that feedrate prepared"
    return ""


def _format_of(path: Path, known: KnownFiles | None, *, named: bool) -> Format | None:
    if _PARQUET.search(path.name):
        return "parquet"
    if _CSV.search(path.name):
        return "csv"
    return known.format_of(path, named=named) if known else None


def _data_file(root: Path, file: Path, data_format: Format) -> DataFile:
    inner = file.relative_to(root).parts
    keys: dict[str, str | None] = {}
    for part in inner[:-1]:
        key, equals, value = part.partition("=")
        if equals and key:
            keys[unquote(key)] = None if value == HIVE_NULL else unquote(value)
    return DataFile(path=file, format=data_format, inner=inner, keys=keys)


def _holding(others: Sequence[str], skipped: Mapping[str, int]) -> str:
    """Say what a folder without data holds."""
    holds = list(others[:_MAX_NAMED])
    if len(others) > _MAX_NAMED:
        holds.append(f"{len(others) - _MAX_NAMED} more")
    holds += [f"{reason} ({count})" for reason, count in skipped.items()]
    return f": it holds {', '.join(holds)}" if holds else ": it is empty"


def _shown(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"the {len(paths)} paths"
