from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from feedrate.bench.consumer.auc import auc
from feedrate.bench.datasets.canonical import read_dataset
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.synthetic import draw, make_world, movie_popularity, prepare_synthetic
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.columns import read_columns


def test_the_same_seed_gives_the_same_rows_and_another_others(tmp_path: Path) -> None:
    datasets = [
        prepare_synthetic(tmp_path / str(i), rows=3000, options=PrepareOptions(seed=seed)).info
        for i, seed in enumerate((0, 0, 1))
    ]
    assert datasets[0] == datasets[1]
    assert datasets[0].fingerprint != datasets[2].fingerprint


def test_every_fifth_row_is_for_validation_across_chunks(tmp_path: Path) -> None:
    info = prepare_synthetic(tmp_path / "data", rows=600_003).info
    assert {name: split.rows for name, split in info.splits.items()} == {"train": 480_003, "valid": 120_000}


def test_at_full_size_the_tables_are_the_notebook_s() -> None:
    world = make_world(25_000_095, np.random.default_rng(0))
    assert [column.cardinality for column in world.schema.single_hot] == [162_542, 56_604]
    assert world.schema.multi_hot[0].cardinality == 21


def test_users_popularity_genres_and_labels_are_movielens_25m_s() -> None:
    world = make_world(25_000_095, np.random.default_rng(0))
    table, _ = draw(world, 1_000_000, np.random.default_rng(1))
    genres = table["genres"].combine_chunks()
    assert len(genres.flatten()) / table.num_rows == pytest.approx(2.72, abs=0.1)
    assert np.mean(table["rating"].to_numpy()) == pytest.approx(0.625, abs=0.01)
    per_user = np.diff(world.user_cdf, prepend=0) * 25_000_095
    assert per_user.mean() == pytest.approx(153.8, abs=0.1)
    assert per_user.min() > 15
    assert _gini(movie_popularity(25_000_095)) == pytest.approx(0.942, abs=0.01)
    movie_genres = np.diff(world.genre_offsets)
    assert movie_genres[len(movie_genres) // 2 :].mean() == pytest.approx(1.95, abs=0.05)
    assert movie_genres[: len(movie_genres) // 100].mean() == pytest.approx(2.88, abs=0.15)


def test_no_movie_has_a_genre_twice() -> None:
    world = make_world(1_000_000, np.random.default_rng(0))
    for start, stop in zip(world.genre_offsets[:2000], world.genre_offsets[1:2001], strict=True):
        bag = world.genre_values[start:stop]
        assert len(set(bag.tolist())) == len(bag)


def test_the_best_auc_is_that_of_the_true_probabilities(tmp_path: Path) -> None:
    rows = 50_000
    info = prepare_synthetic(tmp_path / "data", rows=rows, options=PrepareOptions(seed=3)).info
    world = make_world(rows, np.random.default_rng((3, 0)))
    table, log_odds = draw(world, rows, np.random.default_rng((3, 1, 0)))
    valid = np.arange(rows) % 5 == 4
    assert info.best_auc == pytest.approx(auc(log_odds[valid], table["rating"].to_numpy()[valid]), abs=1e-6)
    written = read_columns(read_dataset(tmp_path / "data").split("valid"))
    assert np.array_equal(written.ids["movieId"].numpy(), table["movieId"].to_numpy()[valid])


def test_too_few_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedrateError, match="--rows is 10, but"):
        prepare_synthetic(tmp_path / "data", rows=10)


def _gini(shares: np.ndarray) -> float:
    ordered = np.sort(shares)
    n = len(ordered)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * ordered.sum()))
