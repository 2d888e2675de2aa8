"""hf-datasets leaves neither threads nor settings of the library behind."""

from __future__ import annotations

import threading

import pytest

from feedrate.loaders.adapters.hf_datasets import ADAPTER, HFDatasetsOptions
from feedrate.loaders.base import LoaderConfig, Split

datasets = pytest.importorskip("datasets", reason="datasets is missing: run `pip install 'feedrate[hf-datasets]'`")


@pytest.mark.parametrize("streaming", [False, True])
def test_nothing_is_left_after_close(streaming: bool, planted: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.utils.tqdm, "monitor", None)  # as if no progress bar had been made before
    threads = set(threading.enumerate())
    shown = not datasets.are_progress_bars_disabled()
    loader = ADAPTER.open(planted, LoaderConfig(batch_size=512), HFDatasetsOptions(streaming=streaming))
    next(iter(loader.epoch(0)))
    loader.close()
    for thread in set(threading.enumerate()) - threads:
        thread.join(10)  # those of the library's own pool, which it drops without waiting
    assert {thread.name for thread in set(threading.enumerate()) - threads} == set()
    assert shown == (not datasets.are_progress_bars_disabled())
    assert datasets.utils.tqdm.monitor_interval > 0
