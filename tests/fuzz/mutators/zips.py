"""Zips with bombs, other methods of compression, links, names that leave the folder, and damages."""

from __future__ import annotations

import io
import stat
import warnings
import zipfile
from collections.abc import Callable
from random import Random

from tests.fuzz.mutators.damaged_bytes import damaged
from tests.fuzz.mutators.strange_text import strange_name

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
BOMB = b"0" * 20_000_000
Files = list[tuple[zipfile.ZipInfo, bytes]]


def mutated_zip(rng: Random, release: dict[str, bytes]) -> bytes:
    """Return the release as a zip, with a change of its content, of its members, of its bytes, or of several."""
    files: Files = [(zipfile.ZipInfo(name), content) for name, content in release.items()]
    kind = rng.random()
    if kind < 0.45:
        files = [(info, damaged(rng, content) if rng.random() < 0.6 else content) for info, content in files]
    if 0.35 < kind < 0.75:
        for _ in range(rng.choice((1, 1, 2))):
            rng.choice(_CHANGES)(rng, files)
    packed = _packed(rng, files)
    if kind > 0.7:
        packed = damaged(rng, packed)
    return packed


def _packed(rng: Random, files: Files) -> bytes:
    stream = io.BytesIO()
    odd = rng.random() < 0.1
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as archive:
        warnings.simplefilter("ignore")  # of two members with one name
        for info, content in files:
            method = rng.choice(METHODS) if odd else zipfile.ZIP_DEFLATED
            archive.writestr(info, content, compress_type=method, compresslevel=1)
    return stream.getvalue()


def _renamed(rng: Random, files: Files) -> None:
    number = rng.randrange(len(files))
    name = rng.choice(
        (strange_name(rng), f"../{files[number][0].filename}", f"/tmp/{strange_name(rng)}", "C:\\ratings.csv")
    )
    files[number] = (zipfile.ZipInfo(name), files[number][1])


def _link(rng: Random, files: Files) -> None:
    number = rng.randrange(len(files))
    info = zipfile.ZipInfo(files[number][0].filename)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    files[number] = (info, b"/etc/passwd")


def _device(rng: Random, files: Files) -> None:
    number = rng.randrange(len(files))
    info = zipfile.ZipInfo(files[number][0].filename)
    info.external_attr = (rng.choice((stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR)) | 0o777) << 16
    files[number] = (info, files[number][1])


def _twice(rng: Random, files: Files) -> None:
    info, content = rng.choice(files)
    files.append((zipfile.ZipInfo(info.filename), damaged(rng, content)))


def _bomb(rng: Random, files: Files) -> None:
    number = rng.randrange(len(files))
    files[number] = (files[number][0], BOMB * rng.choice((1, 1, 6)))


def _many(rng: Random, files: Files) -> None:
    files += [
        (zipfile.ZipInfo(f"d{number}/" * rng.choice((1, 50)) + "f"), b"") for number in range(rng.choice((5, 3000)))
    ]


def _folder_in_the_way(rng: Random, files: Files) -> None:
    files.insert(0, (zipfile.ZipInfo(rng.choice(files)[0].filename + "/"), b""))


def _packed_text(rng: Random, files: Files) -> None:
    import gzip

    number = rng.randrange(len(files))
    info, content = files[number]
    packed = gzip.compress(content, 1)
    files[number] = (zipfile.ZipInfo(info.filename + rng.choice(("", ".gz"))), damaged(rng, packed))


def _dropped(rng: Random, files: Files) -> None:
    if len(files) > 1:
        del files[rng.randrange(len(files))]


_CHANGES: tuple[Callable[[Random, Files], None], ...] = (
    _renamed,
    _link,
    _device,
    _twice,
    _bomb,
    _many,
    _folder_in_the_way,
    _packed_text,
    _dropped,
)
