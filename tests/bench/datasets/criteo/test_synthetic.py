from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from feedrate.bench.consumer.auc import auc
from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.datasets.criteo import synthetic
from feedrate.bench.datasets.criteo.clicks import draw, make_world
from feedrate.bench.datasets.criteo.synthetic import prepare_synthetic_criteo
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.columns import read_columns

ROWS = 30_003


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return prepare_synthetic_criteo(tmp_path_factory.mktemp("criteo") / "data", PrepareOptions(seed=3), rows=ROWS)


def test_the_columns_are_criteo_s(dataset: Dataset) -> None:
    schema = dataset.info.schema
    assert [column.name for column in schema.single_hot] == [f"C{number}" for number in range(1, 27)]
    assert schema.continuous == tuple(f"I{number}" for number in range(1, 14))
    assert (schema.multi_hot, schema.label) == ((), "label")


def test_every_fifth_row_is_for_validation_and_ids_stay_below_the_cardinality(dataset: Dataset) -> None:
    assert {name: split.rows for name, split in dataset.info.splits.items()} == {"train": 24_003, "valid": 6000}
    rows = read_columns(dataset.split("train"))
    for column in dataset.info.schema.single_hot:
        ids = rows.ids[column.name]
        assert 0 <= int(ids.min()) <= int(ids.max()) < column.cardinality


def test_the_same_rows_and_seed_give_the_same_data_and_another_seed_or_share_does_not(
    dataset: Dataset, tmp_path: Path
) -> None:
    same = prepare_synthetic_criteo(tmp_path / "same", PrepareOptions(seed=3), rows=ROWS).info
    assert same == dataset.info
    others = [
        prepare_synthetic_criteo(tmp_path / "seed", PrepareOptions(seed=4), rows=ROWS).info,
        prepare_synthetic_criteo(tmp_path / "share", PrepareOptions(seed=3), rows=ROWS, positive_fraction=0.25).info,
    ]
    assert len({same.fingerprint, *(info.fingerprint for info in others)}) == 3


def test_the_best_auc_is_that_of_the_true_probabilities_of_the_valid_rows(dataset: Dataset) -> None:
    world = make_world(ROWS, 0.03, np.random.default_rng((3, 0)))
    columns, log_odds = draw(world, ROWS, np.random.default_rng((3, 1, 0)))
    valid = np.arange(ROWS) % 5 == 4
    written = read_columns(dataset.split("valid"))
    assert np.array_equal(written.ids["C3"].numpy(), columns["C3"][valid])
    assert np.array_equal(written.dense["I5"].numpy(), columns["I5"][valid])
    assert dataset.info.best_auc == pytest.approx(auc(log_odds[valid], written.label), abs=2e-6)


def test_several_chunks_are_different_and_keep_every_fifth_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "CHUNK_ROWS", 5000)
    done = []
    options = PrepareOptions(progress=lambda rows, total: done.append((rows, total)))
    info = prepare_synthetic_criteo(tmp_path / "data", options, rows=12_001).info
    assert {name: split.rows for name, split in info.splits.items()} == {"train": 9601, "valid": 2400}
    assert done == [(5000, 12_001), (10_000, 12_001), (12_001, 12_001)]
    ids = read_columns(read_dataset(tmp_path / "data").split("train")).ids["C3"].numpy()
    assert not np.array_equal(ids[:4000], ids[4000:8000])


def test_provenance_says_how_the_rows_were_made(dataset: Dataset) -> None:
    provenance = dataset.info.provenance
    assert (provenance["source"], provenance["rows"], provenance["seed"]) == ("synthetic-criteo", ROWS, 3)
    assert provenance["positive_fraction"] == 0.03
    assert "filled with 0" in provenance["continuous"]


@pytest.mark.parametrize(
    ("rows", "share", "message"),
    [(9999, 0.03, "--rows is 9999, but"), (10_000, 0.7, "positive_fraction is 0.7"), (10_000, float("nan"), "is nan")],
)
def test_too_few_rows_and_impossible_shares_are_refused(tmp_path: Path, rows: int, share: float, message: str) -> None:
    with pytest.raises(FeedrateError, match=message):
        prepare_synthetic_criteo(tmp_path / "data", rows=rows, positive_fraction=share)
    assert not list(tmp_path.iterdir())
