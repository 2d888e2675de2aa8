"""GroupLens' archives: downloaded once, resumed if broken off, and verified by size and checksum before anything reads them."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from feedrate.loaders.errors import FeedrateError

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """An archive as GroupLens publishes it."""

    name: str
    url: str
    size_bytes: int
    algorithm: str
    """hashlib's name. ML-32M is published with an MD5 only."""
    digest: str


def _release(name: str, size_bytes: int, digest: str, algorithm: str = "sha256") -> Release:
    url = f"https://files.grouplens.org/datasets/movielens/ml-{name}.zip"
    return Release(name=f"movielens-{name}", url=url, size_bytes=size_bytes, algorithm=algorithm, digest=digest)


RELEASES = {
    release.name: release
    for release in (
        _release("100k", 4_924_029, "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229"),
        _release("1m", 5_917_549, "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20"),
        _release("20m", 198_702_078, "96f243c338a8665f6bcc89c53edf6ee39162a846940de6b7c8c48aeada765ff3"),
        _release("25m", 261_978_986, "8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa"),
        _release("32m", 238_950_008, "d472be332d4daa821edc399621853b57", "md5"),
    )
}


def fetch(release: Release, folder: Path, progress: Callable[[int, int], None] = lambda _done, _total: None) -> Path:
    """Return the verified archive in `folder`, downloading it if it is missing. `progress(done, total)` is in bytes.

    A broken download leaves `NAME.zip.part`, and the next call goes on from there. Raises FeedrateError if the archive
    cannot be downloaded or is not the published one.
    """
    path = folder / Path(release.url).name
    if path.exists():
        verify(path, release)
        return path
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        _download(release, part, progress)
    except (urllib.error.URLError, OSError) as error:
        raise FeedrateError(
            f"{release.url} cannot be downloaded ({getattr(error, 'reason', error)}): run the same command again to go on "
            f"from where it stopped, or download it yourself and pass --archive"
        ) from error
    try:
        verify(part, release)
    except FeedrateError:
        part.unlink()
        raise
    part.rename(path)
    return path


def verify(path: Path, release: Release) -> None:
    """Raise FeedrateError unless the file has the published size and checksum."""
    size = path.stat().st_size
    if size != release.size_bytes:
        raise FeedrateError(
            f"{path} has {size:,} bytes, not the {release.size_bytes:,} of {release.name}: delete it and try again"
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, release.algorithm).hexdigest()
    if digest != release.digest:
        raise FeedrateError(
            f"{path} has the {release.algorithm} {digest}, not {release.digest} as published: delete it and try again"
        )


def _download(release: Release, part: Path, progress: Callable[[int, int], None]) -> None:
    done = part.stat().st_size if part.exists() else 0
    if done >= release.size_bytes:
        return
    request = urllib.request.Request(release.url, headers={"Range": f"bytes={done}-"} if done else {})
    with urllib.request.urlopen(request, timeout=60) as response:
        if response.status != 206:  # the server sends the whole file whatever was asked
            done = 0
        with part.open("ab" if done else "wb") as file:
            while chunk := response.read(CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                progress(done, release.size_bytes)
    if done < release.size_bytes:
        raise OSError(f"the connection ended after {done:,} of {release.size_bytes:,} bytes")
