"""MovieLens as it is around: a zip, a folder or a file of ratings, in any of its formats, read into ratings and genres."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from feedrate.bench.datasets.movielens.archive import extract
from feedrate.bench.datasets.movielens.files import Pair, find_pair, format_of, pair_of, refuse_other_release
from feedrate.bench.datasets.movielens.genres import count_without_genres, read_genres
from feedrate.bench.datasets.movielens.ratings import Ratings, read_ratings
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.scratch.temporary_folder import TemporaryFolder

MAX_DEPTH = 4
"""Folders below the given one are searched this deep."""


def read(source: Path, name: str) -> tuple[Ratings, dict[int, list[str]]]:
    """Return the ratings, and the genres of each movie, of a zip, a folder, or a file of ratings with its movies beside it.

    name: which release it is said to be. Raises FeedrateError if it is another one by its folder's name, if files are not
    whole, or if ratings and movies have nothing in common.
    """
    with opened(source) as (folder, pair):
        refuse_other_release(folder.absolute() / pair.ratings, name)
        ratings, genres = read_ratings(folder / pair.ratings), read_genres(folder / pair.movies)
        if count_without_genres(ratings.movie, genres) == len(ratings.movie):
            raise FeedrateError(
                f"{pair.movies} has genres for none of the movies that are rated in {pair.ratings}, in {source}. "
                "Put the movies of the same release there"
            )
        return ratings, genres


@contextmanager
def opened(source: Path) -> Iterator[tuple[Path, Pair]]:
    """Yield a folder and the files in it: the given folder, or the one to which a zip is unpacked."""
    if not source.exists():
        raise FeedrateError(f"{source} does not exist: --archive takes a MovieLens zip, a folder or a ratings file")
    if not (source.is_dir() or source.is_file()):
        raise FeedrateError(
            f"{source} is neither a file nor a folder: --archive takes a MovieLens zip, a folder or a ratings file"
        )
    if source.is_dir():
        yield source, find_pair(_files(source), str(source), zipped=False)
    elif format_of(source.name):
        beside = [PurePosixPath(path.name) for path in source.parent.iterdir() if path.is_file()]
        yield source.parent, pair_of(PurePosixPath(source.name), beside, str(source.parent))
    else:
        with TemporaryFolder() as scratch:
            try:
                yield scratch.path, extract(source, scratch.path)
            except FeedrateError as error:  # name the zip, not the folder that is gone when the user reads this
                raise FeedrateError(str(error).replace(str(scratch.path), str(source))) from error


def _files(folder: Path) -> Iterator[PurePosixPath]:
    """Paths of all regular files in `folder` and below it, relative to it. A pipe would wait for a writer."""
    for place, folders, names in os.walk(folder):
        relative = Path(place).relative_to(folder)
        folders[:] = [] if len(relative.parts) >= MAX_DEPTH else [name for name in folders if not name.startswith(".")]
        yield from (PurePosixPath(relative.as_posix()) / name for name in names if Path(place, name).is_file())
