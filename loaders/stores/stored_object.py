"""A file in an object store: opened once in a process, and read by range as it was then."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feedrate.loaders.stores.attempts import StoreError, attempt
from feedrate.loaders.stores.filesystems import REQUESTS, THREADS, filesystem
from feedrate.loaders.stores.store_path import StorePath
from feedrate.loaders.stores.traffic import traffic

if TYPE_CHECKING:
    import pyarrow.parquet as pq


class StoredObject:
    """A file of one size and version. S3 refuses to read any other version."""

    def __init__(self, path: StorePath) -> None:
        """Raises StoreError if the file cannot be opened, or can only be read as a whole."""
        self.path = path
        traffic()  # made before workers are forked
        self._files = filesystem(path)
        self._files.invalidate_cache()
        self._handle: Any = attempt(path, lambda: self._files.open(path.url, "rb", cache_type="none"))
        size = self._handle.size
        if size is None or type(self._handle).__name__ == "HTTPStreamFile":
            raise StoreError(
                f"{path} cannot be read by range, because its server does not offer that: copy it to a local folder"
            )
        self.size = int(size)

    def fetch(self, begin: int, end: int) -> bytes:
        """Return bytes begin..end (exclusive) by one request, or by more if it fails."""
        read: Callable[[int, int], bytes] | None = getattr(self._handle, "_fetch_range", None)

        def request() -> bytes:
            content = read(begin, end) if read else self._files.cat_file(self.path.url, start=begin, end=end)
            if len(content) != end - begin:
                raise OSError(f"{len(content):,} of {end - begin:,} bytes came")
            return content

        content = attempt(self.path, request)
        traffic().count(nbytes=len(content))
        return content

    def start(self, begin: int, end: int) -> Future[bytes]:
        """Begin to fetch the bytes in another thread."""
        return _pool(os.getpid()).submit(self.fetch, begin, end)

    @cached_property
    def metadata(self) -> pq.FileMetaData:
        """The footer of a Parquet file. Raises pyarrow's errors for another file."""
        import pyarrow.parquet as pq

        from feedrate.loaders.stores.range_file import RangeFile

        return pq.read_metadata(RangeFile(self))


class OpenFiles:
    """The files that this process has opened."""

    def __init__(self) -> None:
        self._files: dict[StorePath, _OpenFile] = {}

    def file(self, path: StorePath) -> StoredObject:
        """Return the file, which the first call opens. Threads may open several at the same time."""
        return self._files.setdefault(path, _OpenFile(path)).stored()

    def forget(self, folder: Path) -> None:
        """Forget the files below a folder."""
        self._files = {path: file for path, file in list(self._files.items()) if folder not in path.parents}


class _OpenFile:
    def __init__(self, path: StorePath) -> None:
        self._path, self._lock = path, threading.Lock()
        self._stored: StoredObject | None = None

    def stored(self) -> StoredObject:
        with self._lock:
            if self._stored is None:
                self._stored = StoredObject(self._path)
            return self._stored


def stored_object(path: StorePath) -> StoredObject:
    """Return the file, which is opened at the first call of this process, or at the first one after forget_opened()."""
    return _open_files(os.getpid()).file(path)


def forget_opened(folder: Path) -> None:
    """Let the files below a folder be opened as they are now. Until then, one that has changed since is refused."""
    _open_files(os.getpid()).forget(folder)


def state_of(path: StorePath) -> tuple[int, str]:
    """Return the file's size, and what changes when it is written again, as the store tells it now.

    Raises MissingFile if it is not there.
    """
    files = filesystem(path)
    files.invalidate_cache()
    info = attempt(path, lambda: files.info(path.url))
    known = [
        info.get(name) for name in ("generation", "ETag", "etag", "LastModified", "Last-Modified", "mtime", "created")
    ]
    return int(info.get("size") or 0), next((str(value) for value in known if value), "")


@lru_cache(1)
def _open_files(_process: int) -> OpenFiles:
    """Return the files of this process: a forked one opens its own."""
    return OpenFiles()


@lru_cache(1)
def _pool(_process: int) -> ThreadPoolExecutor:
    """Return the threads of this process: a forked one has none of its parent's."""
    return ThreadPoolExecutor(REQUESTS, thread_name_prefix=THREADS)
