"""The twin with histories: its columns, its lengths, its planted model, and the best AUC."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from feedrate.bench.consumer.auc import auc
from feedrate.bench.consumer.models.task_columns import target_of
from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.sequence import synthetic
from feedrate.bench.datasets.sequence.interests import INTEREST, draw, make_world
from feedrate.bench.datasets.sequence.synthetic import prepare_synthetic_sequence
from feedrate.bench.results.spec import model_of
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.columns import Columns, read_columns

ROWS = 20_003


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return prepare_synthetic_sequence(tmp_path_factory.mktemp("sequence") / "data", PrepareOptions(seed=3), rows=ROWS)


@pytest.fixture(scope="module")
def train(dataset: Dataset) -> Columns:
    return read_columns(dataset.split("train"))


def test_the_history_and_the_target_have_the_same_ids_so_the_target_is_known(dataset: Dataset) -> None:
    schema = dataset.info.schema
    assert [column.name for column in schema.single_hot] == ["user", "item"]
    assert schema.multi_hot[0].cardinality == schema.single_hot[1].cardinality != schema.single_hot[0].cardinality
    assert target_of(schema, model_of("sequence", {})) == "item"


@pytest.mark.parametrize("rows", [1000, 10_000, 15_000, 50_000, 75_000, 25_000_000])
def test_users_and_items_are_never_as_many(rows: int) -> None:
    world = make_world(rows, np.random.default_rng(0))
    assert len(world.user_effect) != len(world.item_effect)


def test_every_fifth_row_is_for_validation_and_ids_stay_below_the_cardinality(dataset: Dataset, train: Columns) -> None:
    assert {name: split.rows for name, split in dataset.info.splits.items()} == {"train": 16_003, "valid": 4000}
    schema = dataset.info.schema
    for column, ids in ((c, train.ids[c.name]) for c in schema.single_hot):
        assert 1 <= int(ids.min()) <= int(ids.max()) < column.cardinality
    values, _ = train.bags["history"]
    assert 1 <= int(values.min()) <= int(values.max()) < schema.multi_hot[0].cardinality


def test_histories_have_1_to_200_ids_with_a_long_tail(train: Columns) -> None:
    lengths = np.diff(train.bags["history"][1].numpy())
    assert (lengths.min(), lengths.max()) == (1, 200)
    assert 10 <= np.median(lengths) <= 14
    assert lengths.mean() > 1.5 * np.median(lengths)
    assert 0.002 < (lengths == 200).mean() < 0.01


def test_a_quarter_of_the_rows_is_clicked(train: Columns) -> None:
    assert float(train.label.mean()) == pytest.approx(0.25, abs=0.015)


def test_the_same_rows_and_seed_give_the_same_data_and_another_seed_does_not(dataset: Dataset, tmp_path: Path) -> None:
    same = prepare_synthetic_sequence(tmp_path / "same", PrepareOptions(seed=3), rows=ROWS).info
    assert same == dataset.info
    different = prepare_synthetic_sequence(tmp_path / "seed", PrepareOptions(seed=4), rows=ROWS).info
    assert different.fingerprint != same.fingerprint


def test_the_log_odds_are_the_effects_and_the_share_of_the_target_s_topic() -> None:
    world = make_world(ROWS, np.random.default_rng((3, 0)))
    rows = draw(world, 300, np.random.default_rng(0))
    for number in range(300):
        history = rows.history[rows.offsets[number] : rows.offsets[number + 1]]
        topic = world.topic_of_item[rows.item[number] - 1]
        share = sum(world.topic_of_item[item - 1] == topic for item in history) / len(history)
        effects = world.user_effect[rows.user[number] - 1] + world.item_effect[rows.item[number] - 1]
        assert rows.log_odds[number] == pytest.approx(world.intercept + effects + INTEREST * share, abs=1e-5)


def test_the_best_auc_is_that_of_the_true_probabilities_of_the_valid_rows(dataset: Dataset) -> None:
    world = make_world(ROWS, np.random.default_rng((3, 0)))
    rows = draw(world, ROWS, np.random.default_rng((3, 1, 0)))
    valid = np.arange(ROWS) % 5 == 4
    written = read_columns(dataset.split("valid"))
    assert np.array_equal(written.ids["item"].numpy(), rows.item[valid])
    assert np.array_equal(np.diff(written.bags["history"][1].numpy()), np.diff(rows.offsets)[valid])
    assert dataset.info.best_auc == pytest.approx(auc(rows.log_odds[valid], written.label), abs=2e-6)


def test_chunks_differ_and_keep_every_fifth_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "CHUNK_ROWS", 700)
    done = []
    options = PrepareOptions(progress=lambda rows, total: done.append((rows, total)))
    info = prepare_synthetic_sequence(tmp_path / "data", options, rows=1502).info
    assert {name: split.rows for name, split in info.splits.items()} == {"train": 1202, "valid": 300}
    assert done == [(700, 1502), (1400, 1502), (1502, 1502)]
    items = read_columns(read_dataset(tmp_path / "data").split("train")).ids["item"].numpy()
    assert not np.array_equal(items[:560], items[560:1120])


def test_provenance_says_how_the_rows_were_made(dataset: Dataset) -> None:
    provenance = dataset.info.provenance
    assert (provenance["source"], provenance["rows"], provenance["seed"]) == ("synthetic-sequence", ROWS, 3)


def test_too_few_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedrateError, match="--rows is 999, but synthetic-sequence needs at least 1000"):
        prepare_synthetic_sequence(tmp_path / "data", rows=999)
    assert not list(tmp_path.iterdir())
