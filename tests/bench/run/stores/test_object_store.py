"""Runs on a dataset in a real S3 server: what the record says, what is refused, and what a change does."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from feedrate.bench.cli.app import app
from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.results import store
from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.results.wait_causes import wait_causes
from feedrate.bench.run.suite import run_suite
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.stores.store_path import path_of
from tests.samples.stores.local_s3 import SECRET, LocalS3

pytestmark = pytest.mark.slow
SPEC = TrialSpec(loader="arrow", mode="load", repeat=0, seed=0, batch_size=512, epochs=2, device="cpu")


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["run", *arguments])
    return result.exit_code, f"{result.output}{result.exception or ''}"


def test_a_run_records_what_it_asked_of_the_store(
    small: Dataset, s3: LocalS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, output = s3.put(small.folder), tmp_path / "run"
    monkeypatch.setattr("sys.argv", ["feedrate", "run", address])
    code, text = run(
        address, "--loaders", "arrow,cupy:window_rows=1024", "--memory-budget", "1GB", "--modes", "load,replay",
        "--batch-size", "512", "--epochs", "2", "--repeats", "1", "--seeds", "0", "-o", str(output),
    )  # fmt: skip
    assert code == 0, text
    record = store.read(output)
    size = sum(file.stat().st_size for file in small.split("train").files)
    assert {trial.status for trial in record.trials} == {"ok"}
    for trial in record.trials:
        asked = [epoch.network for epoch in trial.epochs or () if epoch.network]
        assert len(asked) == 2
        if trial.spec.mode == "load":  # cupy reads the next epoch's first windows in advance
            assert sum(network.requests for network in asked) >= 2
            again = sum(network.retries for network in asked)  # a busy machine answers too late now and then
            assert 0.5 * size < sum(network.bytes for network in asked) < (3 + again) * size
    assert record.environment.command == f"feedrate run {address}"
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert SECRET.encode() not in written
    assert b"AKIDEXAMPLE" not in written
    assert SECRET not in text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--loaders", "arrow,duckdb"], "duckdb cannot read from an object store, and ADDRESS is in one: copy the dataset"),
        (["--loaders", "arrow", "--cache", "cold"], "--cache is cold, but no page cache holds ADDRESS"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_with_a_store_is_refused_before_anything_starts(
    options: list[str], sentence: str, small: Dataset, s3: LocalS3, tmp_path: Path
) -> None:
    address = s3.put(small.folder)
    code, text = run(address, *options, "--modes", "load", "-o", str(tmp_path / "run"))
    assert code != 0
    assert sentence.replace("ADDRESS", address) in re.sub(r"\s+", " ", text)
    assert not (tmp_path / "run" / "run.json").exists()


def _rewritten(s3: LocalS3, small: Dataset, tmp_path: Path, *, at: int) -> tuple[list[TrialResult], str]:
    """Run two trials while a file changes at the request with this number. Return their results and the error."""
    count, results = itertools.count(), []

    def rewrite(method: str, path: str) -> None:
        if method == "GET" and path.endswith("train/part-0000.parquet") and next(count) == at:
            s3.rewrite("data/train/part-0000.parquet")

    folder = path_of(s3.put(small.folder))
    read_dataset(folder)
    s3.faults.before = rewrite
    with pytest.raises(FeedrateError) as stopped:
        for result in run_suite([SPEC, SPEC], folder, timeout_s=60, logs=tmp_path / "logs"):
            results.append(result)  # noqa: PERF402
    return results, str(stopped.value)


def test_a_file_that_changes_while_a_trial_runs_makes_it_void_by_name(
    small: Dataset, s3: LocalS3, tmp_path: Path
) -> None:
    results, error = _rewritten(s3, small, tmp_path, at=5)
    assert [result.status for result in results] == ["void"]
    assert results[0].detail.startswith("train/part-0000.parquet was replaced (same size) while this trial ran")
    assert error.startswith(
        f"s3://{s3.bucket}/data: train/part-0000.parquet was replaced (same size) while a trial of arrow"
    )


def test_waiting_for_a_slow_store_is_the_main_cause(small: Dataset, s3: LocalS3) -> None:
    folder = path_of(s3.put(small.folder))
    s3.faults.delay_s, s3.faults.where = 0.5, "train/part"
    (result,) = run_suite([SPEC], folder, timeout_s=60)
    causes = wait_causes(result.epochs or ())
    assert causes is not None
    assert causes.main == "network"
    assert causes.network_s >= 0.5


def test_a_store_that_stops_to_answer_fails_the_trial_and_then_the_run(
    small: Dataset, s3: LocalS3, tmp_path: Path
) -> None:
    folder = path_of(s3.put(small.folder))
    count = itertools.count()

    def stop(_method: str, path: str) -> None:
        if path.endswith("train/part-0000.parquet") and next(count) == 6:
            s3.faults.refuse = 1_000_000

    results = []
    s3.faults.before = stop
    with pytest.raises(FeedrateError, match="could not be read in 6 attempts"):
        for result in run_suite([SPEC, SPEC], folder, timeout_s=60, logs=tmp_path / "logs"):
            results.append(result)  # noqa: PERF402
    assert [result.status for result in results] == ["failed"]
    assert results[0].detail.startswith(
        f"s3://{s3.bucket}/data/train/part-0000.parquet could not be read in 6 attempts"
    )
