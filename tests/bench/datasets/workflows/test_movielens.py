"""NVTabular's own Workflow against our ETL, on real ratings; and a saved workflow is not loaded unasked."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from feedrate.bench.datasets import sources
from feedrate.bench.datasets.canonical import Dataset, SplitName
from feedrate.bench.datasets.movielens.prepare import prepare_movielens
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.workflows import movielens
from feedrate.bench.datasets.workflows.nvtabular_output import check_saved_output
from feedrate.bench.datasets.workflows.process import WORKFLOW, refuse_untrusted
from feedrate.loaders.base import Categorical, Schema
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.columns import read_columns

SPLITS: tuple[SplitName, ...] = ("train", "valid")


@pytest.mark.realdata
@pytest.mark.usefixtures("nvtabular_installed")
def test_both_make_the_same_rows_up_to_a_one_to_one_relabelling_of_ids(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = real_data.absolute() / "ml-25m"
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    ours = prepare_movielens(source, tmp_path / "ours", name="x", options=PrepareOptions(seed=3))
    theirs = movielens.prepare_movielens(source, tmp_path / "theirs", name="x", options=PrepareOptions(seed=3))
    _same_up_to_ids(ours, theirs)
    for first, second in zip(ours.info.schema.single_hot, theirs.info.schema.single_hot, strict=True):
        assert (
            second.cardinality == first.cardinality + 2
        )  # 0 is padding, 1 null, 2 unseen there; here 0 is both of the latter
    saved = tmp_path / "theirs" / WORKFLOW
    again = movielens.prepare_movielens(
        source, tmp_path / "again", name="x", workflow=saved, options=PrepareOptions(seed=3)
    )
    assert again.info.fingerprint == theirs.info.fingerprint
    assert "the workflow in workflow" in again.info.provenance["etl"]
    assert not list(
        (tmp_path / "here").iterdir()
    )  # the library writes its counts to the current folder unless told otherwise


def _same_up_to_ids(ours: Dataset, theirs: Dataset) -> None:
    """The same splits and order; each id of one is always the same id of the other, over both splits."""
    first, second = ([read_columns(dataset.split(split)) for split in SPLITS] for dataset in (ours, theirs))
    assert [columns.rows for columns in first] == [columns.rows for columns in second]
    for name in ("userId", "movieId"):
        _one_to_one(*(np.concatenate([columns.ids[name] for columns in side]) for side in (first, second)))
    _one_to_one(*(np.concatenate([columns.bags["genres"][0] for columns in side]) for side in (first, second)))
    for our_columns, their_columns in zip(first, second, strict=True):
        assert torch.equal(our_columns.bags["genres"][1].long(), their_columns.bags["genres"][1].long())
        assert torch.equal(our_columns.label, their_columns.label)


def _one_to_one(first: np.ndarray, second: np.ndarray) -> None:
    pairs = np.unique(np.stack([first, second], 1), axis=0)
    assert len(pairs) > 1
    assert len(pairs) == len(np.unique(pairs[:, 0])) == len(np.unique(pairs[:, 1]))


@pytest.mark.usefixtures("nvtabular_installed")
def test_a_movie_without_genres_has_an_empty_bag(tmp_path: Path) -> None:
    lines = [f"{user},{movie},{1 + (user * movie) % 5}.0,0" for user in range(1, 41) for movie in (10, 20, 30)]
    (tmp_path / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *lines]) + "\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n10,a,Action|Crime\n20,b,Comedy\n")
    prepared = movielens.prepare_movielens(tmp_path, tmp_path / "out", name="x")
    columns = read_columns(prepared.split("train"))
    lengths = columns.bags["genres"][1].diff()
    assert {
        tuple(lengths[columns.ids["movieId"] == movie].unique().tolist()) for movie in columns.ids["movieId"].unique()
    } == {
        (0,),
        (1,),
        (2,),
    }


@pytest.mark.usefixtures("nvtabular_installed")
def test_a_saved_workflow_is_refused_unless_trusted_since_it_is_code(tmp_path: Path) -> None:
    (tmp_path / "metadata.json").write_text("{}")
    (tmp_path / "workflow.pkl").touch()
    with pytest.raises(FeedrateError, match="that is code: loading it runs whatever its author put there"):
        sources.etl_for("movielens-1m", "nvtabular", workflow=tmp_path, trusted=False)
    assert sources.etl_for("movielens-1m", "nvtabular", workflow=tmp_path, trusted=True)


@pytest.mark.parametrize(
    ("source", "etl", "workflow", "sentence"),
    [
        ("synthetic-movielens", "nvtabular", None, "not for synthetic-movielens"),
        ("movielens-1m", "feedrate", Path("w"), "--workflow needs --etl nvtabular"),
        ("movielens-1m", "nvtabular", Path("w"), "w is not a saved NVTabular workflow"),
    ],
)
def test_what_cannot_be_is_said(source: str, etl: str, workflow: Path | None, sentence: str) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        sources.etl_for(source, etl, workflow=workflow, trusted=True)


@pytest.mark.parametrize("name", ["metadata.json", "workflow.pkl", "categories"])
def test_a_pipe_in_a_saved_workflow_is_refused_and_not_waited_for(name: str, tmp_path: Path) -> None:
    (tmp_path / "metadata.json").write_text("{}")
    (tmp_path / "workflow.pkl").touch()
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(FeedrateError, match=str(tmp_path)):
        refuse_untrusted(tmp_path, trusted=True)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"rating": None}, "writes no column 'rating'"),
        ({"userId": None}, "writes no column 'userId'"),
        ({"userId": pa.array([-1, 1])}, "ids from -1 to 1 with 0 nulls"),
        ({"userId": pa.array([1, 10**12])}, "ids from 1 to 1000000000000"),
        ({"userId": pa.array([1, None])}, "with 1 nulls"),
        ({"userId": pa.array([0.0, float("nan")])}, "no whole numbers"),
        ({"userId": pa.array([0.5, 1.0])}, "no whole numbers"),
        ({"userId": pa.array(["1", "2"])}, "ids of type string"),
        ({"genres": pa.array([[1], [7]])}, "column 'genres' ids from 1 to 7"),
        ({"rating": pa.array([1.0, None])}, "neither 0 nor 1 in every row"),
        ({"rating": pa.array([1.0, float("nan")])}, "neither 0 nor 1 in every row"),
        ({"rating": pa.array([1.0, 5.0])}, "neither 0 nor 1 in every row"),
    ],
)
def test_what_a_saved_workflow_wrote_is_checked(columns: dict[str, pa.Array | None], sentence: str) -> None:
    schema = Schema(
        single_hot=(Categorical(name="userId", cardinality=3),), multi_hot=(Categorical(name="genres", cardinality=4),), label="rating",
    )  # fmt: skip
    right = {"userId": pa.array([0.0, 2.0]), "genres": pa.array([[], [3, 1]]), "rating": pa.array([0, 1], pa.float32())}
    check_saved_output(pa.table(right), schema)
    written = {name: values for name, values in (right | columns).items() if values is not None}
    with pytest.raises(FeedrateError, match=sentence):
        check_saved_output(pa.table(written), schema)
