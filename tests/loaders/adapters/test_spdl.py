"""spdl leaves no thread, raises what fails in a stage, and has one short batch at most."""

from __future__ import annotations

import threading

import pytest

from feedrate.loaders.adapters.spdl import ADAPTER, SPDLOptions
from feedrate.loaders.base import LoaderConfig, Split

pytest.importorskip("spdl", reason="spdl is missing: run `pip install 'feedrate[spdl]'`")


@pytest.mark.parametrize("batches", [1, 10_000])
def test_no_thread_is_left_after_close(batches: int, planted: Split) -> None:
    before = set(threading.enumerate())
    loader = ADAPTER.open(planted, LoaderConfig(batch_size=64), SPDLOptions(window_rows=1000))
    epoch = loader.epoch(0)
    rows = sum(batch.rows for batch, _ in zip(epoch, range(batches), strict=False))
    assert rows == min(64 * batches, planted.rows)
    loader.close()
    assert {thread.name for thread in set(threading.enumerate()) - before} == set()


def test_a_row_group_that_cannot_be_read_ends_the_epoch_with_an_error(planted: Split) -> None:
    loader = ADAPTER.open(planted, LoaderConfig(batch_size=64), SPDLOptions())
    for file in planted.files:
        file.rename(file.with_suffix(".away"))
    try:
        with pytest.raises(Exception, match="failed"):
            list(loader.epoch(0))
    finally:
        for file in planted.files:
            file.with_suffix(".away").rename(file)
        loader.close()


def test_windows_that_fill_no_batches_leave_one_short_batch(planted: Split) -> None:
    loader = ADAPTER.open(planted, LoaderConfig(batch_size=300), SPDLOptions(window_rows=1000))
    sizes = [batch.rows for batch in loader.epoch(0)]
    loader.close()
    assert sizes == [300] * (planted.rows // 300) + [planted.rows % 300]
