"""What is read from records, and what is said if something is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from feedrate.bench.results import store
from feedrate.bench.results.parts.network import NetworkRecord
from feedrate.bench.results.record import EpochRecord, RunRecord, TrialResult
from feedrate.bench.results.spec import ModelSpec
from feedrate.bench.simulation.measured import Given, measured, without_queue
from feedrate.bench.simulation.sweep import Nodes, predict
from feedrate.loaders.errors import FeedrateError
from tests.samples.sample_record import DATASET, ENVIRONMENT, record, trial

PUBLISHED = Path(__file__).parents[3] / "reports" / "published"


def load(loader: str = "fast", **fields: float | None) -> TrialResult:
    """A loader that needs 0.1 s for a batch of 100 rows: it works in next() for 0.08 s unless fields say otherwise."""
    epoch = {"rows": 1000, "wall_s": 1.0, "wait_s": 0.8, "wait_cpu_s": 0.8, "cpu_s": 1.0, "read_bytes": 0, **fields}
    return replace(trial(loader, "load", 1000), epochs=(msgspec.convert(epoch, EpochRecord),))


REPLAY = replace(trial("replay", "replay", 500), step_bytes=28e6, step_s=(0.2,) * 10)


def test_work_of_the_consumer_s_thread_counts_in_next() -> None:
    known = measured([record(load(), REPLAY)], Given())
    assert (known.loader, known.trials, known.load_rows_per_s, known.model_rows_per_s) == ("fast", (1, 1), 1000, 500)
    assert known.work.next_s == pytest.approx(0.08)
    assert (known.work.background_s, known.work.model_s) == (0, pytest.approx(0.2))
    assert known.work.gradient_bytes == 4e6  # Adam moves each parameter seven times
    assert known.jitter == 0


def test_work_beside_the_consumer_s_thread_fills_a_queue() -> None:
    busy = replace(load(wait_cpu_s=0.1, cpu_s=2.3), options={"workers": "4"})
    work = measured([record(busy, REPLAY)], Given()).work
    assert (work.next_s, work.background_s, work.prefetch) == (pytest.approx(0.01), pytest.approx(0.1), 8)
    assert work.background_cores == pytest.approx(2)


def test_records_without_cpu_times_are_told_by_their_workers_and_reads() -> None:
    alone, worker = load(wait_cpu_s=None), load("fast:workers=3", wait_cpu_s=None)
    assert measured([record(alone, REPLAY)], Given()).work.background_s == 0
    reads = measured([record(alone, REPLAY)], Given(bytes_per_row=8)).work
    assert (reads.next_s, reads.background_s) == (0, pytest.approx(0.1))  # it reads ahead
    work = measured([record(worker, REPLAY)], Given()).work
    assert (work.next_s, work.background_s, work.prefetch) == (0, pytest.approx(0.1), 6)


def test_time_without_a_core_is_not_work() -> None:
    epoch = EpochRecord(rows=1000, wall_s=3.0, wait_s=2.0, wait_cpu_s=0.5, thread_cpu_s=1.0, run_queue_s=1.7)
    quiet = without_queue(epoch)
    assert (quiet.wall_s, quiet.wait_s) == (pytest.approx(1.3), pytest.approx(0.5))


def test_bytes_are_those_of_read_calls_unless_they_are_too_few_for_rows() -> None:
    many = load(read_bytes=8_000_000, storage_bytes=0)
    assert measured([record(many, REPLAY)], Given()).work.read_bytes == 800_000
    few = load(read_bytes=100_000, storage_bytes=0)
    assert measured([record(few, REPLAY)], Given()).work.read_bytes == 0
    assert measured([record(few, REPLAY)], Given(bytes_per_row=50)).work.read_bytes == 5000


def test_bytes_of_an_object_store_count_too() -> None:
    stored = load(read_bytes=100, network=NetworkRecord(requests=1, retries=0, bytes=8_000_000, wait_s=0.1))
    assert measured([record(stored, REPLAY)], Given()).work.read_bytes == 800_000


def test_load_and_replay_may_be_in_two_records() -> None:
    assert measured([record(load()), record(REPLAY)], Given(loader="fast")).trials == (1, 1)


FAST_STEP = replace(REPLAY, spec=replace(REPLAY.spec, model=ModelSpec(step="fast")))


@pytest.mark.parametrize(
    ("records", "given", "words"),
    [
        ([record(load())], Given(), "--modes replay -o DIR`, and pass DIR, too"),
        ([record(REPLAY)], Given(loader="cupy"), "no trial has cupy without the model: measure it with `feedrate run DATA --loaders cupy --modes load"),
        ([record(REPLAY)], Given(), "--loaders LOADER --modes load"),
        ([record(load(read_bytes=None), REPLAY)], Given(), "no bytes read: measure it again with `feedrate run DATA --loaders fast --modes load"),
        ([record(load(), replace(REPLAY, step_bytes=None))], Given(), "--modes replay --step eager -o DIR`, or pass --gradient-mb"),
        ([record(load(), FAST_STEP)], Given(), "the fast step trains on one rank only"),
        ([record(load(), REPLAY)], Given(batch_size=64), "batch size is 64, but loader and model must both be measured with it (measured: 100)"),
        ([record(load(), REPLAY, FAST_STEP)], Given(), "the trials of replay have 2 models"),
        ([record(load(wall_s=0.0, wait_s=0.0), replace(REPLAY, epochs=(EpochRecord(rows=9, wall_s=0.0, wait_s=0.0),)))], Given(), "not plausible"),
        ([record(load()), RunRecord(environment=replace(ENVIRONMENT, gpu="B"), dataset=DATASET)], Given(), "not of one machine: A GPU with 2 cores and B"),
        ([record(load()), RunRecord(environment=ENVIRONMENT, dataset=replace(DATASET, name="e"))], Given(), "not of one dataset: d (01234567) and e"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_with_the_command_that_measures_it(
    records: list[RunRecord], given: Given, words: str
) -> None:
    with pytest.raises(FeedrateError) as raised:
        measured(records, given)
    assert words in str(raised.value)
    assert len(str(raised.value)) <= 300


@pytest.mark.parametrize(
    ("folders", "loader", "allowed"),
    [
        (("h200-2026-11-26/resident", "h200-2026-11-26/train"), "cupy", 0.02),
        (("h200-2026-11-26/stream540", "h200-2026-11-26/stream-train"), "cupy", 0.02),
        (("h200-engine-2026-11-24",), "cupy", 0.10),
        (("h200-engine-2026-11-24",), "native-batched", 0.10),
    ],
)
def test_training_on_one_gpu_is_predicted_from_load_and_replay(
    folders: tuple[str, ...], loader: str, allowed: float
) -> None:
    records = [store.read(PUBLISHED / folder) for folder in folders]
    epochs = [
        epoch
        for record in records
        for trial in record.trials
        if trial.spec.loader == loader and trial.spec.mode == "train"
        for epoch in trial.steady
    ]
    trained = sum(epoch.rows for epoch in epochs) / sum(epoch.wall_s for epoch in epochs)
    nodes = Nodes(counts=(1,), gpus=1)
    predicted = predict(records, Given(loader=loader, gradient_bytes=0), nodes, rank_steps=1000)
    assert predicted.points[0].rows_per_s == pytest.approx(trained, rel=allowed)


def test_every_number_has_its_source_among_the_assumptions() -> None:
    nodes = Nodes(counts=(2, 1), gpus=4, storage_gb_s=3, network_gb_s=5, latency_us=7)
    prediction = predict([record(load(), REPLAY)], Given(), nodes, seed=9, rank_steps=100)
    text = "\n".join(prediction.assumptions)
    for words in (
        "A GPU, 2 cores, 100 rows per batch",
        "3 GB/s",
        "5 GB/s within a node",
        "7 us",
        "Seed 9",
        "4 MB per step",
    ):
        assert words in text
    assert [point.nodes for point in prediction.points] == [1, 2]
    assert prediction.efficiency(prediction.points[0]) == 1
