"""Which files are ratings and movies, whatever lies beside them."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from feedrate.bench.datasets.movielens.files import find_pair, pair_of
from feedrate.loaders.errors import FeedrateError


def _find(*names: str, zipped: bool = False) -> tuple[str, str]:
    pair = find_pair([PurePosixPath(name) for name in names], "data", zipped=zipped)
    return str(pair.ratings), str(pair.movies)


@pytest.mark.parametrize(
    ("ratings", "movies"),
    [
        ("u.data", "u.item"),
        ("ratings.dat", "movies.dat"),
        ("ratings.csv", "movies.csv"),
        ("rating.csv", "movie.csv"),
        ("RATINGS.CSV", "Movies.csv"),
        ("ratings.csv.gz", "movies.csv.gz"),
        ("ratings_small.csv", "movies_small.csv"),
        ("ratings_no_timestamp.parquet", "movies.dat"),
        ("a/b/ml-1m/ratings.dat", "a/b/ml-1m/movies.dat"),
    ],
)
def test_the_two_files_are_found_beside_others(ratings: str, movies: str) -> None:
    others = (
        "README",
        "links.csv",
        "tags.csv",
        "genome-scores.csv",
        "u1.base",
        "u.genre",
        "users.dat",
        ".ratings.csv.crc",
    )
    assert _find(*others, movies, ratings) == (ratings, movies)


def test_what_macos_puts_beside_the_files_is_left_out() -> None:
    mac = ("__MACOSX/ml-1m/._ratings.dat", "ml-1m/._ratings.dat", "ml-1m/.DS_Store", "__MACOSX/ml-1m/ratings.dat")
    assert _find(*mac, "ml-1m/ratings.dat", "ml-1m/movies.dat") == ("ml-1m/ratings.dat", "ml-1m/movies.dat")


def test_movies_are_those_in_the_ratings_own_format_and_with_the_plain_name() -> None:
    assert _find("ratings.dat", "movies.csv", "movies.dat")[1] == "movies.dat"
    assert _find("ratings.csv", "movies.csv", "movies_small.csv")[1] == "movies.csv"
    assert _find("u.data", "movies.csv", "u.item")[1] == "u.item"


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["links.csv"], "data has no ratings*.csv, ratings*.dat, ratings*.parquet or u.data"),
        (["ml-1m.zip"], "It has ml-1m.zip: pass a zip to --archive"),
        (["ratings.csv"], "data has no movies.csv, movies.dat or u.item beside ratings.csv"),
        (["ratings.csv", "b/movies.csv"], "data has no movies.csv, movies.dat or u.item beside ratings.csv"),
        (["ratings.csv", "movies_metadata.csv"], "the ids in its movies_metadata.csv are TMDB's, not MovieLens'"),
        (["ratings.csv", "ratings-2.csv"], "data has 2 files of ratings: ratings-2.csv, ratings.csv"),
        (["ratings.csv", "ratings_small.csv"], "pass one of them, or its folder, to --archive"),
        (["ratings.csv", "ml-1m/ratings.dat"], "2 files of ratings: ml-1m/ratings.dat, ratings.csv"),
        (["a/u.data", "b/u.data", "c/u.data", "d/u.data"], "a/u.data, b/u.data, c/u.data and 1 more"),
        (["ratings.parquet", "movies.csv", "movies.dat"], "2 files of movies beside ratings.parquet"),
    ],
)
def test_what_is_missing_or_there_twice_is_said(names: list[str], sentence: str) -> None:
    with pytest.raises(FeedrateError) as error:
        _find(*names)
    assert sentence in str(error.value)
    assert len(str(error.value)) <= 300


def test_a_zip_with_two_releases_must_be_unpacked() -> None:
    with pytest.raises(FeedrateError, match="ml-1m/ratings.dat, ml-25m/ratings.csv.*unpack it, and pass one of them"):
        _find("ml-1m/ratings.dat", "ml-1m/movies.dat", "ml-25m/ratings.csv", "ml-25m/movies.csv", zipped=True)


def test_a_file_that_is_named_may_have_any_name() -> None:
    pair = pair_of(PurePosixPath("u1.base"), [PurePosixPath("u.data"), PurePosixPath("u.item")], "ml-100k")
    assert (str(pair.ratings), str(pair.movies)) == ("u1.base", "u.item")
