"""CupyLoader in a training script: settings that are only read, epochs that are set, and what processes may do with it."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset

from feedrate.bench.datasets.canonical import Dataset
from feedrate.loaders import CupyLoader, registry
from feedrate.loaders.base import Batch, LoaderConfig, Split
from feedrate.loaders.errors import FeedrateError

STREAMED: dict[str, Any] = {"memory_budget_bytes": 1_000_000, "window_rows": 130}


class InAWorker(IterableDataset[Batch]):
    """A dataset that holds a loader of its parent process, as one should not."""

    def __init__(self, loader: CupyLoader) -> None:
        self._loader = loader

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._loader)


@pytest.fixture
def loader(small: Dataset) -> Iterator[CupyLoader]:
    with CupyLoader(small.folder, batch_size=600, device="cpu", seed=3) as opened:
        yield opened


def _users(batches: Any) -> list[int]:
    return [int(user) for batch in batches for user in batch.ids["userId"]]


def test_settings_are_the_arguments(small: Dataset) -> None:
    settings = {
        "batch_size": 512,
        "shuffle": False,
        "seed": 7,
        "rank": 1,
        "world_size": 2,
        "drop_last": True,
        **STREAMED,
    }
    with CupyLoader(small.folder, device="cpu", **settings) as opened:
        assert {name: getattr(opened, name) for name in settings} == settings
        assert (opened.data, opened.split, opened.label, opened.device) == (small.folder, "train", "rating", "cpu")
        assert opened.schema == small.split("train").schema
        assert opened.decode == "auto"


@pytest.mark.parametrize(
    "name",
    ["data", "split", "label", "schema", "device", "batch_size", "drop_last", "shuffle", "seed", "rank", "world_size",
     "memory_budget_bytes", "window_rows", "decode"],
)  # fmt: skip
def test_setting_a_setting_is_an_error(loader: CupyLoader, name: str) -> None:
    before = getattr(loader, name)
    with pytest.raises(
        AttributeError, match=f"^{name} of an open CupyLoader cannot be changed to 5: open another one$"
    ):
        setattr(loader, name, 5)
    with pytest.raises(AttributeError):
        delattr(loader, name)
    assert getattr(loader, name) is before


def test_a_loader_of_the_registry_has_its_settings(planted: Split) -> None:
    opened = registry.choose("cupy").open(planted, LoaderConfig(batch_size=100, seed=4))
    assert isinstance(opened, CupyLoader)
    assert (opened.batch_size, opened.seed, opened.drop_last, opened.data) == (100, 4, False, planted)
    opened.close()


def test_it_prints_its_settings(small: Dataset) -> None:
    with CupyLoader(small.folder, batch_size=512, device="cpu") as opened:
        assert repr(opened) == (
            f"CupyLoader({str(small.folder)!r}, batch_size=512, device='cpu', shuffle=True, seed=0, rank=0, world_size=1, "
            "drop_last=False: 8 batches, held in memory)"
        )
    assert repr(opened).endswith("8 batches, closed)")
    with CupyLoader(small.split("train"), batch_size=64, device="cpu", **STREAMED) as opened:
        assert repr(opened).startswith("CupyLoader(batch_size=64, ")
        assert repr(opened).endswith("63 batches, streamed in windows of 128 rows)")


@pytest.mark.parametrize("device", [torch.device("cpu"), "cpu:0", torch.device("cpu", 0)])
def test_the_cpu_may_be_numbered(small: Dataset, device: str | torch.device) -> None:
    with CupyLoader(small.folder, device=device) as opened:
        assert opened.device == "cpu"


@pytest.mark.parametrize("options", [{}, STREAMED], ids=["resident", "streamed"])
def test_set_epoch_chooses_the_next_pass(small: Dataset, options: dict[str, Any]) -> None:
    with CupyLoader(small.folder, batch_size=600, device="cpu", **options) as opened:
        for epoch in (2, 0, 2):
            opened.set_epoch(epoch)
            assert opened.state_dict()["epoch"] == epoch
            assert _users(opened) == _users(opened.epoch(epoch))
        assert _users(opened) == _users(opened.epoch(3))


@pytest.mark.parametrize(
    ("index", "sentence"),
    [
        (-1, "epoch is -1, but must be at least 0"),
        (1.0, "epoch is 1.0, but must be a whole"),
        (True, "epoch is True"),
        ("1", "epoch is '1', but"),
    ],
)
def test_set_epoch_takes_whole_numbers(loader: CupyLoader, index: Any, sentence: str) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        loader.set_epoch(index)
    assert _users(loader) == _users(loader.epoch(0))


def test_set_epoch_keeps_the_place_of_a_loaded_state(small: Dataset, loader: CupyLoader) -> None:
    """The usual loop sets each epoch, and the first one after a checkpoint has begun already."""
    loader.set_epoch(1)
    next(batches := iter(loader))
    state = loader.state_dict()
    batches.close()  # type: ignore[attr-defined]
    seen = []
    with CupyLoader(small.folder, batch_size=600, device="cpu", seed=3) as resumed:
        resumed.load_state_dict(state)
        for epoch in range(state["epoch"], 3):
            resumed.set_epoch(epoch)
            seen += _users(resumed)
        assert seen == _users(loader.epoch(1, 1)) + _users(loader.epoch(2))
        resumed.load_state_dict(state)
        resumed.set_epoch(0)
        assert _users(resumed) == _users(loader.epoch(0))


def test_the_state_behind_the_last_batch_is_the_next_epoch(loader: CupyLoader) -> None:
    """Lightning stops there without asking for one more batch."""
    batches = list(islice(iter(loader), len(loader)))
    assert sum(batch.rows for batch in batches) == 4_000
    state = loader.state_dict()
    assert (state["epoch"], state["batches"]) == (1, 0)
    loader.load_state_dict(state)
    assert _users(loader) == _users(loader.epoch(1))


def test_two_passes_at_a_time_do_not_disturb_the_place(loader: CupyLoader) -> None:
    first, second = iter(loader), iter(loader)
    next(first), next(first), next(second)
    assert [loader.state_dict()[name] for name in ("epoch", "batches")] == [1, 1]
    next(first)
    assert [loader.state_dict()[name] for name in ("epoch", "batches")] == [0, 3]


def test_the_state_of_one_rank_fits_the_others(small: Dataset) -> None:
    """Trainers save the state of rank 0 only, and load it on every rank."""
    options: dict[str, Any] = {"batch_size": 300, "device": "cpu", "world_size": 2, "drop_last": True}
    with CupyLoader(small.folder, rank=0, **options) as zero, CupyLoader(small.folder, rank=1, **options) as one:
        next(iter(zero))
        one.load_state_dict(zero.state_dict())
        assert _users(one) == _users(one.epoch(0, 1))


@pytest.mark.parametrize("send", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_cannot_be_pickled_or_copied(loader: CupyLoader, send: Any) -> None:
    with pytest.raises(TypeError, match="cannot be pickled or copied, .* make it in the worker or rank that uses it"):
        send(loader)


def test_a_dataloader_without_workers_delivers_its_batches(loader: CupyLoader) -> None:
    assert _users(DataLoader(InAWorker(loader), batch_size=None)) == _users(loader.epoch(0))


def test_a_forked_worker_is_told_to_make_its_own(loader: CupyLoader) -> None:
    """It would repeat one epoch in each pass, or wait forever for threads that a fork does not have."""
    batches = DataLoader(InAWorker(loader), batch_size=None, num_workers=1, multiprocessing_context="fork")
    with pytest.raises(
        FeedrateError, match="a fork has none of its threads: make it in the worker or rank that uses it"
    ):
        list(batches)
