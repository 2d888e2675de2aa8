"""Tests of NVTabular on files that it cannot read, and of how its partitions are distributed over ranks."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.movielens.prepare import prepare_movielens
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.synthetic import prepare_synthetic
from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.run.suite import run_suite
from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.nvtabular import NVTabularLoader, NVTabularOptions
from feedrate.loaders.nvtabular_partitions import groups_per_part, shares


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=30), st.integers(1, 8))
def test_each_partition_has_one_rank_and_ranks_differ_by_one_partition_at_most(sizes: list[int], ranks: int) -> None:
    partitions = shares(sizes, ranks)
    assert sorted(index for share in partitions for index in share) == list(range(len(sizes)))
    rows = [sum(sizes[index] for index in share) for share in partitions]
    assert max(rows) - min(rows) <= max(sizes)
    if len(sizes) >= ranks:
        assert all(partitions)


@pytest.mark.parametrize(
    ("groups", "ranks", "maximum", "expected"),
    [([20], 7, 2, 1), ([20], 2, 10, 10), ([8, 8, 4], 4, 5, 1), ([6, 6], 2, 6, 6)],
)
def test_ranks_get_about_equal_numbers_of_row_groups(
    groups: list[int], ranks: int, maximum: int, expected: int
) -> None:
    assert groups_per_part(groups, ranks, maximum) == expected


@pytest.mark.nvtabular
def test_too_few_row_groups_for_the_ranks_are_an_error_with_advice(planted: Split) -> None:
    with pytest.raises(
        FeedrateError,
        match=r"8 row groups are too few for 9 ranks: run `feedrate prepare` with a smaller --row-group-rows",
    ):
        _open(planted, LoaderConfig(rank=8, world_size=9))


@pytest.mark.nvtabular
def test_a_smaller_memory_budget_gives_more_partitions(planted: Split) -> None:
    unlimited = _open(planted, LoaderConfig())
    limited = _open(planted, LoaderConfig(memory_budget_bytes=200_000))
    # a partition holds at most the row groups of one file
    assert unlimited._iterator.dataset.npartitions == len(planted.files)
    assert limited._iterator.dataset.npartitions > len(planted.files)
    # and as many of them are shuffled together as the budget allows
    assert unlimited._iterator._buff.num_parts == len(planted.files)
    assert limited._iterator._buff.num_parts < limited._iterator.dataset.npartitions
    assert _open(planted, LoaderConfig(), part_size_bytes=30_000)._iterator._buff.num_parts == 1


@pytest.mark.nvtabular
def test_a_thread_that_dies_unnoticed_is_an_error_and_not_a_hang(
    planted: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = _open(planted, LoaderConfig(batch_size=512), part_size_bytes=30_000)
    chunks = loader._iterator._buff
    put, get = chunks.put, chunks.get
    puts, gets = iter(range(3)), iter(range(3))
    waiting, died = threading.Event(), threading.Event()

    def put_or_die(packet: object) -> object:
        if next(puts, None) is None and not died.is_set():
            waiting.wait(10)  # until the consumer has seen this thread alive and waits for this chunk
            died.set()
            raise SystemExit  # not an Exception, so the library's thread does not hand it on
        return put(packet)

    def get_and_tell() -> object:
        if next(gets, None) is None:
            waiting.set()
        return get()

    monkeypatch.setattr(chunks, "put", put_or_die)
    monkeypatch.setattr(chunks, "get", get_and_tell)
    monkeypatch.setattr(threading, "excepthook", lambda _arguments: None)
    errors: list[BaseException] = []

    def consume() -> None:
        try:
            list(loader.epoch(0))
        except FeedrateError as error:
            errors.append(error)

    consumer = threading.Thread(target=consume, daemon=True)
    consumer.start()
    consumer.join(30)
    assert not consumer.is_alive(), "hangs"
    assert waiting.is_set()
    assert died.is_set()
    assert re.match(r"nvtabular's loading thread stopped after [\d,]+ of 10,007 rows", str(errors[0]))


@pytest.mark.nvtabular
@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize("budget_mb", [60, 130])
def test_memory_stays_within_the_budget_on_the_cpu(budget_mb: int, tmp_path: Path) -> None:
    prepare_synthetic(tmp_path / "d", rows=1_500_000, options=PrepareOptions(seed=1, row_group_rows=16_384))
    result = subprocess.run(
        [sys.executable, "-c", PEAK_MEMORY, str(tmp_path / "d"), str(budget_mb * 10**6)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert 0.2 * budget_mb < float(result.stdout.split()[-1]) / 1e6 < 1.1 * budget_mb


PEAK_MEMORY = """
import sys, threading
from pathlib import Path
import psutil
from feedrate.bench.datasets.canonical import read_dataset
from feedrate.loaders.base import LoaderConfig
from feedrate.loaders.nvtabular import NVTabularLoader, NVTabularOptions

split = read_dataset(Path(sys.argv[1])).split("train")

def load(budget, batches):
    loader = NVTabularLoader(split, LoaderConfig(batch_size=4096, memory_budget_bytes=budget), NVTabularOptions())
    for number, _ in enumerate(loader.epoch(0)):
        if number == batches:
            break
    loader.close()

load(1_000_000, 10)  # so that imports and thread pools are not counted
process, peak, done = psutil.Process(), 0, threading.Event()
before = process.memory_info().rss

def watch():
    global peak
    while not done.wait(0.002):
        peak = max(peak, process.memory_info().rss - before)

watcher = threading.Thread(target=watch)
watcher.start()
load(int(sys.argv[2]), -1)
done.set()
watcher.join()
print(peak)
"""


def _open(split: Split, config: LoaderConfig, **options: int) -> NVTabularLoader:
    return NVTabularLoader(split, config, NVTabularOptions(**options))


def _null_bags(table: pa.Table) -> pa.Table:
    bags = table["genres"].to_pylist()
    bags[700] = None  # not in the row group that the warm-up reads
    return table.set_column(2, "genres", pa.array(bags, pa.list_(pa.int32())))


def _empty_bags(table: pa.Table) -> pa.Table:
    return table.set_column(2, "genres", pa.array([[]] * len(table), pa.list_(pa.int32())))


@pytest.mark.usefixtures("nvtabular_installed")
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_null_bags, "'genres' has a null list in row group 1 of "),
        (_empty_bags, "'genres' has only empty lists in row group 0 of "),
    ],
)
def test_files_that_it_cannot_read_fail_the_trial_with_a_reason(
    spoil: Callable[[pa.Table], pa.Table], reason: str, tmp_path: Path
) -> None:
    dataset = prepare_synthetic(tmp_path / "d", rows=1_000, options=PrepareOptions(seed=1))
    [file] = dataset.split("train").files
    pq.write_table(spoil(pq.read_table(file)), file, row_group_size=400)
    result = _trial(dataset, "nvtabular")
    assert result.status == "failed"
    assert "nvtabular cannot load these rows" in result.detail
    assert reason in result.detail


@pytest.mark.usefixtures("nvtabular_installed")
def test_its_trial_runs_in_its_own_environment(small: Dataset) -> None:
    result = _trial(small, "nvtabular:defaults")
    assert result.status == "ok", result.detail
    assert result.packages is not None
    assert result.packages["nvtabular"] == "23.8.0"
    assert "nvtabular 23.8.0" in (result.backend or "")


def _trial(dataset: Dataset, loader: str) -> TrialResult:
    spec = TrialSpec(loader=loader, mode="load", repeat=0, seed=0, batch_size=256, epochs=1, device="cpu")
    [result] = run_suite([spec], dataset.folder, timeout_s=60)
    return result


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.usefixtures("nvtabular_installed")
def test_on_real_ratings_its_rows_are_right_and_its_auc_equals_the_others(real_data: Path, tmp_path: Path) -> None:
    dataset = prepare_movielens(real_data / "ml-1m", tmp_path / "d", name="movielens-1m")
    specs = [
        TrialSpec(loader=loader, mode="train", repeat=0, seed=0, batch_size=16_384, epochs=3, device="cpu")
        for loader in ("nvtabular", "native-batched", "cupy")
    ]
    results = list(run_suite(specs, dataset.folder))
    assert [result.status for result in results] == ["ok"] * 3, [result.detail for result in results]
    auc = [result.auc[-1] for result in results if result.auc]
    assert min(auc) > 0.77
    assert max(auc) - min(auc) < 0.005
