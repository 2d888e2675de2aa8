"""Any MovieLens release, or a folder with its ratings and movies, to the canonical folder.

The ETL of the reference notebook's data: genres joined to each rating, ids by frequency in the training rows (0: null or
unseen there), label rating > 3, a random 80/20 split. Rows are shuffled once, so that neighbours in the files are strangers.

Memory: ratings are read by Polars' streaming engine into 9 bytes a row; genres are joined a row group at a time.
"""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from feedrate.bench.datasets.canonical import ROW_GROUP_ROWS, Dataset, Progress, new_dataset, read_dataset
from feedrate.loaders.base import Categorical, Schema
from feedrate.loaders.errors import FeedrateError

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

CHUNK_ROWS = 262_144
LIKED_ABOVE = 3.0
VALID_FRACTION = 0.2
MAX_ID = 50_000_000
"""Ids are counted in tables of this size; MovieLens' own stay under 300,000."""


@dataclass(frozen=True, slots=True)
class Ratings:
    """All ratings, in the source's order, with the source's ids."""

    user: np.ndarray
    movie: np.ndarray
    stars: np.ndarray
    """float32."""


def prepare_movielens(
    source: Path,
    folder: Path,
    *,
    name: str,
    seed: int,
    overwrite: bool = False,
    row_group_rows: int = ROW_GROUP_ROWS,
    progress: Progress = lambda _done, _total: None,
) -> Dataset:
    """Write `source` (a zip or a folder) to `folder`. `progress(done, total)` is in rows."""
    ratings, genres = read(source)
    return write(
        ratings,
        genres,
        folder,
        name=name,
        seed=seed,
        overwrite=overwrite,
        row_group_rows=row_group_rows,
        progress=progress,
    )


def read(source: Path) -> tuple[Ratings, dict[int, list[str]]]:
    """The ratings, and each movie's genres, of a zip or a folder."""
    with opened(source) as files:
        return read_ratings(files), read_genres(files)


def shuffled(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows of the source in the order they are written: int32 [rows], whether a row of the source is for validation: bool [rows])."""
    rng = np.random.default_rng(seed)
    valid = rng.random(rows) < VALID_FRACTION
    return rng.permutation(np.arange(rows, dtype=np.int32)), valid


@contextmanager
def opened(source: Path) -> Iterator[Path]:
    """The folder that holds the ratings: `source` itself, a folder within it, or where its zip was unpacked."""
    if source.is_dir():
        yield _folder_with_ratings(source)
        return
    if not source.exists():
        raise FeedrateError(f"{source} does not exist: --archive takes a MovieLens zip or a folder")
    with tempfile.TemporaryDirectory(prefix="feedrate-") as scratch:
        extract(source, Path(scratch))
        yield _folder_with_ratings(Path(scratch))


def extract(archive: Path, folder: Path) -> None:
    """Unpack a zip; refuses members that are links or would land outside of `folder`."""
    try:
        with zipfile.ZipFile(archive) as source:
            for member in source.infolist():
                path = PurePosixPath(member.filename.replace("\\", "/"))
                if (
                    path.is_absolute()
                    or ".." in path.parts
                    or ":" in "".join(path.parts[:1])
                    or stat.S_ISLNK(member.external_attr >> 16)
                ):
                    raise FeedrateError(
                        f"{archive} has the member {member.filename!r}, which leaves the folder: not unpacked"
                    )
            for member in source.infolist():
                if Path(member.filename).stem in {"ratings", "movies", "u"} and not member.is_dir():
                    with (
                        source.open(member) as packed,
                        (folder / Path(member.filename).name).open("wb") as file,
                    ):
                        shutil.copyfileobj(packed, file, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise FeedrateError(f"{archive} is not a whole zip file ({error}): download it again") from error


def read_ratings(folder: Path) -> Ratings:
    """userId, movieId, rating of u.data (TSV), ratings*.dat (::), ratings*.csv or ratings*.parquet."""
    import polars as pl

    path = _find(folder, "u.data", "ratings*.csv", "ratings*.dat", "ratings*.parquet")
    try:
        frame = (
            _scan(path)
            .select(
                pl.col("userId").cast(pl.Int32),
                pl.col("movieId").cast(pl.Int32),
                pl.col("rating").cast(pl.Float32),
            )
            .collect(engine="streaming")
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise FeedrateError(f"{path} is not a MovieLens ratings file: {_first_line(error)}") from error
    if frame.height == 0:
        raise FeedrateError(f"{path} has no ratings")
    if sum(frame.null_count().row(0)) or not frame["rating"].is_finite().all():
        raise FeedrateError(f"{path} has ratings with an empty userId, movieId or rating")
    if min(frame["userId"].min(), frame["movieId"].min()) < 0:  # type: ignore[operator,type-var]
        raise FeedrateError(f"{path} has a negative userId or movieId")
    largest = int(max(frame["userId"].to_numpy().max(), frame["movieId"].to_numpy().max()))
    if largest > MAX_ID:
        raise FeedrateError(
            f"{path} has the id {largest}, over {MAX_ID}: `feedrate prepare parquet --categorify` takes any ids"
        )
    return Ratings(frame["userId"].to_numpy(), frame["movieId"].to_numpy(), frame["rating"].to_numpy())


def read_genres(folder: Path) -> dict[int, list[str]]:
    """movieId -> its genres, of u.item (flags), movies.dat (::) or movies.csv."""
    path = _find(folder, "u.item", "movies.csv", "movies.dat")
    if path.suffix == ".csv":
        import polars as pl

        try:
            frame = pl.read_csv(
                path, columns=["movieId", "genres"], schema_overrides={"movieId": pl.Int32, "genres": pl.String}
            )
        except (pl.exceptions.PolarsError, OSError) as error:
            raise FeedrateError(f"{path} is not a MovieLens movies file: {_first_line(error)}") from error
        return {movie: genres.split("|") for movie, genres in frame.iter_rows() if genres and movie is not None}
    separator = "|" if path.name == "u.item" else "::"
    found = {}
    for number, line in enumerate(path.read_text(encoding="latin-1").splitlines(), 1):
        fields = line.split(separator)
        try:
            movie = int(fields[0])
            if separator == "|":
                flags = fields[-len(ML100K_GENRES) :]
                found[movie] = [genre for genre, flag in zip(ML100K_GENRES, flags, strict=True) if int(flag)]
            else:
                found[movie] = fields[2].split("|")
        except (IndexError, ValueError) as error:
            raise FeedrateError(f"{path}, line {number}, is not a movie: {line!r}") from error
    return found


def write(
    ratings: Ratings,
    genres: dict[int, list[str]],
    folder: Path,
    *,
    name: str,
    seed: int,
    overwrite: bool,
    row_group_rows: int,
    progress: Progress,
) -> Dataset:
    """Shuffle, split, categorify, join and write."""
    import pyarrow as pa

    rows = len(ratings.user)
    order, valid = shuffled(rows, seed)
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
    with new_dataset(folder, schema, overwrite=overwrite, row_group_rows=row_group_rows) as writer:
        for start in range(0, rows, CHUNK_ROWS):
            chunk = order[start : start + CHUNK_ROWS]
            table = _table(ratings, chunk, user_ids, movie_ids, values, offsets)
            writer.add("train", table.filter(pa.array(~valid[chunk])))
            writer.add("valid", table.filter(pa.array(valid[chunk])))
            progress(start + len(chunk), rows)
        provenance = {
            "source": name,
            "ratings": rows,
            "seed": seed,
            "label": f"rating > {LIKED_ABOVE:g}",
            "genres": names,
        }
        writer.finish(name, provenance)
    return read_dataset(folder)


def categorify(column: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, int]:
    """(table from the source's id to ours, ids in use): 1 is the most frequent in the training rows, 0 was not seen there."""
    counts = np.bincount(column[train], minlength=int(column.max()) + 1)
    seen = int(np.count_nonzero(counts))
    by_frequency = np.argsort(-counts, kind="stable")[:seen]
    ids = np.zeros(len(counts), np.int32)
    ids[by_frequency] = np.arange(1, seen + 1)
    return ids, seen


def genre_bags(
    genres: dict[int, list[str]], movie: np.ndarray, train: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """(values int32, offsets by the source's movie id, genre names by id - 1); genres by frequency over the training rows."""
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


# u.genre of ML-100K, in the order of u.item's flags
ML100K_GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip


def _table(
    ratings: Ratings,
    rows: np.ndarray,
    user_ids: np.ndarray,
    movie_ids: np.ndarray,
    values: np.ndarray,
    offsets: np.ndarray,
) -> pa.Table:
    import pyarrow as pa
    import torch

    from feedrate.loaders.parquet.columns import take_bags

    movie = ratings.movie[rows]
    bags = take_bags(torch.from_numpy(values), torch.from_numpy(offsets), torch.from_numpy(movie.astype(np.int64)))
    return pa.table(
        {
            "userId": user_ids[ratings.user[rows]],
            "movieId": movie_ids[movie],
            "genres": pa.ListArray.from_arrays(pa.array(bags[1].numpy()), pa.array(bags[0].numpy())),
            "rating": (ratings.stars[rows] > LIKED_ABOVE).astype(np.float32),
        }
    )


def _scan(path: Path) -> pl.LazyFrame:
    import polars as pl

    if path.suffix == ".parquet":
        return pl.scan_parquet(path)
    if path.suffix == ".csv":
        return pl.scan_csv(path)
    # `a::b::c::d` is, to a reader of one-character separators, `a` `` `b` `` `c` `` `d`
    separator, step = ("\t", 1) if path.name == "u.data" else (":", 2)
    frame = pl.scan_csv(path, separator=separator, has_header=False)
    names = frame.collect_schema().names()
    return frame.select(
        **{
            column: pl.col(names[i * step])
            for i, column in enumerate(("userId", "movieId", "rating"))
            if i * step < len(names)
        }
    )


def _find(folder: Path, *patterns: str) -> Path:
    for pattern in patterns:
        found = sorted(folder.glob(pattern))
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise FeedrateError(
                f"{folder} has several files of one kind ({names}): leave the one that is meant, or join them"
            )
        if found:
            return found[0]
    raise FeedrateError(f"{folder} has none of {', '.join(patterns)}: it is not a MovieLens folder")


def _folder_with_ratings(folder: Path) -> Path:
    for candidate in (folder, *sorted(child for child in folder.iterdir() if child.is_dir())):
        if any(candidate.glob("ratings*.*")) or (candidate / "u.data").exists():
            return candidate
    raise FeedrateError(f"{folder} has no ratings*.csv, ratings*.dat, ratings*.parquet or u.data")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
