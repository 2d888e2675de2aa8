"""Every release in the form in which it is around gives its own rows, under its own name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.movielens.prepare import prepare_movielens
from feedrate.bench.datasets.movielens.releases import RELEASES
from feedrate.loaders.errors import FeedrateError
from tests.samples.movielens import (
    FILMS,
    cardinalities,
    contents,
    liked,
    random_ratings,
    whole_stars,
    write_csv,
    write_dat,
    write_kaggle_20m,
    write_tsv,
)  # fmt: skip

HALF = random_ratings()
WHOLE = whole_stars(HALF)
ALL = {"userId": 80, "movieId": 61, "genres": 3}


def _prepare(source: Path, name: str = "movielens-1m") -> Dataset:
    return prepare_movielens(source, source.parent / "out", name=name)


def test_the_sample_has_the_labels_that_the_tests_below_expect() -> None:
    assert (liked(HALF), liked(WHOLE)) == (773, 577)


@pytest.mark.parametrize(
    ("name", "write", "ratings"),
    [
        ("movielens-100k", write_tsv, WHOLE),
        ("movielens-1m", write_dat, WHOLE),
        ("movielens-10m", write_dat, HALF),
        ("movielens-20m", write_csv, HALF),
        ("movielens-20m", write_kaggle_20m, HALF),
        ("movielens-25m", write_csv, HALF),
        ("movielens-32m", write_csv, HALF),
        ("movielens-latest-small", write_csv, HALF),
        ("movielens-latest", write_csv, HALF),
    ],
)
def test_a_release_in_its_own_folder_keeps_all_rows_and_its_name(
    name: str, write: Callable[..., Path], ratings: list[tuple[int, int, float]], tmp_path: Path
) -> None:
    dataset = _prepare(write(tmp_path / RELEASES[name].folder, ratings), name)
    assert (dataset.info.name, dataset.info.provenance["source"]) == (name, name)
    assert contents(dataset) == (2_000, liked(ratings))
    assert cardinalities(dataset) == ALL


def test_titles_in_latin_1_are_read(tmp_path: Path) -> None:
    movies = [(movie, f"Les Misérables {movie} (1995)", ("Drama", "Musical")) for movie in range(1, 61)]
    dataset = _prepare(write_dat(tmp_path / "ml", WHOLE, movies, encoding="latin-1"))
    assert contents(dataset) == (2_000, 577)
    assert cardinalities(dataset) == ALL


@pytest.mark.parametrize("write", [write_dat, write_csv, write_kaggle_20m])
@pytest.mark.parametrize("sign", ["Å", "\x85", "\u2028", "\x0c", "\x1c", "\r"])
def test_a_title_may_hold_what_ends_a_line_elsewhere(write: Callable[..., Path], sign: str, tmp_path: Path) -> None:
    """The second byte of Å in UTF-8 is 0x85, which is a line end in Latin-1."""
    movies = [*FILMS[:-1], (60, f"{sign}dalen, or 31 (1969)", ("Drama",))]
    if sign == "\r" and write is write_csv:
        movies[-1] = (60, f'{sign}dalen "31" (1969)', ("Drama",))
    dataset = _prepare(write(tmp_path / "ml", HALF, movies))
    assert contents(dataset) == (2_000, 773)
    assert cardinalities(dataset) == ALL


@pytest.mark.parametrize("write", [write_dat, write_csv])
def test_half_stars_may_come_after_any_number_of_whole_ones(write: Callable[..., Path], tmp_path: Path) -> None:
    ratings = [*whole_stars(random_ratings(20_000)), *random_ratings(500, seed=1)]
    options = {"stars": "g"} if write is write_csv else {}
    dataset = _prepare(write(tmp_path / "ml", ratings, **options))
    assert contents(dataset) == (20_500, liked(ratings))


def test_4_and_4_0_are_the_same_rating(tmp_path: Path) -> None:
    first = _prepare(write_csv(tmp_path / "a" / "ml", WHOLE, stars="g"))
    second = _prepare(write_csv(tmp_path / "b" / "ml", WHOLE, stars=".1f"))
    assert first.info.fingerprint == second.info.fingerprint


def test_two_releases_in_a_folder_are_refused_with_both_named_and_one_of_them_can_be_named(tmp_path: Path) -> None:
    downloads = tmp_path / "downloads"
    write_dat(downloads / "ml-1m", WHOLE)
    write_csv(downloads / "ml-25m", HALF)
    with pytest.raises(FeedrateError, match=r"ml-1m/ratings.dat, ml-25m/ratings.csv.*pass one of them"):
        _prepare(downloads, "movielens-25m")
    assert not (tmp_path / "out").exists()
    for number, source in enumerate((downloads / "ml-25m", downloads / "ml-25m" / "ratings.csv")):
        dataset = prepare_movielens(source, tmp_path / f"out-{number}", name="movielens-25m")
        assert contents(dataset) == (2_000, 773)


def test_a_release_is_not_written_under_the_name_of_another(tmp_path: Path) -> None:
    source = write_dat(tmp_path / "ml-10M100K", HALF)
    with pytest.raises(FeedrateError, match="called ml-10M100K, which is movielens-10m, not movielens-25m"):
        _prepare(source, "movielens-25m")
    assert contents(_prepare(source, "movielens-10m")) == (2_000, 773)


def test_movies_that_are_missing_have_empty_bags_and_are_counted(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "ml", HALF, FILMS[:40])
    dataset = _prepare(source)
    assert contents(dataset) == (2_000, 773)
    assert dataset.info.provenance["ratings_without_genres"] == sum(movie > 40 for _, movie, _ in HALF)


def test_movies_of_another_release_are_refused(tmp_path: Path) -> None:
    movies = [(movie + 1_000, title, genres) for movie, title, genres in FILMS]
    with pytest.raises(FeedrateError, match="genres for none of the movies that are rated in ratings.csv"):
        _prepare(write_csv(tmp_path / "ml", HALF, movies))
