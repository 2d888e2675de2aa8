"""MovieLens as GroupLens publishes it: a zip or a folder, in any of its four formats, read into ratings and genres."""

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

from feedrate.loaders.errors import FeedrateError

if TYPE_CHECKING:
    import polars as pl

MAX_ID = 50_000_000
"""Ids are counted in tables of this size. MovieLens' own ids are below 300,000."""


@dataclass(frozen=True, slots=True)
class Ratings:
    """All ratings, in the source's order, with the source's ids."""

    user: np.ndarray
    movie: np.ndarray
    stars: np.ndarray
    """float32."""


def read(source: Path) -> tuple[Ratings, dict[int, list[str]]]:
    """Return the ratings and each movie's genres from a zip or a folder."""
    with opened(source) as files:
        return read_ratings(files), read_genres(files)


@contextmanager
def opened(source: Path) -> Iterator[Path]:
    """Yield the folder that holds the ratings: `source` itself, a folder in it, or the folder its zip is unpacked to."""
    if source.is_dir():
        yield _folder_with_ratings(source)
        return
    if not source.exists():
        raise FeedrateError(f"{source} does not exist: --archive takes a MovieLens zip or a folder")
    with tempfile.TemporaryDirectory(prefix="feedrate-") as scratch:
        extract(source, Path(scratch))
        yield _folder_with_ratings(Path(scratch))


def extract(archive: Path, folder: Path) -> None:
    """Unpack the ratings and movies of a zip. Raises FeedrateError for members that are links or would leave `folder`."""
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
        raise FeedrateError(
            f"{archive} is incomplete, damaged or not a zip file ({error}): download it again"
        ) from error


def read_ratings(folder: Path) -> Ratings:
    """Read userId, movieId and rating from u.data (TSV), ratings*.dat (::), ratings*.csv or ratings*.parquet.

    Raises FeedrateError for a file that is incomplete or damaged, and for ids or ratings that are missing or out of range.
    """
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
    """Read each movie's genres from u.item (flags), movies.dat (::) or movies.csv. Raises FeedrateError for a broken line."""
    path = _find(folder, "u.item", "movies.csv", "movies.dat")
    if path.suffix == ".csv":
        import polars as pl

        try:
            frame = pl.read_csv(
                path, columns=["movieId", "genres"], schema_overrides={"movieId": pl.Int32, "genres": pl.String}
            )
        except (pl.exceptions.PolarsError, OSError) as error:
            raise FeedrateError(f"{path} is not a MovieLens movies file: {_first_line(error)}") from error
        return {movie: names.split("|") for movie, names in frame.iter_rows() if names and movie is not None}
    separator = "|" if path.name == "u.item" else "::"
    genres = {}
    for number, line in enumerate(path.read_text(encoding="latin-1").splitlines(), 1):
        fields = line.split(separator)
        try:
            movie = int(fields[0])
            if separator == "|":
                flags = fields[-len(ML100K_GENRES) :]
                genres[movie] = [genre for genre, flag in zip(ML100K_GENRES, flags, strict=True) if int(flag)]
            else:
                genres[movie] = fields[2].split("|")
        except (IndexError, ValueError) as error:
            raise FeedrateError(f"{path}, line {number}, is not a movie: {line!r}") from error
    return genres


# u.genre of ML-100K, in the order of u.item's flags
ML100K_GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip


def _scan(path: Path) -> pl.LazyFrame:
    import polars as pl

    if path.suffix == ".parquet":
        return pl.scan_parquet(path)
    if path.suffix == ".csv":
        return pl.scan_csv(path)
    # a reader of one-character separators sees `a::b::c::d` as `a` `` `b` `` `c` `` `d`
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
        files = sorted(folder.glob(pattern))
        if len(files) > 1:
            names = ", ".join(path.name for path in files)
            raise FeedrateError(f"{folder} has several files of one kind ({names}): keep one of them, or join them")
        if files:
            return files[0]
    raise FeedrateError(f"{folder} has none of {', '.join(patterns)}: it is not a MovieLens folder")


def _folder_with_ratings(folder: Path) -> Path:
    for candidate in (folder, *sorted(child for child in folder.iterdir() if child.is_dir())):
        if any(candidate.glob("ratings*.*")) or (candidate / "u.data").exists():
            return candidate
    raise FeedrateError(f"{folder} has no ratings*.csv, ratings*.dat, ratings*.parquet or u.data")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
