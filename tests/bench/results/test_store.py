from __future__ import annotations

import json
from pathlib import Path

import pytest

from feedrate.bench.results import store
from feedrate.bench.results.record import (
    SCHEMA_VERSION,
    DatasetRecord,
    Environment,
    EpochRecord,
    RunRecord,
    TrialResult,
)
from feedrate.bench.results.spec import TrialSpec
from feedrate.loaders.errors import FeedrateError

SPEC = TrialSpec(loader="cupy", mode="train", repeat=0, seed=0, batch_size=512, epochs=1, device="cpu")
TRIAL = TrialResult(
    spec=SPEC,
    status="ok",
    rows=1000,
    wall_s=0.5,
    epochs=(EpochRecord(rows=1000, wall_s=0.5, wait_s=0.125),),
    auc=(0.75,),
    loss=(0.2,),
)
RECORD = RunRecord(
    environment=Environment(
        feedrate="0", commit=None, dirty=None, started_at="2026-01-01T00:00:00+00:00", command="", python="3", platform="",
        cpu="", cores=2, memory_bytes=1, gpu=None, gpu_memory_bytes=None, driver=None, cuda=None, packages={},
    ),
    dataset=DatasetRecord(name="d", fingerprint="f", train_rows=1, valid_rows=1, cardinalities={}, best_auc=None),
)  # fmt: skip


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    grown = store.append(tmp_path, RECORD, TRIAL)
    grown = store.append(tmp_path, grown, TrialResult(spec=SPEC, status="void", detail="why"))
    assert store.read(tmp_path) == store.read(tmp_path / "run.json") == grown


def test_the_file_has_the_names_that_others_build_on(tmp_path: Path) -> None:
    store.append(tmp_path, RECORD, TRIAL)
    content = json.loads((tmp_path / "run.json").read_text())
    assert set(content) == {"schema_version", "environment", "dataset", "harness", "baseline", "stopped", "trials"}
    [trial] = content["trials"]
    wanted = {
        "spec",
        "status",
        "detail",
        "rows",
        "wall_s",
        "first_batch_s",
        "auc",
        "loss",
        "peak_rss_bytes",
        "peak_gpu_bytes",
    }
    assert wanted <= set(trial)
    assert {"loader", "mode", "repeat", "seed", "batch_size"} <= set(trial["spec"])
    assert (trial["auc"], trial["peak_gpu_bytes"]) == ([0.75], None)


def test_records_of_version_1_are_read_and_lack_what_they_did_not_have() -> None:
    old = store.read(Path(__file__).parents[3] / "reports" / "published" / "h200-25m-2026-11-24")
    assert old.schema_version == 1
    trial = next(trial for trial in old.trials if trial.spec.loader == "cupy" and trial.spec.mode == "train")
    assert (trial.stall_fraction, trial.shuffle, trial.first_epoch_rows_per_s) == (None, None, None)
    assert trial.rows_per_s == pytest.approx(7.26e6, rel=0.02)


def test_derived_numbers_are_not_stored_but_follow() -> None:
    assert (TRIAL.rows_per_s, TRIAL.wait_fraction) == (2000.0, 0.25)
    assert TrialResult(spec=SPEC, status="failed").rows_per_s is None


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is not a run record"),
        ('{"trials": []}', "is not a run record"),
        ('{"schema_version": 1, "trials": [{}]}', "is not a run record"),
        (json.dumps({"schema_version": SCHEMA_VERSION + 1}), "update feedrate"),
    ],
)
def test_a_file_that_is_no_record_is_said_in_a_sentence(content: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(FeedrateError, match=sentence):
        store.read(tmp_path)


def test_no_file_is_said_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(FeedrateError, match="does not exist: `feedrate run DATA -o"):
        store.read(tmp_path)


def test_a_writer_that_dies_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.append(tmp_path, RECORD, TRIAL)
    before = (tmp_path / "run.json").read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        store.append(tmp_path, store.read(tmp_path), TRIAL)
    assert (tmp_path / "run.json").read_bytes() == before
