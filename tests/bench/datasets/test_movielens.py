"""Every release's format, in small and real, and what is wrong with a file said in a sentence."""

from __future__ import annotations

import shutil
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.datasets.movielens import prepare_movielens
from feedrate.bench.datasets.movielens_source import ML100K_GENRES, extract
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.columns import Columns, read_columns

MOVIES = {10: ("Heat: Redux (1995)", ["Action", "Crime"]), 20: ("Amélie, or so", ["Comedy"]), 30: ("None", ["Drama"])}
RATINGS = [(user, movie, 1 + (user * movie) % 5) for user in range(1, 41) for movie in (10, 20, 30)]


def _csv(folder: Path) -> None:
    lines = ["userId,movieId,rating,timestamp", *(f"{u},{m},{r}.0,0" for u, m, r in RATINGS)]
    (folder / "ratings.csv").write_text("\n".join(lines) + "\n")
    movies = ["movieId,title,genres", *(f'{m},"{title}",{"|".join(genres)}' for m, (title, genres) in MOVIES.items())]
    (folder / "movies.csv").write_text("\n".join(movies) + "\n")


def _dat(folder: Path) -> None:
    (folder / "ratings.dat").write_text("".join(f"{u}::{m}::{r}::0\n" for u, m, r in RATINGS))
    movies = "".join(f"{m}::{title}::{'|'.join(genres)}\n" for m, (title, genres) in MOVIES.items())
    (folder / "movies.dat").write_text(movies, encoding="latin-1")


def _tsv(folder: Path) -> None:
    (folder / "u.data").write_text("".join(f"{u}\t{m}\t{r}\t0\n" for u, m, r in RATINGS))
    items = []
    for movie, (title, genres) in MOVIES.items():
        flags = [str(int(genre in genres)) for genre in ML100K_GENRES]
        items.append("|".join([str(movie), title, "01-Jan-1995", "", "http://example.org", *flags]))
    (folder / "u.item").write_text("\n".join(items) + "\n", encoding="latin-1")


def _rows(dataset: Dataset, names: list[str]) -> Counter[tuple[int, frozenset[str], float]]:
    """(how often the movie is rated, its genres by name, label) of every row: what no relabelling of ids changes."""
    found: Counter[tuple[int, frozenset[str], float]] = Counter()
    for split in ("train", "valid"):
        columns: Columns = read_columns(dataset.split(split))  # type: ignore[arg-type]
        values, offsets = columns.bags["genres"]
        for i in range(columns.rows):
            genres = frozenset(names[v - 1] for v in values[offsets[i] : offsets[i + 1]].tolist())
            found[(0, genres, float(columns.label[i]))] += 1
    return found


@pytest.mark.parametrize("write", [_csv, _dat, _tsv])
@pytest.mark.parametrize("zipped", [False, True])
def test_every_format_gives_the_same_rows(write, zipped: bool, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    source = tmp_path / "ml"
    source.mkdir()
    write(source)
    if zipped:
        source = Path(shutil.make_archive(str(tmp_path / "ml"), "zip", tmp_path, "ml"))
    dataset = prepare_movielens(source, tmp_path / "out", name="movielens-1m")
    wanted = Counter((0, frozenset(MOVIES[m][1]), float(r > 3)) for _, m, r in RATINGS)
    assert _rows(dataset, dataset.info.provenance["genres"]) == wanted


def test_ids_are_by_frequency_in_the_training_rows_and_zero_is_unseen_there(tmp_path: Path) -> None:
    source = tmp_path / "ml"
    source.mkdir()
    _csv(source)
    with (source / "ratings.csv").open("a") as file:  # 500 users with one rating each: some are in valid alone
        file.writelines(f"{user},10,4.0,0\n" for user in range(1000, 1500))
    dataset = prepare_movielens(source, tmp_path / "out", name="movielens-1m")
    train, valid = (read_columns(dataset.split(split)).ids["userId"].numpy() for split in ("train", "valid"))  # type: ignore[arg-type]
    counts = np.bincount(train)
    assert counts[0] == 0
    assert (np.diff(counts[1:]) <= 0).all()
    assert (valid == 0).sum() > 50
    assert dataset.info.schema.single_hot[0].cardinality == len(counts)


def test_the_same_seed_gives_the_same_dataset_and_another_another(tmp_path: Path) -> None:
    _csv(tmp_path)
    prints = [
        prepare_movielens(tmp_path, tmp_path / f"out-{i}", name="x", options=PrepareOptions(seed=seed)).info.fingerprint
        for i, seed in enumerate((0, 0, 1))
    ]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.realdata
def test_the_real_ml_1m(real_data: Path, tmp_path: Path) -> None:
    dataset = prepare_movielens(real_data / "ml-1m", tmp_path / "out", name="movielens-1m")
    info = dataset.info
    assert sum(split.rows for split in info.splits.values()) == 1_000_209
    assert info.splits["valid"].rows == pytest.approx(200_042, abs=2000)
    assert [c.cardinality for c in info.schema.single_hot] == [6041, pytest.approx(3690, abs=17)]
    assert info.schema.multi_hot[0].cardinality == 19
    train = read_columns(dataset.split("train"))
    assert float(train.label.mean()) == pytest.approx(0.575, abs=0.002)
    assert len(train.bags["genres"][0]) / train.rows == pytest.approx(2.10, abs=0.01)


@pytest.mark.realdata
def test_the_real_ml_25m_in_small(real_data: Path, tmp_path: Path) -> None:
    dataset = prepare_movielens(real_data / "ml-25m", tmp_path / "out", name="movielens-25m")
    train = read_columns(dataset.split("train"))
    assert dataset.info.schema.single_hot[0].cardinality == 758
    assert dataset.info.schema.multi_hot[0].cardinality == 21
    assert float(train.label.mean()) == pytest.approx(0.639, abs=0.005)
    assert len(train.bags["genres"][0]) / train.rows == pytest.approx(2.73, abs=0.02)
    assert "(no genres listed)" in dataset.info.provenance["genres"]


def test_files_are_as_the_loaders_expect_them(tmp_path: Path) -> None:
    _csv(tmp_path)
    dataset = prepare_movielens(tmp_path, tmp_path / "out", name="x")
    schema = pq.read_schema(dataset.split("train").files[0])
    assert [str(field.type) for field in schema] == ["int32", "int32", "list<element: int32 not null>", "float"]
    assert not any(field.nullable for field in schema)


def test_an_archive_that_leaves_its_folder_is_refused(tmp_path: Path) -> None:
    for name in ("../ratings.csv", "/ratings.csv", "ml/../../ratings.csv", "..\\ratings.csv", "C:/ratings.csv"):
        with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
            archive.writestr(name, "userId,movieId,rating\n1,1,5\n")
        (tmp_path / "out").mkdir(exist_ok=True)
        with pytest.raises(FeedrateError, match="leaves the folder"):
            extract(tmp_path / "evil.zip", tmp_path / "out")
    assert not (tmp_path / "ratings.csv").exists()


def test_an_archive_with_a_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("ml/ratings.csv")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(FeedrateError, match="leaves the folder"):
        extract(tmp_path / "evil.zip", tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("ratings.csv", "userId,movieId,rating\n1,two,3\n", "is not a MovieLens ratings file"),
        ("ratings.csv", "user,movie,stars\n1,2,3\n", "is not a MovieLens ratings file"),
        ("ratings.csv", "userId,movieId,rating\n", "has no ratings"),
        ("ratings.csv", "", "is not a MovieLens ratings file"),
        ("ratings.csv", "userId,movieId,rating\n1,,3\n", "with an empty userId, movieId or rating"),
        ("ratings.csv", "userId,movieId,rating\n1,2,\n", "with an empty userId, movieId or rating"),
        ("ratings.csv", "userId,movieId,rating\n1,-2,3\n", "has a negative userId or movieId"),
        ("ratings.csv", "userId,movieId,rating\n1,2,NaN\n", "with an empty userId, movieId or rating"),
        ("ratings.csv", "userId,movieId,rating\n1,2000000000,3\n", "has the id 2000000000, over 50000000"),
        ("ratings-2.csv", "userId,movieId,rating\n1,2,3\n", "several files of one kind"),
        ("movies.csv", "movieId,title,genres\nx,y,z\n", "is not a MovieLens movies file"),
        ("movies.csv", "id,name\n1,x\n", "is not a MovieLens movies file"),
    ],
)
def test_a_broken_file_is_said_in_a_sentence(name: str, content: str, sentence: str, tmp_path: Path) -> None:
    _csv(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(FeedrateError, match=sentence):
        prepare_movielens(tmp_path, tmp_path / "out", name="x")
    assert not (tmp_path / "out").exists()


def test_a_broken_line_of_movies_dat_is_named(tmp_path: Path) -> None:
    _dat(tmp_path)
    (tmp_path / "movies.dat").write_text("1::Title::Drama\nnothing here\n", encoding="latin-1")
    with pytest.raises(FeedrateError, match="line 2, is not a movie: 'nothing here'"):
        prepare_movielens(tmp_path, tmp_path / "out", name="x")


def test_a_file_that_is_no_zip_and_a_folder_without_ratings(tmp_path: Path) -> None:
    (tmp_path / "ml.zip").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(FeedrateError, match="is incomplete, damaged or not a zip file"):
        prepare_movielens(tmp_path / "ml.zip", tmp_path / "out", name="x")
    with pytest.raises(FeedrateError, match="has no ratings"):
        prepare_movielens(tmp_path, tmp_path / "out", name="x")
    with pytest.raises(FeedrateError, match="does not exist"):
        prepare_movielens(tmp_path / "nowhere", tmp_path / "out", name="x")


def test_what_is_there_is_not_overwritten_unasked(tmp_path: Path) -> None:
    _csv(tmp_path)
    first = prepare_movielens(tmp_path, tmp_path / "out", name="x").info.fingerprint
    with pytest.raises(FeedrateError, match="exists: pass --overwrite"):
        prepare_movielens(tmp_path, tmp_path / "out", name="x", options=PrepareOptions(seed=1))
    assert read_dataset(tmp_path / "out").info.fingerprint == first
    assert (
        prepare_movielens(
            tmp_path, tmp_path / "out", name="x", options=PrepareOptions(seed=1, overwrite=True)
        ).info.fingerprint
        != first
    )
    with pytest.raises(FeedrateError, match="is not a dataset, so --overwrite does not touch it"):
        prepare_movielens(tmp_path, tmp_path, name="x", options=PrepareOptions(seed=1, overwrite=True))
