"""GroupLens' archives: downloaded once, resumed if broken off, and verified by size and checksum before anything reads them."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from feedrate.bench.datasets.movielens.releases import Published, Release
from feedrate.bench.host.lifecycle.folder_lock import only_writer
from feedrate.loaders.errors import FeedrateError

CHUNK_BYTES = 1 << 20


def fetch(release: Release, folder: Path, progress: Callable[[int, int], None] = lambda _done, _total: None) -> Path:
    """Return the verified archive in `folder`, downloading it if it is missing. `progress(done, total)` is in bytes.

    A broken download leaves `NAME.zip.part`, and the next call goes on from there. Raises FeedrateError if the archive
    cannot be downloaded or is not the published one, and for a release that has no published checksum.
    """
    published = release.published
    if published is None:
        raise FeedrateError(
            f"{release.name} changes over time and has no published checksum, so feedrate does not download it. "
            f"Download {release.url} and pass it with --archive"
        )
    path = folder / Path(release.url).name
    if path.exists():
        verify(path, release.name, published)
        return path
    with only_writer(path.with_suffix(""), replaced=True, way_out="pass --archive"):
        if path.exists():  # downloaded since
            verify(path, release.name, published)
            return path
        return _fetch_missing(release, published, path, progress)


def _fetch_missing(release: Release, published: Published, path: Path, progress: Callable[[int, int], None]) -> Path:
    part = path.with_name(path.name + ".part")
    try:
        _download(release.url, published.size_bytes, part, progress)
    except (urllib.error.URLError, OSError) as error:
        raise FeedrateError(
            f"{release.url} cannot be downloaded ({getattr(error, 'reason', error)}): run the same command again to go on "
            f"from where it stopped, or download it yourself and pass --archive"
        ) from error
    try:
        verify(part, release.name, published)
    except FeedrateError:
        part.unlink()
        raise
    part.rename(path)
    return path


def verify(path: Path, name: str, published: Published) -> None:
    """Raise FeedrateError unless the file has the published size and checksum."""
    size = path.stat().st_size
    if size != published.size_bytes:
        raise FeedrateError(
            f"{path} has {size:,} bytes, not the {published.size_bytes:,} of {name}: delete it and try again"
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, published.algorithm).hexdigest()
    if digest != published.digest:
        raise FeedrateError(
            f"{path} has the {published.algorithm} {digest}, not the {published.digest} of {name}: delete it and try again"
        )


def _download(url: str, size_bytes: int, part: Path, progress: Callable[[int, int], None]) -> None:
    done = part.stat().st_size if part.exists() else 0
    if done >= size_bytes:
        return
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    with urllib.request.urlopen(request, timeout=60) as response:
        if response.status != 206:  # the server sends the whole file whatever was asked
            done = 0
        with part.open("ab" if done else "wb") as file:
            while chunk := response.read(CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                progress(done, size_bytes)
    if done < size_bytes:
        raise OSError(f"the connection ended after {done:,} of {size_bytes:,} bytes")
