"""The address of a file or folder in an object store, as a Path that is opened by fsspec."""

from __future__ import annotations

import io
import re
from collections.abc import Generator
from pathlib import Path, PosixPath
from typing import IO, Any, Self
from urllib.parse import quote, unquote

from feedrate.loaders.errors import FeedrateError

_ADDRESS = re.compile(r"([a-zA-Z][\w+.-]*)://(.*)", re.DOTALL)
_WEB = ("http", "https")
NAMED_BUCKETS = ("s3", "s3a", "gs", "gcs")
"""Schemes with the name of a bucket and nothing else before the first slash."""
_UNQUOTED = "%!$&'()*+,;=:@~"
"""Characters of a web address that are written as they are. A name in it is quoted already where it has to be."""


class StorePath(PosixPath):
    """A file or folder in an object store. `/`, `name` and `parent` work as for any path.

    Its text has neither the user and password of the address nor its query, which may be a signature: both are kept in
    the second part, the authority, and only `url` has them.
    """

    __slots__ = ()

    @property
    def url(self) -> str:
        """The whole address, with credentials. It is for fsspec only, and never for a record, a message or a log."""
        authority, _, query = self.parts[1].partition("?")
        names = tuple(quote(name, safe=_UNQUOTED) for name in self.parts[2:]) if self.is_web else self.parts[2:]
        return _join(self.scheme, authority, names) + (f"?{query}" if query else "")

    @property
    def scheme(self) -> str:
        """The scheme in front of ://, such as s3."""
        return self.parts[0].removesuffix(":")

    @property
    def is_web(self) -> bool:
        """Whether a web server has it, which lists no folders."""
        return self.scheme in _WEB

    def __str__(self) -> str:
        """Return the address without credentials."""
        return _join(self.scheme, self.parts[1].partition("?")[0].rpartition("@")[2], self.parts[2:])

    def __eq__(self, other: object) -> bool:
        """Compare credentials, too: Python 3.12 would compare texts."""
        return self.parts == other.parts if isinstance(other, StorePath) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.parts)

    def __fspath__(self) -> str:
        """Refuse to be opened as a local file, which a library would do that knows nothing of object stores."""
        raise FeedrateError(
            f"{self} is in an object store and cannot be read as a local file: copy it to a local folder"
        )

    def absolute(self) -> Self:
        """Return the path itself: an address does not depend on the current folder."""
        return self

    def open(self, mode: str = "r", *_arguments: Any, **_options: Any) -> IO[Any]:  # type: ignore[override]
        """Open the file for reading, in binary mode."""
        from feedrate.loaders.stores.range_file import RangeFile
        from feedrate.loaders.stores.stored_object import stored_object

        if mode != "rb":
            raise FeedrateError(f"{self} can only be read in binary mode, not opened with {mode!r}")
        return io.BufferedReader(RangeFile(stored_object(self)))

    def read_bytes(self) -> bytes:
        """Return the whole content as it is now. Raises StoreError if the store does not give it."""
        from feedrate.loaders.stores.stored_object import StoredObject

        stored = StoredObject(self)
        return stored.fetch(0, stored.size)

    def is_dir(self) -> bool:
        """Return whether there is a folder with files. A web server's folder is taken for one if it has a dataset."""
        return any(True for _ in self.iterdir())

    def iterdir(self) -> Generator[Self, None, None]:
        """Yield what is in the folder. Of a web server's folder only dataset.json is known, if it has one."""
        from feedrate.loaders.stores.attempts import MissingFile, attempt
        from feedrate.loaders.stores.filesystems import filesystem

        if self.is_web:
            yield from [file for file in [self / "dataset.json"] if file.is_file()]
            return
        store = filesystem(self)
        store.invalidate_cache()
        try:
            names = attempt(self, lambda: store.ls(self.url, detail=False))
        except MissingFile:
            return
        yield from (self / name.rstrip("/").rpartition("/")[2] for name in names)

    def is_file(self) -> bool:
        """Return whether there is such a file. Raises FeedrateError if the store does not answer."""
        from feedrate.loaders.stores.attempts import MissingFile
        from feedrate.loaders.stores.stored_object import state_of

        try:
            state_of(self)
        except MissingFile:
            return False
        return True


def path_of(text: str | Path) -> Path:
    """Return what a user names: a StorePath for an address with ://, otherwise a local path.

    Raises FeedrateError for an address without a bucket or host, and for credentials that its scheme does not take.
    """
    match = None if isinstance(text, Path) else _ADDRESS.fullmatch(text)
    if match is None:
        return Path(text)
    scheme, rest = match[1].lower(), match[2]
    if scheme in ("file", "local"):
        return Path(unquote(rest))
    rest, _, query = rest.partition("?") if scheme in _WEB else (rest, "", "")
    authority, _, name = rest.partition("/")
    if not authority.rpartition("@")[2]:
        raise FeedrateError(f"{scheme}:// is followed by no bucket or host: write it as {scheme}://NAME/FOLDER")
    if scheme in NAMED_BUCKETS and (set("@:") & set(authority)) and not authority.startswith("arn:"):
        raise FeedrateError(
            f"an address with {scheme}:// has a user or password in front of the bucket, which feedrate does not take there: "
            "set the environment variables or the profile that the store's own tools use"
        )  # not shown: a password with a slash looks like a folder
    if query:
        authority = f"{authority}?{query.replace('/', '%2F')}"
    return StorePath(f"{scheme}:", authority, *name.split("/"))


def address_of(path: Path) -> str:
    """Return what path_of() turns into the same path in another process: with credentials, so it is not to be printed."""
    return path.url if isinstance(path, StorePath) else str(path)


def _join(scheme: str, authority: str, names: tuple[str, ...]) -> str:
    return f"{scheme}://{'/'.join([authority, *names])}"
