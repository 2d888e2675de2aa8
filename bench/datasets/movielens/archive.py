"""Zips of MovieLens: what they hold, and two of their files unpacked. Nothing is written outside the given folder."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from feedrate.bench.datasets.movielens.files import Pair, find_pair
from feedrate.bench.datasets.unpacking import most_unpacked
from feedrate.loaders.errors import FeedrateError

MAX_BYTES = 100_000_000_000
"""Size of a file of ratings, unpacked. MovieLens-32M's has 0.9 GB."""


def extract(archive: Path, folder: Path) -> Pair:
    """Unpack the ratings and movies of a zip to `folder`, with the folders they are in.

    Raises FeedrateError for a zip that is damaged or does not have exactly one release, and for members that are links or
    would leave `folder`.
    """
    with _errors_as_sentences(archive), zipfile.ZipFile(archive) as source:
        members = {_path_of(archive, member): member for member in source.infolist()}
        files = [path for path, member in members.items() if not member.is_dir()]
        pair = find_pair(files, str(archive), zipped=True)
        for path in (pair.ratings, pair.movies):
            _refuse_bomb(archive, members[path])
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with source.open(members[path]) as packed, target.open("wb") as file:
                shutil.copyfileobj(packed, file, 1 << 20)
    return pair


def _refuse_bomb(archive: Path, member: zipfile.ZipInfo) -> None:
    """Raise FeedrateError for a member whose content would fill the disk or the memory. Zipfile unpacks no more than it declares."""
    name = f"{archive} has the member {member.filename!r}"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # LZMA may ask for 4 GB of memory
        raise FeedrateError(
            f"{name}, which is neither stored nor deflated: unpack it, and pass the folder to --archive"
        )
    if member.file_size > min(MAX_BYTES, most_unpacked(member.compress_size)):
        raise FeedrateError(
            f"{name}, which unpacks from {member.compress_size:,} to {member.file_size:,} bytes: that is no file of ratings"
        )


def _path_of(archive: Path, member: zipfile.ZipInfo) -> PurePosixPath:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]) or is_link:
        raise FeedrateError(f"{archive} has the member {member.filename!r}, which leaves the folder: not unpacked")
    return path


@contextmanager
def _errors_as_sentences(archive: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise FeedrateError(
            f"{archive} is incomplete, damaged or not a zip file ({error}): download it again"
        ) from error
