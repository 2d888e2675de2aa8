from __future__ import annotations

import numpy as np
import pytest

from feedrate.bench.consumer.auc import auc
from feedrate.bench.datasets.criteo.clicks import FREQUENT_IDS, draw, make_world

ROWS = 200_000
WORLD = make_world(1_000_000, 0.03, np.random.default_rng((0, 0)))
COLUMNS, LOG_ODDS = draw(WORLD, ROWS, np.random.default_rng((0, 1)))


@pytest.mark.parametrize("share", [0.03, 0.25])
def test_the_share_of_clicks_is_the_one_that_was_chosen(share: float) -> None:
    world = make_world(20_000, share, np.random.default_rng(1))
    columns, _ = draw(world, ROWS, np.random.default_rng(2))
    assert columns["label"].mean() == pytest.approx(share, rel=0.05)


def test_gaps_have_the_rate_of_their_column_and_are_the_number_0() -> None:
    for column in WORLD.ids:
        assert np.mean(COLUMNS[column.name] == 0) == pytest.approx(column.gap_fraction, abs=0.005)
    for count in WORLD.counts:
        drawn_zeros = np.mean(count.draw(ROWS, np.random.default_rng(3)) == 0)
        zeros = count.gap_fraction + (1 - count.gap_fraction) * drawn_zeros
        assert np.mean(COLUMNS[count.name] == 0) == pytest.approx(zeros, abs=0.01)


def test_columns_with_the_same_rate_have_their_gaps_in_the_same_rows() -> None:
    assert np.array_equal(COLUMNS["C3"] == 0, COLUMNS["C24"] == 0)
    assert not np.array_equal(COLUMNS["C19"] == 0, COLUMNS["C22"] == 0)


def test_clicks_have_the_probability_of_their_log_odds() -> None:
    probability = 1 / (1 + np.exp(-LOG_ODDS.astype(float)))
    order = np.argsort(probability)
    for part in np.array_split(order, 5):
        expected = probability[part].mean()
        assert COLUMNS["label"][part].mean() == pytest.approx(expected, abs=5 * (expected / len(part)) ** 0.5)


def test_the_best_auc_is_near_that_of_models_on_criteo_and_shuffled_labels_have_none() -> None:
    assert 0.77 < auc(LOG_ODDS, COLUMNS["label"]) < 0.87
    shuffled = np.random.default_rng(0).permutation(COLUMNS["label"])
    assert auc(LOG_ODDS, shuffled) == pytest.approx(0.5, abs=0.02)


def test_only_frequent_ids_have_effects() -> None:
    table = WORLD.effects["C3"]
    assert len(table) == FREQUENT_IDS + 2
    assert np.all(table[1:-1] != 0)
    assert table[-1] == 0
    assert len(WORLD.effects["C17"]) == 11
