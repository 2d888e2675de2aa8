from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest

from feedrate.bench.results import compressed, store, validation
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
    with pytest.raises(FeedrateError, match="does not exist: create it with `feedrate run DATA -o"):
        store.read(tmp_path)


def test_a_writer_that_dies_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.append(tmp_path, RECORD, TRIAL)
    before = (tmp_path / "run.json").read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FeedrateError, match=r"run\.json cannot be written: no space left on device"):
        store.append(tmp_path, store.read(tmp_path), TRIAL)
    assert (tmp_path / "run.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def _gzipped(folder: Path, content: bytes | None = None) -> Path:
    """The folder's run.json, or `content`, as the run.json.gz in it."""
    plain = folder / "run.json"
    compressed_file = folder / "run.json.gz"
    compressed_file.write_bytes(gzip.compress(plain.read_bytes() if content is None else content, mtime=0))
    plain.unlink(missing_ok=True)
    return compressed_file


def test_a_gzipped_record_is_read_from_its_folder_and_by_its_name(tmp_path: Path) -> None:
    record = store.append(tmp_path, RECORD, TRIAL)
    file = _gzipped(tmp_path)
    assert store.path_of(tmp_path) == store.path_of(file) == file
    assert store.read(tmp_path) == store.read(file) == record
    assert validation.faults(file) == validation.faults(store.path_of(tmp_path))


def test_run_json_wins_over_its_gzipped_form(tmp_path: Path) -> None:
    store.write(tmp_path, RECORD)
    _gzipped(tmp_path)
    written_later = store.append(tmp_path / "run.json", RECORD, TRIAL)
    assert store.path_of(tmp_path) == tmp_path / "run.json"
    assert store.read(tmp_path) == written_later
    assert compressed.find(tmp_path.parent, "run.json").count(tmp_path / "run.json") == 1
    assert tmp_path / "run.json.gz" not in compressed.find(tmp_path.parent, "run.json")


WHOLE = gzip.compress(b'{"schema_version": 1}' * 1000, mtime=0)


@pytest.mark.parametrize(
    "content",
    [b"", b'{"schema_version": 1}', WHOLE[:-12], WHOLE[:20], WHOLE[:-8] + b"\0" * 8, WHOLE[:20] + b"\xff" * 40],
    ids=["empty", "not gzip", "cut short", "cut to its head", "wrong checksum", "scrambled"],
)
def test_a_damaged_gzip_is_one_sentence_with_the_path(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "run.json.gz"
    file.write_bytes(content)
    with pytest.raises(FeedrateError) as caught:
        store.read(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{file} is not a run record: ")
    assert "\n" not in message
    assert len(validation.faults(file)) == 1


def test_a_gzip_that_decompresses_to_too_much_is_refused_before_memory_fills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compressed, "MAX_BYTES", 1_000_000)
    file = _gzipped(tmp_path, b" " * 300_000_000)
    assert file.stat().st_size < 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(FeedrateError, match=r"run\.json\.gz .*decompresses to more than 1 MB"):
            store.read(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000
    assert validation.faults(file) == ["it decompresses to more than 1 MB, the limit for a record"]


def test_a_gzipped_record_is_never_written_to(tmp_path: Path) -> None:
    store.write(tmp_path, RECORD)
    file = _gzipped(tmp_path)
    before = file.read_bytes()
    for target in (tmp_path, file):
        with pytest.raises(FeedrateError, match=r"run\.json\.gz is compressed .*gunzip .*run\.json\.gz"):
            store.append(target, RECORD, TRIAL)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json.gz"]
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b'{"schema_version": 2, "environment": {"cpu": "\xff"}}',
        b'{"schema_version": 2, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"schema_version": 2, "dataset": ' + b'{"a":' * 980 + b"1" + b"}" * 981,
    ],
    ids=["no text", "a part that is no text", "deep lists", "deep objects"],
)
def test_a_file_that_is_not_json_of_a_record_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(FeedrateError, match="is not a run record: "):
        store.read(tmp_path)
    assert validation.faults(tmp_path / "run.json")


@pytest.mark.parametrize("trials", [None, "x", {}, 3])
def test_trials_that_are_no_list_are_a_fault(trials: object, tmp_path: Path) -> None:
    store.append(tmp_path, RECORD, TRIAL)
    content = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**content, "trials": trials}))
    with pytest.raises(FeedrateError, match="is not a run record: "):
        store.read(tmp_path)
    assert any("trials" in fault for fault in validation.faults(tmp_path / "run.json"))
