"""Which files of a folder or zip are MovieLens' ratings and movies. Does not open them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath
from typing import Literal

from feedrate.bench.datasets.movielens.releases import RELEASES
from feedrate.loaders.errors import FeedrateError

FileFormat = Literal["csv", "parquet", "dat", "tsv", "item"]
SUFFIXES: dict[str, FileFormat] = {
    ".csv": "csv", ".parquet": "parquet", ".dat": "dat", ".item": "item",
    ".data": "tsv", ".base": "tsv", ".test": "tsv", ".tsv": "tsv",
}  # fmt: skip
"""dat: fields separated by `::`. tsv: MovieLens-100K's u.data and its cuts, such as u1.base. item: its movies."""
RATINGS = re.compile(r"u\.data(\.gz)?|ratings?.*\.(csv|dat)(\.gz)?|ratings?.*\.parquet", re.IGNORECASE)
MOVIES = re.compile(r"u\.item(\.gz)?|movies?([_-].*)?\.(csv|dat)(\.gz)?|movies?([_-].*)?\.parquet", re.IGNORECASE)
TMDB_MOVIES = "movies_metadata.csv"
"""The movies of Kaggle's The Movies Dataset. Their ids and genres are TMDB's, so they do not fit the ratings beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The two files that make a release, relative to the folder or zip."""

    ratings: PurePosixPath
    movies: PurePosixPath


def format_of(name: str) -> FileFormat | None:
    """Return the format that a file's name stands for, or None."""
    return SUFFIXES.get(PurePosixPath(name.lower().removesuffix(".gz")).suffix)


def is_system_file(path: PurePosixPath) -> bool:
    """Whether macOS or a tool wrote this file beside the data, as in `__MACOSX/ml-1m/._ratings.dat`."""
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)


def find_pair(paths: Iterable[PurePosixPath], place: str, *, zipped: bool) -> Pair:
    """Return the only ratings file among `paths` and the movies file beside it.

    place: the folder or zip, for messages. Raises FeedrateError if there is no such file, or more than one.
    """
    paths = sorted(path for path in paths if not is_system_file(path))
    ratings = [path for path in paths if RATINGS.fullmatch(path.name)]
    if not ratings:
        archives = [path.name for path in paths if path.suffix.lower() == ".zip"]
        hint = f". It has {_some(archives)}: pass a zip to --archive" if archives else ""
        raise FeedrateError(f"{place} has no ratings*.csv, ratings*.dat, ratings*.parquet or u.data{hint}")
    if len(ratings) > 1:
        remedy = "unpack it, and pass one of them" if zipped else "pass one of them"
        raise FeedrateError(
            f"{place} has {len(ratings)} files of ratings: {_some(ratings)}. Only one can be used: {remedy}, or its folder, to --archive"
        )
    return pair_of(ratings[0], paths, place)


def pair_of(ratings: PurePosixPath, paths: Iterable[PurePosixPath], place: str) -> Pair:
    """Return the ratings and the movies file beside them. Raises FeedrateError if there is none, or no telling which."""
    beside = [path for path in sorted(paths) if path.parent == ratings.parent and MOVIES.fullmatch(path.name)]
    movies = [path for path in beside if path.name.lower() != TMDB_MOVIES]
    if not movies:
        reason = f": the ids in its {TMDB_MOVIES} are TMDB's, not MovieLens'" if beside else ""
        raise FeedrateError(
            f"{place} has no movies.csv, movies.dat or u.item beside {ratings.name}{reason}. "
            f"Put the movies of the same release there: genres come from it"
        )
    preferred = _preferred(ratings, movies)
    if len(preferred) > 1:
        raise FeedrateError(
            f"{place} has {len(preferred)} files of movies beside {ratings.name}: {_some(preferred)}. Keep one of them there"
        )
    return Pair(ratings=ratings, movies=preferred[0])


def refuse_other_release(ratings: PurePath, name: str) -> None:
    """Raise FeedrateError if the folder of the ratings is called as GroupLens calls that of another release than `name`."""
    folder = ratings.parent.name
    others = [release.name for release in RELEASES.values() if release.folder.lower() == folder.lower()]
    if name in RELEASES and others and name not in others:
        raise FeedrateError(
            f"the ratings are in a folder called {folder}, which is {others[0]}, not {name}: "
            f"use `feedrate prepare {others[0]}`, or rename the folder if it holds {name}"
        )


def _preferred(ratings: PurePosixPath, movies: list[PurePosixPath]) -> list[PurePosixPath]:
    """The movies in the ratings' own format, with the plain name, as far as that narrows them down."""
    kind = format_of(ratings.name)
    same = [path for path in movies if format_of(path.name) == ("item" if kind == "tsv" else kind)] or movies
    plain = [path for path in same if path.name.lower().partition(".")[0] in ("movies", "movie", "u")]
    return plain or same


def _some(names: list[PurePosixPath] | list[str]) -> str:
    shown = ", ".join(str(name) for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
