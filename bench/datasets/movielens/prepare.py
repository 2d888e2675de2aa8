"""Any MovieLens release, or a folder with its ratings and movies, to the canonical folder.

This is the ETL of the reference notebook's data. Genres are joined to each rating. Ids follow the frequency in the training
rows, and 0 is null or unseen there. The label is rating > 3, and the split is a random 80/20. Rows are shuffled once, so
neighbours in the files are unrelated.

Memory: ratings take 12 bytes per row, and genres are joined one row group at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.datasets.movielens.genres import count_without_genres
from feedrate.bench.datasets.movielens.source import read
from feedrate.bench.datasets.options import DEFAULTS, PrepareOptions
from feedrate.bench.datasets.rows.hashed_rows import SplitRows, split_rows
from feedrate.bench.datasets.writer import new_dataset
from feedrate.loaders.base import Categorical, Schema

CHUNK_ROWS = 262_144
LIKED_ABOVE = 3.0
VALID_FRACTION = 0.2


def prepare_movielens(source: Path, folder: Path, options: PrepareOptions = DEFAULTS, *, name: str) -> Dataset:
    """Write `source`, a zip, folder or file, to `folder`: shuffled, split, categorified and joined. Progress is in rows.

    name: what the dataset is called. Raises FeedrateError for a source that is not whole, or is another release.
    """
    ratings, genres = read(source, name)
    rows = len(ratings.user)
    order, valid = shuffled(rows, options.seed)
    train = order[~valid[order]]
    user_ids, users = categorify(ratings.user, train)
    movie_ids, movies = categorify(ratings.movie, train)
    values, offsets, names = genre_bags(genres, ratings.movie, train)
    schema = Schema(
        single_hot=(
            Categorical(name="userId", cardinality=users + 1),
            Categorical(name="movieId", cardinality=movies + 1),
        ),
        multi_hot=(Categorical(name="genres", cardinality=len(names) + 1),),
        label="rating",
    )
    with new_dataset(folder, schema, options) as writer:
        chunks = (order[start : start + CHUNK_ROWS] for start in range(0, rows, CHUNK_ROWS))
        parts = (_Part(ratings.user[rows], ratings.movie[rows], ratings.stars[rows], valid[rows]) for rows in chunks)
        done, ids = 0, _Ids(user_ids, movie_ids, values, offsets, schema)
        for part in options.runner.run(_with_our_ids, ids, parts):
            writer.add_split(part)
            done += part.rows
            options.progress(done, rows)
        writer.finish(
            name,
            {
                "source": name,
                "ratings": rows,
                "seed": options.seed,
                "label": f"rating > {LIKED_ABOVE:g}",
                "genres": names,
                "ratings_without_genres": count_without_genres(ratings.movie, genres),
            },
        )
    return read_dataset(folder)


def shuffled(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (order, valid).

    order, int32 [rows]: the source's rows in the order in which they are written. valid, bool [rows]: whether each row of the
    source is for validation.
    """
    rng = np.random.default_rng(seed)
    valid = rng.random(rows) < VALID_FRACTION
    return rng.permutation(np.arange(rows, dtype=np.int32)), valid


def categorify(column: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, int]:
    """Return (ids, number of ids in use).

    ids, int32: our id for each id of the source. 1 is the most frequent one in the training rows, 0 was not seen there.
    """
    counts = np.bincount(column[train], minlength=int(column.max()) + 1)
    seen = int(np.count_nonzero(counts))
    by_frequency = np.argsort(-counts, kind="stable")[:seen]
    ids = np.zeros(len(counts), np.int32)
    ids[by_frequency] = np.arange(1, seen + 1)
    return ids, seen


def genre_bags(
    genres: dict[int, list[str]], movie: np.ndarray, train: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return (values int32, offsets by the source's movie id, genre names by id - 1).

    Genres are numbered by frequency over the training rows.
    """
    size = int(movie.max()) + 1
    played = np.bincount(movie[train], minlength=size)
    counts: dict[str, int] = {}
    for movie_id, names in genres.items():
        for name in names:
            counts[name] = counts.get(name, 0) + (int(played[movie_id]) if movie_id < size else 0)
    ordered = sorted((name for name in counts if counts[name]), key=lambda name: (-counts[name], name))
    number = {name: i for i, name in enumerate(ordered, 1)}
    bags = [[number.get(name, 0) for name in genres.get(movie_id, ())] for movie_id in range(size)]
    offsets = np.concatenate([[0], np.cumsum([len(bag) for bag in bags])])
    return np.array([value for bag in bags for value in bag], np.int32), offsets, ordered


@dataclass(frozen=True, slots=True)
class _Ids:
    """Our ids by the source's, and the genres of each movie."""

    users: np.ndarray
    movies: np.ndarray
    genres: np.ndarray
    """int32 [N]: those of all movies."""
    offsets: np.ndarray
    """int64: where those of each movie begin, by the source's id."""
    schema: Schema


@dataclass(frozen=True, slots=True)
class _Part:
    """Some ratings with the source's ids."""

    user: np.ndarray
    movie: np.ndarray
    stars: np.ndarray
    valid: np.ndarray


def _with_our_ids(ids: _Ids, part: _Part) -> Iterator[SplitRows]:
    import pyarrow as pa
    import torch

    from feedrate.loaders.parquet.columns import take_bags

    movie = torch.from_numpy(part.movie.astype(np.int64))
    bags = take_bags(torch.from_numpy(ids.genres), torch.from_numpy(ids.offsets), movie)
    table = pa.table(
        {
            "userId": ids.users[part.user],
            "movieId": ids.movies[part.movie],
            "genres": pa.ListArray.from_arrays(pa.array(bags[1].numpy()), pa.array(bags[0].numpy())),
            "rating": (part.stars > LIKED_ABOVE).astype(np.float32),
        }
    )
    yield split_rows(table, part.valid, ids.schema)
