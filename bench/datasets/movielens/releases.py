"""The MovieLens releases: their names here, where GroupLens has them, and what it publishes of their archives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Size and checksum of an archive that no longer changes."""

    size_bytes: int
    algorithm: str
    """hashlib's name. GroupLens itself publishes MD5s."""
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


def _md5(size_bytes: int, digest: str) -> Published:
    return Published(size_bytes=size_bytes, algorithm="md5", digest=digest)


RELEASES = {
    release.name: release
    for release in (
        _release("100k", _sha256(4_924_029, "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229")),
        _release("1m", _sha256(5_917_549, "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20")),
        _release("10m", _md5(65_566_137, "ce571fd55effeba0271552578f2648bd"), folder="ml-10M100K"),
        _release("20m", _sha256(198_702_078, "96f243c338a8665f6bcc89c53edf6ee39162a846940de6b7c8c48aeada765ff3")),
        _release("25m", _sha256(261_978_986, "8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa")),
        _release("32m", _md5(238_950_008, "d472be332d4daa821edc399621853b57")),
        _release("latest-small", None),
        _release("latest", None),
    )
}
