"""The genres of each movie, from u.item (flags), movies.dat (`::`), movies.csv or movies.parquet."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np

from feedrate.bench.datasets.movielens.columns import MAX_ID, find_columns
from feedrate.bench.datasets.movielens.files import format_of
from feedrate.bench.datasets.movielens.text import read_text
from feedrate.loaders.error_text import one_line
from feedrate.loaders.errors import FeedrateError

# u.genre of ML-100K, in the order of u.item's flags
ML100K_GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip


def read_genres(path: Path) -> dict[int, list[str]]:
    """Return the genres by movie id. Raises FeedrateError for a broken line, or a movie that is there twice and differs."""
    kind = format_of(path.name)
    rows = _table_rows(path) if kind in ("csv", "parquet") else _lines(path, "|" if kind == "item" else "::")
    genres: dict[int, list[str]] = {}
    for movie, names in rows:
        if genres.setdefault(movie, names) != names:
            raise FeedrateError(
                f"{path} has the movie {movie} twice, with genres {'|'.join(genres[movie])} and {'|'.join(names)}: "
                "remove one of them"
            )
    return genres


def count_without_genres(movie: np.ndarray, genres: dict[int, list[str]]) -> int:
    """Return how many ratings are of a movie without genres. movie: the movie of each rating."""
    counts = np.bincount(movie)
    return int(sum(counts[rated] for rated in np.flatnonzero(counts).tolist() if not genres.get(rated)))


def _lines(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Movies of a file with a line each. Lines end at \\n alone, because titles have other signs that end a line."""
    for number, ended in enumerate(read_text(path).split("\n"), 1):
        line = ended.removesuffix("\r")
        if not line.strip():
            continue
        fields = line.split(separator)
        try:
            yield _movie_id(fields[0]), _flagged(fields) if separator == "|" else _named(fields)
        except (IndexError, ValueError) as error:
            raise FeedrateError(
                f"{path}, line {number}, is not a movie: {one_line(repr(line), 120)}. Correct or remove it"
            ) from error


def _flagged(fields: list[str]) -> list[str]:
    """Genres from the last fields of a line of u.item: id|title|...|0|1|0..."""
    flags = [int(flag) for flag in fields[-len(ML100K_GENRES) :]]
    return [genre for genre, flag in zip(ML100K_GENRES, flags, strict=True) if flag]


def _named(fields: list[str]) -> list[str]:
    """Genres from a line of movies.dat: id::title::genre|genre. The title may have `::`, too."""
    if len(fields) < 3:
        raise ValueError(f"{len(fields)} fields, not 3")
    return _split(fields[-1])


def _table_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Movies of a CSV or Parquet file."""
    import polars as pl

    try:
        if path.suffix.lower() == ".parquet":
            frame = pl.read_parquet(path, glob=False)
        else:
            frame = pl.read_csv(BytesIO(read_text(path).encode()), infer_schema=False)
        names = find_columns(frame.columns, ("movieId", "genres"), path)
        genres = pl.col(names["genres"])
        if isinstance(frame.schema[names["genres"]], pl.List):
            genres = genres.list.join("|")
        frame = frame.select(pl.col(names["movieId"]).cast(pl.String), genres.cast(pl.String))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = one_line((str(error).strip() or type(error).__name__).splitlines()[0], 120)
        raise FeedrateError(f"{path} is not a MovieLens movies file: {reason}. Download or write it again") from error
    for number, (movie, text) in enumerate(frame.iter_rows(), 1):
        if movie is None and text is None:
            continue
        try:
            yield _movie_id(movie or ""), _split(text or "")
        except ValueError as error:
            raise FeedrateError(
                f"{path}, row {number} after the header, has the movieId {one_line(repr(movie), 60)}, "
                f"not a whole number from 0 to {MAX_ID}. Correct or remove it"
            ) from error


def _movie_id(text: str) -> int:
    """The id, which may be written as 7.0. Raises ValueError for anything but a whole number from 0 to MAX_ID."""
    number = float(text)
    if not (number.is_integer() and 0 <= number <= MAX_ID):
        raise ValueError(f"{text} is not an id")
    return int(number)


def _split(genres: str) -> list[str]:
    return [name for name in genres.strip().split("|") if name]
