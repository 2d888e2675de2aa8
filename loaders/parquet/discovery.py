"""Finds the data files at the paths that a user names. Folders named `key=value` are columns.

A file without an ending is Parquet if it begins like Parquet. No other file is opened.
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
from feedrate.loaders.parquet.walk import in_numbers_order, is_hidden, walk

Format = Literal["parquet", "csv"]
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
"""What Hive and Spark write for a missing value in the name of a folder."""
_PARQUET = re.compile(r"\.(parquet|parq|pq)(\.(gz|gzip|snappy|zst|zstd|lz4|br|brotli|lzo))?$", re.IGNORECASE)
_CSV = re.compile(r"\.(csv|tsv)(\.(gz|gzip|zst|zstd))?$", re.IGNORECASE)
_COMPRESSED = re.compile(r"\.(gz|gzip|snappy|zst|zstd|lz4|br|brotli|lzo)$", re.IGNORECASE)
_MAX_NAMED = 3
"""Names of other files in a message about a folder without data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """A file of the data set."""

    path: Path
    format: Format
    inner: tuple[str, ...]
    """The names of the folders below the path that the user named, or that several paths share, then the file's own name."""
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
    notes: tuple[str, ...] = ()
    """What else the reader should know of the files."""


class KnownFiles(Protocol):
    """What is known of the files of a public data set, whose names may lack a suffix."""

    def format_of(self, path: Path, *, named: bool) -> Format | None:
        """Return the format of a file without a usual suffix; None if it is no data. named: the user named the file itself."""
        ...

    def reason_to_skip(self, path: Path) -> str:
        """Return why a file in a folder is left out, as a plural noun; empty if it is data."""
        ...


def find_files(
    paths: Sequence[Path], *, output: Path | None = None, root: Path | None = None, known: KnownFiles | None = None
) -> DataFiles:
    """Return the files at the paths, which may be files, folders or glob patterns.

    output: a folder that is never read, even if it lies within a path.
    root: the folder below which names count. None: common_root() of the paths.
    known: tells files beyond the usual suffixes.
    Raises FeedrateError if a path does not exist or has no data, or if files lie side by side that exclude each other.
    """
    output = output.resolve() if output else None
    root = root or common_root(paths)
    skipped: Counter[str] = Counter()
    files: list[DataFile] = []
    seen: set[Path | tuple[int, int]] = set()
    for path in paths:
        for file, data_format in _below(path, output, known, skipped):
            itself = _itself(file)
            if itself in seen:
                skipped["named twice"] += 1
                continue
            seen.add(itself)
            files.append(_data_file(root, file, data_format))
    _require_one_format(files, paths)
    _require_one_compression(files)
    lost = {part: None for path in paths for part in _parts_above(path, root) if "=" in part}
    skipped.update({f"{part}, which stands in the path that you named": 1 for part in lost})
    return DataFiles(files=tuple(files), skipped={reason: count for reason, count in skipped.items() if count})


def common_root(paths: Sequence[Path]) -> Path:
    """Return the folder below which the names of folders count: the path itself, or the folder that several paths share."""
    fixed = [path.absolute() if path.exists() else Path(*_before_magic(path.absolute().parts)) for path in paths]
    if len(fixed) == 1:
        return fixed[0] if fixed[0].is_dir() else fixed[0].parent
    return Path(os.path.commonpath([path.parent for path in fixed]))


def _below(
    path: Path, output: Path | None, known: KnownFiles | None, skipped: Counter[str]
) -> list[tuple[Path, Format]]:
    """Return the data files of one path, each with its format."""
    found: list[tuple[Path, Format]] = []
    others: list[str] = []
    for start in _starts(path, skipped):
        if output is not None and output in (start.resolve(), *start.resolve().parents):
            raise FeedrateError(f"{start} lies in the output folder, which is never read: choose another -o")
        if start.is_dir():
            for file in walk(start, output, skipped):
                data_format = _format_of(file, known, named=False)
                reason = known.reason_to_skip(file) if known and data_format else ""
                if reason:
                    skipped[reason] += 1
                elif data_format is None:
                    others.append(file.name)
                else:
                    found.append((file, data_format))
        elif start.is_file():
            data_format = _format_of(start, known, named=True) or ("parquet" if start == path else None)
            if data_format is None:
                others.append(start.name)
            else:
                found.append((start, data_format))
        else:
            raise FeedrateError(f"{start} is neither a file nor a folder")
    if not found:
        raise FeedrateError(f"{path} has no Parquet or CSV file{_holding(others, skipped)}")
    skipped["other files"] += len(others)
    return found


def _itself(file: Path) -> Path | tuple[int, int]:
    """Return what is one for all names and links of a file: its device and inode, or its path where there are none."""
    status = file.stat()
    return (status.st_dev, status.st_ino) if status.st_ino else file.resolve()


def _starts(path: Path, skipped: Counter[str]) -> list[Path]:
    """Return the file or folder at a path, or each match of a pattern."""
    if path.exists() or path.is_symlink():
        if not path.exists():
            raise FeedrateError(f"{path} is a link to a file that does not exist")
        return [path]
    if re.match(r"\w\w+:/", str(path)):
        raise FeedrateError(f"{path} is no path on this machine: copy the files to it first")
    if not glob.has_magic(str(path)):
        raise FeedrateError(f"{path} does not exist")
    matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True), key=in_numbers_order)]
    if not matches:
        raise FeedrateError(f"no file matches {path}")
    return list(_without_nested(_without_hidden(matches, path, skipped)))


def _without_hidden(matches: Iterable[Path], pattern: Path, skipped: Counter[str]) -> Iterator[Path]:
    """Yield the matches that Spark would read. A pattern that begins with "_" or "." itself wants hidden names."""
    fixed = set(pattern.parts)
    wanted = any(part[:1] in "_." and glob.has_magic(part) for part in pattern.parts)
    for match in matches:
        if not wanted and any(is_hidden(part) for part in match.parts if part not in {*fixed, "..", "."}):
            skipped["hidden files and folders"] += 1
        else:
            yield match


def _without_nested(matches: Iterable[Path]) -> Iterator[Path]:
    """Yield the matches that do not lie in another match, so that `**` counts no file twice."""
    folders: set[Path] = set()
    for match in matches:
        if not folders.intersection(match.parents):
            yield match
            if match.is_dir():
                folders.add(match)


def _before_magic(parts: Iterable[str]) -> Iterator[str]:
    for part in parts:
        if glob.has_magic(part):
            return
        yield part


def _format_of(file: Path, known: KnownFiles | None, *, named: bool) -> Format | None:
    """Return the format of a file; None if it is no data. named: the user named the file itself."""
    if _PARQUET.search(file.name):
        return "parquet"
    if _CSV.search(file.name):
        return "csv"
    if (named or not file.suffix) and _begins_as_parquet(file):
        return "parquet"
    return known.format_of(file, named=named) if known else None


def _begins_as_parquet(file: Path) -> bool:
    """Whether it is Parquet, such as Hive's 000000_0."""
    try:
        with file.open("rb") as opened:
            return opened.read(4) in (b"PAR1", b"PARE")
    except OSError:
        return False


def _data_file(root: Path, file: Path, data_format: Format) -> DataFile:
    inner = file.absolute().relative_to(root).parts
    keys: dict[str, str | None] = {}
    for part in inner[:-1]:
        key, equals, value = part.partition("=")
        if equals and key:
            if unquote(key) in keys:
                raise FeedrateError(f"{file} lies in two folders called {key}=...: rename one of them")
            keys[unquote(key)] = None if value == HIVE_NULL else unquote(value)
    return DataFile(path=file, format=data_format, inner=inner, keys=keys)


def _parts_above(path: Path, root: Path) -> tuple[str, ...]:
    """Return the parts of a path as the user wrote it, down to the root."""
    parts = path.absolute().parts
    return parts[len(parts) - len(path.parts) : len(root.parts)]


def _require_one_format(files: Sequence[DataFile], paths: Sequence[Path]) -> None:
    formats = {file.format: file.path for file in files}
    if len(formats) > 1:
        raise FeedrateError(
            f"{_shown(paths)} has Parquet files ({formats['parquet'].name}) beside CSV files ({formats['csv'].name}): "
            "name the files of one format, for instance with a quoted glob pattern"
        )


def _require_one_compression(files: Sequence[DataFile]) -> None:
    """Raise FeedrateError for a file that lies there twice, such as a.csv and a.csv.gz."""
    known: dict[Path, Path] = {}
    for file in files:
        plain = file.path.with_name(_COMPRESSED.sub("", file.path.name))
        if plain in known:
            raise FeedrateError(
                f"{known[plain]} and {file.path.name} seem to hold the same rows, as only their compression differs: "
                "name one of them"
            )
        known[plain] = file.path


def _holding(others: Sequence[str], skipped: Mapping[str, int]) -> str:
    """Say what a folder without data holds."""
    holds = list(others[:_MAX_NAMED])
    if len(others) > _MAX_NAMED:
        holds.append(f"{len(others) - _MAX_NAMED} more")
    holds += [f"{reason} ({count})" for reason, count in skipped.items()]
    if not holds:
        return ": it is empty"
    return (
        f": it holds {', '.join(holds)}; name files with other endings themselves"
        if others
        else f": it holds {', '.join(holds)}"
    )


def _shown(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"the {len(paths)} paths"
