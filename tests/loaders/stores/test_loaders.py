"""Every loader that reads from object stores delivers the rows of local files, and prepares its own format once."""

from __future__ import annotations

from collections import Counter

import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.rows.checksum import RowSum
from feedrate.loaders import registry
from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable
from feedrate.loaders.packed.stream_builders import StreamRequest, open_stream
from feedrate.loaders.parquet.decode import read_groups
from feedrate.loaders.parquet.files import read_split
from feedrate.loaders.parquet.stored import reading_threads
from feedrate.loaders.stores.traffic import traffic, traffic_so_far
from tests.samples.stores.local_s3 import LocalS3

READERS = (
    "arrow", "cupy", "grain", "hf-datasets", "lance", "native", "native-batched", "polars", "ray-data", "replay", "spdl", "tensordict",
    "torch-resident", "torchdata", "vortex",
)  # fmt: skip


def checksum(text: str, split: Split) -> str:
    """The checksum of an epoch's rows."""
    loader, total = registry.choose(text).open(split, LoaderConfig(batch_size=500)), RowSum()
    for batch in loader.epoch(0):
        total.add(batch)
    loader.close()
    return total.result().digest


def test_which_loaders_read_from_stores_is_declared() -> None:
    able = set()
    for name in registry.BUILT_IN:
        try:
            able |= {name} if registry.choose(name).adapter.reads_stores else set()
        except LoaderUnavailable:
            continue
    assert able == set(READERS)


@pytest.mark.slow
@pytest.mark.parametrize("text", [name for name in READERS if name != "replay"] + ["cupy:window_rows=1000"])
def test_the_rows_are_the_datasets(text: str, small: Dataset, s3: LocalS3) -> None:
    split = read_split(s3.put(small.folder))
    try:
        assert checksum(text, split) == small.info.splits["train"].checksum
    except LoaderUnavailable as error:
        pytest.skip(str(error))
    kinds = Counter(asked.split()[0] for asked in s3.faults.requests)
    assert kinds["PUT"] == 0
    if registry.choose(text).adapter.prepare is not None:  # the format is in the user's cache
        s3.faults.requests.clear()
        assert checksum(text, read_split(f"s3://{s3.bucket}/data")) == small.info.splits["train"].checksum
        assert sum("train" in asked and "GET" in asked for asked in s3.faults.requests) == 1  # the footer


@pytest.mark.slow
def test_an_error_in_a_process_of_rays_is_a_sentence_and_its_requests_are_not_guessed(
    small: Dataset, s3: LocalS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic(), "is_complete", True)
    split = read_split(s3.put(small.folder))
    try:
        loader = registry.choose("ray-data").open(split, LoaderConfig(batch_size=500))
    except LoaderUnavailable as error:
        pytest.skip(str(error))
    assert traffic_so_far() is None
    s3.faults.refuse, s3.faults.status = 1_000_000, 403
    with pytest.raises(
        FeedrateError, match=rf"^s3://{s3.bucket}/data/train/part-0000.parquet may not be read"
    ) as failed:
        list(loader.epoch(0))
    loader.close()
    assert len(str(failed.value)) < 400


@pytest.mark.slow
def test_several_threads_wait_for_a_store_and_pylibcudf_is_refused_there(small: Dataset, s3: LocalS3) -> None:
    split = read_split(s3.put(small.folder))
    groups = read_groups(split)
    assert (reading_threads(groups, 8), reading_threads(groups, 0)) == (4, 1)
    assert reading_threads(read_groups(small.split("train")), 8) == 1
    config = LoaderConfig(device="cuda:0", memory_budget_bytes=10**9)
    request = StreamRequest(
        groups=groups, schema=split.schema, config=config, budget_bytes=10**9, window_rows=0, max_rows=1
    )
    with pytest.raises(
        FeedrateError, match=r"decode is 'pylibcudf', which does not read from object stores, and s3://"
    ):
        open_stream(request, "pylibcudf")
