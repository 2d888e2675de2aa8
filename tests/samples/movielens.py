"""Small MovieLens releases, written as GroupLens, Kaggle and tutorials write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.movielens.genres import ML100K_GENRES
from feedrate.loaders.parquet.columns import read_columns

Rating = tuple[int, int, float]
Movie = tuple[int, str, Sequence[str]]

FILMS: tuple[Movie, ...] = tuple((movie, f"Film {movie} (1999)", ("Drama", "Comedy")) for movie in range(1, 61))


def random_ratings(rows: int = 2_000, seed: int = 0) -> list[Rating]:
    """(user 1 to 79, movie 1 to 60, stars 0.5 to 5 in halves)"""
    rng = np.random.default_rng(seed)
    users, movies = rng.integers(1, 80, rows).tolist(), rng.integers(1, 61, rows).tolist()
    return list(zip(users, movies, (rng.integers(1, 11, rows) / 2).tolist(), strict=True))


def whole_stars(ratings: Iterable[Rating]) -> list[Rating]:
    return [(user, movie, float(int(stars) or 1)) for user, movie, stars in ratings]


def liked(ratings: Iterable[Rating]) -> int:
    return sum(stars > 3 for _, _, stars in ratings)


def write_csv(
    folder: Path,
    ratings: Iterable[Rating],
    movies: Iterable[Movie] = FILMS,
    *,
    stars: str = "",
    names: tuple[str, str] = ("ratings.csv", "movies.csv"),
) -> Path:
    """As 20M, 25M, 32M and the latest ones. stars: format of a rating; "g" writes 4.0 as 4."""
    lines = [f"{user},{movie},{format(given, stars)},1147880044" for user, movie, given in ratings]
    _write(folder / names[0], ["userId,movieId,rating,timestamp", *lines])
    rows = [f"{movie},{_quoted(title)},{'|'.join(genres)}" for movie, title, genres in movies]
    _write(folder / names[1], ["movieId,title,genres", *rows])
    return folder


def write_dat(
    folder: Path, ratings: Iterable[Rating], movies: Iterable[Movie] = FILMS, *, encoding: str = "utf-8"
) -> Path:
    """As 1M (Latin-1) and 10M (UTF-8)."""
    _write(folder / "ratings.dat", [f"{user}::{movie}::{stars:g}::978300760" for user, movie, stars in ratings])
    rows = [f"{movie}::{title}::{'|'.join(genres)}" for movie, title, genres in movies]
    _write(folder / "movies.dat", rows, encoding)
    return folder


def write_tsv(folder: Path, ratings: Iterable[Rating], movies: Iterable[Movie] = FILMS) -> Path:
    """As 100K: u.data, and u.item in Latin-1 with a flag for each genre."""
    _write(folder / "u.data", [f"{user}\t{movie}\t{stars:g}\t881250949" for user, movie, stars in ratings])
    rows = []
    for movie, title, genres in movies:
        flags = [str(int(genre in genres)) for genre in ML100K_GENRES]
        rows.append("|".join([str(movie), title, "01-Jan-1995", "", "http://example.org", *flags]))
    _write(folder / "u.item", rows, "latin-1")
    return folder


def write_kaggle_20m(folder: Path, ratings: Iterable[Rating], movies: Iterable[Movie] = FILMS) -> Path:
    """As the 20M of Kaggle: rating.csv and movie.csv, with quotes around names and texts, and dates for timestamps."""
    lines = [f'{user},{movie},{stars},"2005-04-02 23:53:47"' for user, movie, stars in ratings]
    _write(folder / "rating.csv", ['"userId","movieId","rating","timestamp"', *lines])
    rows = [f'{movie},{_quoted(title, always=True)},"{"|".join(genres)}"' for movie, title, genres in movies]
    _write(folder / "movie.csv", ['"movieId","title","genres"', *rows])
    return folder


def contents(dataset: Dataset) -> tuple[int, int]:
    """(rows, rows with label 1) of train and valid together."""
    splits = [read_columns(dataset.split(split)) for split in ("train", "valid")]  # type: ignore[arg-type]
    return sum(columns.rows for columns in splits), sum(int(columns.label.sum()) for columns in splits)


def cardinalities(dataset: Dataset) -> dict[str, int]:
    schema = dataset.info.schema
    return {column.name: column.cardinality for column in (*schema.single_hot, *schema.multi_hot)}


def _quoted(title: str, *, always: bool = False) -> str:
    escaped = title.replace('"', '""')
    return f'"{escaped}"' if always or escaped != title or "," in title or "\n" in title else title


def _write(path: Path, lines: list[str], encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
