"""Ratings become ids, bags and labels: in every format, in small and real, and the same for the same seed."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.datasets.movielens.prepare import prepare_movielens
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.columns import Columns, read_columns
from tests.samples.movielens import write_csv, write_dat, write_tsv

MOVIES = (
    (10, "Heat: Redux (1995)", ("Action", "Crime")),
    (20, "Amélie, or so", ("Comedy",)),
    (30, "None", ("Drama",)),
)
GENRES = {movie: frozenset(genres) for movie, _, genres in MOVIES}
RATINGS = [(user, movie, 1.0 + (user * movie) % 5) for user in range(1, 41) for movie in (10, 20, 30)]


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


@pytest.mark.parametrize("write", [write_csv, write_dat, write_tsv])
@pytest.mark.parametrize("zipped", [False, True])
def test_every_format_gives_the_same_rows(write, zipped: bool, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    source = write(tmp_path / "ml", RATINGS, MOVIES)
    if zipped:
        source = Path(shutil.make_archive(str(tmp_path / "ml"), "zip", tmp_path, "ml"))
    dataset = prepare_movielens(source, tmp_path / "out", name="movielens-1m")
    wanted = Counter((0, GENRES[m], float(r > 3)) for _, m, r in RATINGS)
    assert _rows(dataset, dataset.info.provenance["genres"]) == wanted


def test_ids_are_by_frequency_in_the_training_rows_and_zero_is_unseen_there(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "ml", RATINGS, MOVIES)
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
    write_csv(tmp_path, RATINGS, MOVIES)
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
    write_csv(tmp_path, RATINGS, MOVIES)
    dataset = prepare_movielens(tmp_path, tmp_path / "out", name="x")
    schema = pq.read_schema(dataset.split("train").files[0])
    assert [str(field.type) for field in schema] == ["int32", "int32", "list<element: int32 not null>", "float"]
    assert not any(field.nullable for field in schema)


def test_nothing_is_written_for_a_file_that_is_refused(tmp_path: Path) -> None:
    write_csv(tmp_path, RATINGS, MOVIES)
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating\n1,,3\n")
    with pytest.raises(FeedrateError, match="line 2: movieId is empty"):
        prepare_movielens(tmp_path, tmp_path / "out", name="x")
    assert not (tmp_path / "out").exists()


def test_what_is_there_is_not_overwritten_unasked(tmp_path: Path) -> None:
    write_csv(tmp_path, RATINGS, MOVIES)
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
