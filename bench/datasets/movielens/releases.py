"""The MovieLens releases: their names here, where GroupLens has them, and what it publishes of their archives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Size and checksum of an archive that no longer changes."""

    size_bytes: int
    algorithm: str
    """hashlib's name. GroupLens publishes MD5s only. The SHA-256 of the same archives are kept here."""
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """An archive of GroupLens."""

    name: str
    url: str
    folder: str
    """Name of the folder in the archive."""
    published: Published | None
    """None for an archive that GroupLens replaces from time to time."""


def _release(name: str, published: Published | None, *, folder: str = "") -> Release:
    url = f"https://files.grouplens.org/datasets/movielens/ml-{name}.zip"
    return Release(name=f"movielens-{name}", url=url, folder=folder or f"ml-{name}", published=published)


def _sha256(size_bytes: int, digest: str) -> Published:
    return Published(size_bytes=size_bytes, algorithm="sha256", digest=digest)


RELEASES = {
    release.name: release
    for release in (
        _release("100k", _sha256(4_924_029, "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229")),
        _release("1m", _sha256(5_917_549, "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20")),
        _release(
            "10m",
            _sha256(65_566_137, "813c411ccb6122564edfe752e7f80c4dcc5aa25fa94c93622f6877a7ba252862"),
            folder="ml-10M100K",
        ),
        _release("20m", _sha256(198_702_078, "96f243c338a8665f6bcc89c53edf6ee39162a846940de6b7c8c48aeada765ff3")),
        _release("25m", _sha256(261_978_986, "8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa")),
        _release("32m", _sha256(238_950_008, "e4a68655d7386b8f95f2f2424b2ff975dfdd15ffd59e0d864a14dca43e99d6ee")),
        _release("latest-small", None),
        _release("latest", None),
    )
}
