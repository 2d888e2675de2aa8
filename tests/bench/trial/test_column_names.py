"""The gate looks at columns of any name, and a trial on them is as any other."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from feedrate.bench.consumer.models.mlp import EmbeddingMLP
from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.datasets.rows import row_index
from feedrate.bench.datasets.rows.checksum import row_hashes
from feedrate.bench.datasets.writer import new_dataset
from feedrate.bench.gate.epoch import GateFailed, WrongRows, check_epoch
from feedrate.bench.gate.row_diagnosis import explain
from feedrate.bench.results.spec import ModelSpec, TrialSpec
from feedrate.bench.run.suite import run_suite
from feedrate.loaders.base import Batch
from feedrate.loaders.parquet.columns import Columns, read_columns
from tests.samples.odd_names import DENSE, IDS, odd_schema, odd_table

VALID_ROWS = 400
SPEC = TrialSpec(loader="cupy", mode="train", repeat=0, seed=0, batch_size=200, epochs=2, device="cpu")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("odd") / "data"
    table, _whole = odd_table("target")
    with new_dataset(folder, odd_schema("target")) as writer:
        writer.add("valid", table.slice(0, VALID_ROWS))
        writer.add("train", table.slice(VALID_ROWS))
        writer.finish("odd", {})
    return read_dataset(folder)


@pytest.fixture
def columns(odd: Dataset) -> Columns:
    return read_columns(odd.split("train"))


def test_a_trial_on_columns_of_any_name_is_ok(odd: Dataset) -> None:
    [trial] = run_suite([SPEC], odd.folder)
    assert (trial.status, trial.rows) == ("ok", 2 * odd.info.splits["train"].rows), trial.detail
    assert trial.options_in_force == {"window_rows": "all rows, in memory", "decode": "pyarrow, when opened"}


def rolled_id(batch: Batch, name: str) -> Batch:
    return replace(batch, ids={**batch.ids, name: batch.ids[name].roll(1)})


def rolled_dense(batch: Batch, name: str) -> Batch:
    return replace(batch, dense={**batch.dense, name: batch.dense[name].roll(1)})


@pytest.mark.parametrize(
    ("change", "name"), [*((rolled_id, name) for name in IDS), *((rolled_dense, name) for name in DENSE)]
)
def test_no_name_hides_a_column_from_the_row_hashes(
    change: Callable[[Batch, str], Batch], name: str, columns: Columns
) -> None:
    batch = columns.slice(0, columns.rows)
    assert (row_hashes(change(batch, name)) != row_hashes(batch)).any()


@pytest.mark.parametrize(
    ("changed", "spoken"),
    [
        (lambda b: rolled_dense(b, "the label"), "the values of 'the label' match the dataset but belong"),
        (lambda b: replace(b, label=b.label.roll(1)), "the values of the label match the dataset but belong"),
        (lambda b: rolled_id(b, "label"), "the values of label match the dataset but belong"),
        (lambda b: rolled_id(b, ""), "the values of '' match the dataset but belong"),
    ],
    ids=["feature called the label", "the label", "feature called label", "no name"],
)
def test_the_gate_names_the_column_and_no_other(
    changed: Callable[[Batch], Batch], spoken: str, odd: Dataset, columns: Columns
) -> None:
    batch, info = changed(columns.slice(0, columns.rows)), odd.info
    with pytest.raises(WrongRows):
        check_epoch([batch], info.splits["train"], info.schema, order_sample=None, batch_size=batch.rows, device="cpu")
    assert spoken in explain([batch], columns)


def test_wrong_offsets_are_told_apart_by_the_bag_s_name(odd: Dataset, columns: Columns) -> None:
    batch, info = columns.slice(0, columns.rows), odd.info
    values, offsets = batch.bags["#tags"]
    wrong = replace(batch, bags={**batch.bags, "#tags": (values[:-1], offsets)})
    with pytest.raises(GateFailed, match="^the offsets of '#tags' run from 0 to"):
        check_epoch([wrong], info.splits["train"], info.schema, order_sample=None, batch_size=wrong.rows, device="cpu")


def test_the_index_of_rows_has_a_sum_for_every_column(odd: Dataset) -> None:
    info = json.loads((odd.folder / row_index.FOLDER / "train.json").read_bytes())
    assert tuple(info["word_sums"]) == odd.info.schema.columns
    assert odd.row_index("train").word_sums == tuple(info["word_sums"].values())


def test_tables_of_names_that_differ_in_a_dot_stay_apart(odd: Dataset) -> None:
    schema = odd.info.schema
    single = tuple(replace(schema.single_hot[0], name=name) for name in ("a.b", "a·b", "a%2Eb", "", "keys"))
    model = EmbeddingMLP(replace(schema, single_hot=single, multi_hot=()), ModelSpec())
    assert len({id(table) for table in model.tables()}) == len(single)
