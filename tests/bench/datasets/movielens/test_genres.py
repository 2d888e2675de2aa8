"""Genres by movie, in any encoding and whatever the titles hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedrate.bench.datasets.movielens.genres import ML100K_GENRES, count_without_genres, read_genres
from feedrate.loaders.errors import FeedrateError

WANTED = {1: ["Action", "Drama"], 2: ["Comedy"]}


def _read(folder: Path, name: str, content: str | bytes) -> dict[int, list[str]]:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return read_genres(folder / name)


@pytest.mark.parametrize(
    "content",
    [
        "movieId,title,genres\n1,Heat (1995),Action|Drama\n2,Sabrina (1995),Comedy\n",
        "movieId,title,genres\r\n1,Heat (1995),Action|Drama\r\n2,Sabrina (1995),Comedy\r\n",
        "movieId,title,genres\r\n1,Heat (1995),Action|Drama\n2,Sabrina (1995),Comedy\r\n",
        "\ufeffmovieId,title,genres\n1,Heat (1995),Action|Drama\n2,Sabrina (1995),Comedy",
        '"movieId","title","genres"\n1,"Heat, The (1995)","Action|Drama"\n2,"""Sabrina"" | 2","Comedy"\n',
        'movieId,title,genres\n1,"Heat\n(1995)",Action|Drama\n2,Sa\u2028bri\x85na,Comedy\n',
        "movieId,title,genres\n1,Amélie,Action|Drama\n2,Ådalen,Comedy\n",
        "movieId,title,genres\n1,Amélie,Action|Drama\n2,Misérables,Comedy\n".encode("latin-1"),
        "MovieID,Title,Genres\n1.0,Heat,Action|Drama\n2.0,Sabrina,Comedy\n",
        "genres,movieId\nAction|Drama,1\nComedy,2\n",
        "movieId,title,genres\n1,Heat,Action|Drama\n\n2,Sabrina,Comedy\n2,Sabrina,Comedy\n",
    ],
)
def test_a_csv_is_read_in_every_form_that_is_around(content: str | bytes, tmp_path: Path) -> None:
    assert _read(tmp_path, "movies.csv", content) == WANTED


@pytest.mark.parametrize(
    "content",
    [
        "1::Heat (1995)::Action|Drama\n2::Sabrina (1995)::Comedy\n",
        "1::Heat (1995)::Action|Drama\r\n2::Sabrina (1995)::Comedy\r\n",
        "\ufeff1::Heat (1995)::Action|Drama\r\n\r\n2::Sabrina (1995)::Comedy",
        '1::Heat: The :: Film::Action|Drama\n2::"Sabrina::Comedy\n',
        "1::Ådalen 31 (1969)::Action|Drama\n2::Sa\u2028bri\x85na\x0c::Comedy\n",
        "1::Les Misérables::Action|Drama\n2::Amélie\x85::Comedy\n".encode("latin-1"),
    ],
)
def test_movies_dat_is_read_in_every_form_that_is_around(content: str | bytes, tmp_path: Path) -> None:
    assert _read(tmp_path, "movies.dat", content) == WANTED


def test_u_item_has_a_flag_for_each_genre_after_a_title_that_may_have_a_bar(tmp_path: Path) -> None:
    flags = {movie: "|".join(str(int(genre in names)) for genre in ML100K_GENRES) for movie, names in WANTED.items()}
    content = f"1|Heat | or so (1995)|01-Jan-1995||http://x|{flags[1]}\r\n2|Amélie|||{flags[2]}\r\n"
    assert _read(tmp_path, "u.item", content.encode("latin-1")) == WANTED


def test_movies_may_be_parquet_with_names_or_lists(tmp_path: Path) -> None:
    for number, genres in enumerate((["Action|Drama", "Comedy"], [["Action", "Drama"], ["Comedy"]])):
        path = tmp_path / f"movies-{number}.parquet"
        pq.write_table(pa.table({"movieId": [1, 2], "genres": genres}), path)
        assert read_genres(path) == WANTED


def test_a_movie_without_genres_has_none_in_any_format(tmp_path: Path) -> None:
    assert _read(tmp_path, "movies.csv", "movieId,title,genres\n1,Heat,\n") == {1: []}
    assert _read(tmp_path, "movies.dat", "1::Heat::\n") == {1: []}
    assert _read(tmp_path, "movies.dat", "1::Heat::(no genres listed)\n") == {1: ["(no genres listed)"]}


def test_ratings_without_genres_are_counted() -> None:
    assert count_without_genres(np.array([1, 1, 2, 5, 5, 5]), {1: ["Drama"], 2: [], 3: ["War"]}) == 4


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("movies.csv", "movieId,title,genres\nx,y,z\n", "row 1 after the header, has the movieId 'x'"),
        ("movies.csv", "movieId,title,genres\n1,y,z\n,y,z\n", "row 2 after the header, has the movieId None"),
        ("movies.csv", "movieId,title,genres\n1.5,y,z\n", "movieId '1.5', not a whole number"),
        ("movies.csv", "id,name\n1,x\n", "has no column movieId. Its columns are id, name"),
        ("movies.csv", "movieId,title,genres\n1,a,b,c,d\n", "is not a MovieLens movies file"),
        ("movies.csv", "", "is not a MovieLens movies file"),
        ("movies.csv", "movieId,genres\n1,War\n1,Drama\n", "has the movie 1 twice, with genres War and Drama"),
        ("movies.dat", "1::Title::Drama\nnothing here\n", "line 2, is not a movie: 'nothing here'"),
        ("movies.dat", "1::Title::Drama\n2::Title\n", "line 2, is not a movie: '2::Title'"),
        ("movies.dat", "x::Title::Drama\n", "line 1, is not a movie"),
        ("u.item", "1|Heat|1|0\n", "line 1, is not a movie"),
    ],
)
def test_a_broken_line_is_named(name: str, content: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        _read(tmp_path, name, content)
