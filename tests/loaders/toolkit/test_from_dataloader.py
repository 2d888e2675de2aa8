"""from_dataloader: any iterable of batches becomes a loader whose order (seed, epoch) fixes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, RandomSampler

from feedrate import Adapter, FeedrateError, Schema, Split, from_dataloader
from feedrate.loaders import registry
from feedrate.loaders.base import Loader, LoaderConfig

ROWS = 10
SPLIT = Split(files=(), rows=ROWS, schema=Schema(label="y"))
Make = Callable[[Split, LoaderConfig], object]


class Numbers(Dataset[dict[str, float]]):
    """Row i has the label i."""

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, row: int) -> dict[str, float]:
        return {"y": float(row)}


def opened(make: Make, convert: Any = None, **settings: Any) -> Loader:
    return registry.choice_of(from_dataloader(make, convert)).open(SPLIT, LoaderConfig(batch_size=4, **settings))


def order(loader: Loader, epoch: int) -> list[int]:
    return [int(row) for batch in loader.epoch(epoch) for row in batch.label]


def by_dataloader(split: Split, config: LoaderConfig) -> object:
    return DataLoader(Numbers(), config.batch_size, config.shuffle, num_workers=config.workers)


def by_batched_dataloader(split: Split, config: LoaderConfig) -> object:
    class Batches(Numbers):
        def __getitem__(self, rows: list[int]) -> dict[str, Any]:  # type: ignore[override]
            return {"y": [float(row) for row in rows]}

    return DataLoader(
        Batches(), batch_size=None, sampler=BatchSampler(RandomSampler(Numbers()), config.batch_size, False)
    )


def by_function(split: Split, config: LoaderConfig) -> object:
    def epoch(index: int) -> list[dict[str, torch.Tensor]]:
        rows = torch.randperm(ROWS, generator=torch.Generator().manual_seed(1000 * config.seed + index))
        return [{"y": part.float()} for part in rows.split(config.batch_size)]

    return epoch


def by_generator(split: Split, config: LoaderConfig) -> Iterator[object]:
    rows = torch.randperm(ROWS, generator=torch.Generator().manual_seed(config.seed))
    for part in rows.split(config.batch_size):
        yield {"y": part.float()}


class SetEpoch:
    """An iterable that must be told its epoch."""

    def __init__(self, seed: int) -> None:
        self.seed, self.told = seed, -1

    def set_epoch(self, epoch: int) -> None:
        self.told = epoch

    def __iter__(self) -> Iterator[object]:
        return by_function(SPLIT, LoaderConfig(seed=self.seed, batch_size=4))(self.told).__iter__()  # type: ignore[operator]


@pytest.mark.parametrize(
    "make",
    [by_dataloader, by_batched_dataloader, by_function, by_generator, lambda _split, config: SetEpoch(config.seed)],
    ids=["DataLoader", "DataLoader of batches", "function", "generator", "set_epoch"],
)
def test_seed_and_epoch_alone_fix_the_order(make: Make) -> None:
    torch.manual_seed(1)
    first = opened(make, seed=5)
    orders = [order(first, epoch) for epoch in (0, 1, 2)]
    torch.manual_seed(2)
    again = opened(make, seed=5)
    assert [order(again, epoch) for epoch in (2, 0, 1)] == [orders[2], orders[0], orders[1]]
    others = [order(opened(make, seed=6), epoch) for epoch in (0, 1, 2)]
    assert len({tuple(rows) for rows in (*orders, *others)}) == 6
    assert all(sorted(rows) == list(range(ROWS)) for rows in (*orders, *others))


def test_the_global_generator_of_torch_is_left_alone() -> None:
    state = torch.get_rng_state()
    order(opened(by_dataloader), 0)
    assert torch.equal(torch.get_rng_state(), state)


def test_set_epoch_reaches_dataset_sampler_and_batch_sampler() -> None:
    class Told(Numbers):
        def set_epoch(self, epoch: int) -> None:
            told.append(("dataset", epoch))

    class Order(RandomSampler):
        def set_epoch(self, epoch: int) -> None:
            told.append(("sampler", epoch))

    class Cut(BatchSampler):
        def set_epoch(self, epoch: int) -> None:
            told.append(("batch_sampler", epoch))

    told: list[tuple[str, int]] = []
    loader = opened(lambda _split, _config: DataLoader(Told(), batch_sampler=Cut(Order(Told()), 4, False)))
    assert told == []
    order(loader, 7)
    assert sorted(told) == [("batch_sampler", 7), ("dataset", 7), ("sampler", 7)]


@pytest.mark.parametrize("make", [by_dataloader, by_batched_dataloader])
def test_ranks_share_the_rows_of_a_plain_dataloader(make: Make) -> None:
    ranks = [order(opened(make, rank=rank, world_size=3), 1) for rank in range(3)]
    assert [len(rows) for rows in ranks] == [4, 3, 3]
    assert [row for rows in zip(*ranks, strict=False) for row in rows] == order(opened(make), 1)[:9]


def test_a_dataloader_that_shards_itself_is_left_alone() -> None:
    class Half(Numbers):
        def __len__(self) -> int:
            return ROWS // 2

    loader = opened(lambda _split, config: DataLoader(Half(), config.batch_size), rank=1, world_size=2)
    assert order(loader, 0) == [0, 1, 2, 3, 4]


def test_make_is_called_once_unless_it_returns_an_iterator() -> None:
    seeds: list[int] = []

    def make(split: Split, config: LoaderConfig) -> object:
        seeds.append(config.seed)
        return iter([{"y": torch.zeros(ROWS)}])

    loader = opened(make, seed=3)
    for epoch in (0, 1, 0):
        order(loader, epoch)
    assert (seeds[0], len(seeds), seeds[1]) == (3, 4, seeds[3])
    assert len(set(seeds)) == 3

    def once(split: Split, config: LoaderConfig) -> object:
        seeds.append(-1)
        return [{"y": torch.zeros(ROWS)}]

    loader = opened(once)
    order(loader, 0), order(loader, 1)
    assert seeds.count(-1) == 1


def test_convert_gets_each_batch() -> None:
    def make(split: Split, config: LoaderConfig) -> object:
        return [(torch.arange(ROWS), "text")]

    assert order(opened(make, lambda batch: {"y": batch[0]}), 0) == list(range(ROWS))


def test_closing_ends_the_epoch_in_progress_and_the_iterable() -> None:
    ended: list[str] = []

    class Closes:
        def __iter__(self) -> Iterator[object]:
            try:
                while True:
                    yield {"y": torch.zeros(4)}
            finally:
                ended.append("epoch")

        def close(self) -> None:
            ended.append("iterable")

    loader = opened(lambda _split, _config: Closes())
    batches = loader.epoch(0)
    next(batches)
    loader.close()
    loader.close()
    assert ended == ["epoch", "iterable"]
    with pytest.raises(FeedrateError, match="this epoch was interrupted"):
        next(batches)
    with pytest.raises(FeedrateError, match="epoch\\(\\) was called after close\\(\\)"):
        next(loader.epoch(1))


def test_an_abandoned_epoch_is_ended() -> None:
    ended: list[int] = []

    def make(split: Split, config: LoaderConfig) -> Iterator[object]:
        try:
            while True:
                yield {"y": torch.zeros(4)}
        finally:
            ended.append(config.seed)

    loader = opened(make)
    batches = loader.epoch(0)
    next(batches)
    del batches
    assert len(ended) == 1


class Streamed(IterableDataset[dict[str, float]]):
    """Can be read only once."""

    def __init__(self) -> None:
        self._rows = iter({"y": float(row)} for row in range(ROWS))

    def __iter__(self) -> Iterator[dict[str, float]]:
        return self._rows


def test_an_epoch_without_batches_is_an_error() -> None:
    loader = opened(lambda _split, config: DataLoader(Streamed(), config.batch_size))
    assert order(loader, 0) == list(range(ROWS))
    with pytest.raises(
        FeedrateError, match="epoch 1 has no batches: can what make returned be iterated over only once"
    ):
        order(loader, 1)


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (7, "make returned an int, but must return an iterable of batches, such as a DataLoader, or a function"),
        (None, "make returned None, but"),
        (Numbers(), "make returned a Numbers, but"),
        (DataLoader(Numbers(), 3), "DataLoader with batch_size=3, but the batch size is 4: pass batch_size=config"),
        (DataLoader(Numbers(), batch_sampler=BatchSampler(range(ROWS), 5, False)), "batch_size=5, but the batch size"),
        (DataLoader(Numbers(), 4, drop_last=True), "drop_last=True, which loses 2 of 10 rows: pass drop_last=False"),
    ],
    ids=["int", "None", "dataset", "batch size", "batch sampler", "drop_last"],
)
def test_what_make_must_not_return(made: object, sentence: str) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        opened(lambda _split, _config: made)


def test_a_function_that_returns_no_iterable_is_an_error() -> None:
    with pytest.raises(
        FeedrateError, match="the function that make returned gives an int for epoch 2, but must return"
    ):
        order(opened(lambda _split, _config: lambda epoch: epoch), 2)


def test_arguments_of_the_wrong_type_are_refused_at_once() -> None:
    for make, convert, sentence in ((7, None, "make is 7, but"), (by_function, "y", "convert is 'y', but")):
        with pytest.raises(FeedrateError, match=sentence):
            from_dataloader(make, convert)  # type: ignore[arg-type]


def test_the_adapter_says_what_it_wraps() -> None:
    adapter = from_dataloader(by_dataloader)
    assert isinstance(adapter, Adapter)
    assert adapter.backend("cpu").endswith("by_dataloader, copied to cpu batch by batch")


def test_worker_processes_deliver_the_same_order() -> None:
    assert order(opened(by_dataloader, workers=2), 1) == order(opened(by_dataloader), 1)


def test_importing_feedrate_does_not_import_torch() -> None:
    code = "import feedrate, sys; print('torch' in sys.modules, 'from_dataloader' in dir(feedrate))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )
    assert done.stdout.split() == ["False", "True"]
