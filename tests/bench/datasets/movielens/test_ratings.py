"""Ratings are read as they are written, in any number format that is around; a broken line is named."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedrate.bench.datasets.movielens.ratings import read_ratings
from feedrate.loaders.errors import FeedrateError

Rows = list[tuple[int, int, float]]


def _read(folder: Path, name: str, content: str | bytes) -> Rows:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return _rows(path)


def _rows(path: Path) -> Rows:
    ratings = read_ratings(path)
    assert [str(column.dtype) for column in (ratings.user, ratings.movie, ratings.stars)] == [
        "int32",
        "int32",
        "float32",
    ]
    return list(zip(ratings.user.tolist(), ratings.movie.tolist(), ratings.stars.tolist(), strict=True))


TWO = [(1, 2, 4.0), (3, 5, 3.5)]


@pytest.mark.parametrize(
    "content",
    [
        "userId,movieId,rating,timestamp\n1,2,4.0,9\n3,5,3.5,9\n",
        "userId,movieId,rating,timestamp\n1,2,4,9\n3,5,3.5,9",
        "userId,movieId,rating\r\n1,2,4\r\n3,5,3.5\r\n",
        "userId,movieId,rating\r\n1,2,4\n3,5,3.5\r\n",
        "\ufeffuserId,movieId,rating\n1,2,4\n3,5,3.5\n",
        '"userId","movieId","rating","timestamp"\n1,2,4,"2005-04-02 23:53:47"\n3,5,3.5,"2005-04-02 23:31:16"\n',
        '"userId","movieId","rating"\n"1","2","4"\n"3","5","3.5"\n',
        "userId, movieId, rating\n 1, 2, 4\n3 ,5 ,3.5\n",
        ",userId,movieId,rating\n0,1,2,4\n1,3,5,3.5\n",
        "rating,timestamp,movieId,userId\n4,9,2,1\n3.5,9,5,3\n",
        "UserID,MovieID,Rating,Timestamp\n1,2,4,9\n3,5,3.5,9\n",
        "user_id,item_id,rating\n1,2,4\n3,5,3.5\n",
        "userId,movieId,rating\n1.0,2.0,4\n3.0,5.0,3.5\n",
        "userId,movieId,rating\n\n1,2,4\n\n3,5,3.5\n\n",
        "userId,movieId,rating,title\n1,2,4,Amélie\n3,5,3.5,Ådalen\u2028\x85\n",
        "userId,movieId,rating,title\n1,2,4,Amélie\n3,5,3.5,Les Misérables\n".encode("latin-1"),
    ],
)
def test_a_csv_is_read_in_every_form_that_is_around(content: str | bytes, tmp_path: Path) -> None:
    assert _read(tmp_path, "ratings.csv", content) == TWO


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ratings.dat", "1::2::4::9\n3::5::3.5::9\n"),
        ("ratings.dat", "1::2::4\r\n3::5::3.5\r\n"),
        ("ratings.dat", "\ufeff1::2::4::9\r\n\r\n3::5::3.5::9\n\n"),
        ("u.data", "1\t2\t4\t9\n3\t5\t3.5\t9\n"),
        ("u.data", "1\t2\t4\r\n3\t5\t3.5\r\n"),
        ("u1.base", "1\t2\t4.0\t9\n3\t5\t3.5\t9\n"),
        ("RATINGS.DAT", "1::2::4::9\n3::5::3.5::9\n"),
    ],
)
def test_a_file_without_a_header_is_read_in_every_form_that_is_around(name: str, content: str, tmp_path: Path) -> None:
    assert _read(tmp_path, name, content) == TWO


@pytest.mark.parametrize("types", [(pa.int64(), pa.float64()), (pa.int32(), pa.float32()), (pa.float64(), pa.string())])
def test_parquet_is_read_whatever_its_types(types: tuple[pa.DataType, pa.DataType], tmp_path: Path) -> None:
    ids, stars = types
    columns = {
        "userId": pa.array([1, 3]).cast(ids),
        "movieId": pa.array([2, 5]).cast(ids),
        "rating": pa.array([4.0, 3.5]).cast(stars),
    }
    pq.write_table(pa.table(columns), tmp_path / "ratings.parquet")
    assert _rows(tmp_path / "ratings.parquet") == TWO


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("userId,movieId,rating\n1,two,3\n", "line 2: movieId is 'two', not a whole number from 0 to 50000000"),
        ("userId,movieId,rating\n1,2,3\n1.5,2,3\n", "line 3: userId is '1.5', not a whole number"),
        ("userId,movieId,rating\n1,,3\n", "line 2: movieId is empty"),
        ("userId,movieId,rating\n1,2,\n", "line 2: rating is empty, not a number"),
        ("userId,movieId,rating,timestamp\n1,2,3,4\n\n1,2", "line 4: rating is empty"),
        ("userId,movieId,rating,timestamp\n1,2,3,4\n,,,4\n", "line 3: userId is empty"),
        ("userId,movieId,rating\n1,-2,3\n", "line 2: movieId is '-2'"),
        ("userId,movieId,rating\n1,2,NaN\n", "line 2: rating is 'NaN', not a number"),
        ('userId,movieId,rating\n1,2,"3,5"\n', "line 2: rating is '3,5', not a number"),
        ("userId,movieId,rating\n1,2000000000,3\n", "'2000000000'.*`feedrate prepare parquet --categorify`"),
        ("userId,movieId,rating\n1,2,3\nuserId,movieId,rating\n", "line 3: userId is 'userId'"),
        ("userId,movieId,rating,timestamp\n1,2,3,41,2,3,4\n", "is not a MovieLens ratings file"),
        ("userId,movieId,rating\n1,2,3,4\n", "is not a MovieLens ratings file"),
        ("user,movie,stars\n1,2,3\n", "has no column userId. Its columns are user, movie, stars"),
        ("1,2,3.5,9\n3,5,4,9\n", "has no column userId. Its columns are 1, 2, 3.5, 9: the first line must name"),
        ("userId,user_id,movieId,rating\n1,2,3,4\n", "several columns for userId. Its columns are userId, user_id"),
        ("userId,movieId,rating\n", "has no ratings"),
        ("", "is not a MovieLens ratings file"),
    ],
)
def test_a_broken_csv_is_refused_with_the_line(content: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        _read(tmp_path, "ratings.csv", content)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("ratings.dat", "1,2,3,4\n", "line 1, is not a rating: '1,2,3,4"),
        ("ratings.dat", "", "line 1, is not a rating: ''"),
        ("ratings.dat", "UserID::MovieID::Rating::Timestamp\n1::2::3::4\n", "line 1: userId is 'UserID'"),
        ("ratings.dat", "1::2::3::4\n1::2:3::4\n", "line 2: movieId is '2:3'"),
        (
            "ratings.dat",
            "1::2::3::4\n1::2::3::41::2::3::4\n",
            "line 2: it has more fields than line 1, from '2::3::4' on",
        ),
        ("u.data", "1 2 3 4\n", "line 1, is not a rating: '1 2 3 4"),
        ("u.data", "1\t2\t3\n1\t2\n", "line 2: rating is empty"),
    ],
)
def test_a_broken_file_without_a_header_is_refused_with_the_line(
    name: str, content: str, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(FeedrateError, match=sentence) as error:
        _read(tmp_path, name, content)
    assert len(str(error.value)) <= 300 + len(str(tmp_path))
