"""A real S3 server that is slow, busy, cuts connections, or gets another file: streaming either goes on or says so."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.synthetic import prepare_synthetic
from feedrate.loaders import registry
from feedrate.loaders.base import Batch, Loader, LoaderConfig
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.files import read_split
from feedrate.loaders.stores import attempts
from feedrate.loaders.stores.attempts import FileChanged
from feedrate.loaders.stores.traffic import traffic
from tests.samples.stores.local_s3 import SECRET, LocalS3

pytestmark = pytest.mark.slow
STREAMING = ("arrow", "cupy")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """24,000 rows for training in 12 row groups."""
    folder = tmp_path_factory.mktemp("stored") / "data"
    return prepare_synthetic(folder, rows=30_000, options=PrepareOptions(seed=1, row_group_rows=2_000))


@pytest.fixture(params=STREAMING)
def pair(request: pytest.FixtureRequest, data: Dataset, s3: LocalS3) -> Iterator[tuple[Loader, Loader]]:
    """A loader on the data in the store, and the same one on the local files."""
    choice = registry.choose(request.param)
    config = LoaderConfig(batch_size=1_000, memory_budget_bytes=1_500_000)
    pair = [choice.open(read_split(place), config) for place in (s3.put(data.folder), data.folder)]
    yield pair[0], pair[1]
    for loader in pair:
        loader.close()


def same(first: Iterator[Batch], second: Iterator[Batch]) -> int:
    """Compare the batches and return their number."""
    pairs = list(zip(first, second, strict=True))
    for a, b in pairs:
        assert all(torch.equal(x, y) for x, y in zip(a.tensors(), b.tensors(), strict=True))
    return len(pairs)


def test_the_batches_are_those_of_local_files_and_every_request_is_counted(
    pair: tuple[Loader, Loader], data: Dataset, s3: LocalS3
) -> None:
    s3.faults.requests.clear()
    before = traffic().use()
    assert same(pair[0].epoch(0), pair[1].epoch(0)) == 24
    pair[0].close()  # cupy reads the first windows of the next epoch, too
    used = traffic().use().since(before)
    assert (used.requests, used.retries) == (len(s3.faults.requests), 0)
    assert all("bytes=" in asked for asked in s3.faults.requests)
    size = sum(file.stat().st_size for file in data.split("train").files)
    assert 0.8 * size < used.bytes < 2 * size


def test_busy_answers_and_cut_connections_are_retried(pair: tuple[Loader, Loader], s3: LocalS3) -> None:
    s3.faults.refuse, s3.faults.cut = 3, 2
    before = traffic().use()
    assert same(pair[0].epoch(1), pair[1].epoch(1)) == 24
    assert traffic().use().since(before).retries == 5
    assert (s3.faults.refuse, s3.faults.cut) == (0, 0)


def test_a_slow_store_is_waited_for_and_the_time_is_counted(pair: tuple[Loader, Loader], s3: LocalS3) -> None:
    s3.faults.delay_s = 0.05
    before_s = traffic().waited_s()
    assert same(pair[0].epoch(2), pair[1].epoch(2)) == 24
    assert traffic().waited_s() - before_s >= 0.05


@pytest.mark.parametrize(("status", "sentence"), [(503, "could not be read in 6 attempts"), (403, "may not be read")])
def test_what_does_not_recover_ends_the_epoch_with_a_sentence(
    status: int, sentence: str, pair: tuple[Loader, Loader], s3: LocalS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "FIRST_PAUSE_S", 0.0)
    s3.faults.refuse, s3.faults.status = 1_000_000, status
    with pytest.raises(FeedrateError, match=rf"^s3://{s3.bucket}/data/train/part-0000.parquet {sentence}") as failed:
        list(pair[0].epoch(3))
    assert len(str(failed.value)) <= 300
    assert SECRET not in str(failed.value)
    s3.faults.refuse = 0
    assert same(pair[0].epoch(4), pair[1].epoch(4)) == 24


def test_a_file_that_changes_is_not_read_on(pair: tuple[Loader, Loader], data: Dataset, s3: LocalS3) -> None:
    count = itertools.count()

    def rewrite(_method: str, path: str) -> None:
        if path.endswith("part-0000.parquet") and next(count) == 3:
            s3.rewrite("data/train/part-0000.parquet")

    s3.faults.before = rewrite
    with pytest.raises(FileChanged, match=r"data/train/part-0000.parquet changed while it was read"):
        for epoch in range(3):
            list(pair[0].epoch(epoch))
    s3.put(data.folder)
    anew = registry.choose("arrow").open(read_split(f"s3://{s3.bucket}/data"), LoaderConfig(batch_size=1_000))
    assert sum(batch.label.numel() for batch in anew.epoch(0)) == 24_000
    anew.close()


def test_forked_workers_count_as_well(data: Dataset, s3: LocalS3) -> None:
    config = LoaderConfig(batch_size=1_000, workers=2)
    loader = registry.choose("arrow").open(read_split(s3.put(data.folder)), config)
    s3.faults.requests.clear()
    before = traffic().use()
    assert sum(batch.label.numel() for batch in loader.epoch(0)) == 24_000
    assert traffic().use().since(before).requests == len(s3.faults.requests) > 2
    loader.close()


def test_a_folder_without_a_description_is_refused(s3: LocalS3, tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(FeedrateError, match=r"has no dataset.json: write one there with `feedrate prepare"):
        read_split(s3.put(tmp_path))
