"""torch-resident gathers epochs in blocks if memory is short."""

from __future__ import annotations

import pytest
import torch

from feedrate.loaders.adapters import torch_resident
from feedrate.loaders.base import Batch, Loader, LoaderConfig, NoOptions, Split
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable
from feedrate.loaders.toolkit import read_columns


def opened(split: Split, budget: int | None = None, batch_size: int = 512) -> Loader:
    config = LoaderConfig(batch_size=batch_size, memory_budget_bytes=budget)
    return torch_resident.ADAPTER.open(split, config, NoOptions())


def blocks(batches: list[Batch]) -> int:
    """The number of different pieces of memory that the labels lie in."""
    return len({batch.label.untyped_storage().data_ptr() for batch in batches})


def same(first: list[Batch], second: list[Batch]) -> bool:
    return all(
        torch.equal(one, other)
        for pair in zip(first, second, strict=True)
        for one, other in zip(*(batch.tensors() for batch in pair), strict=True)
    )


def test_an_epoch_is_gathered_at_once_and_batches_are_views(planted: Split) -> None:
    assert blocks(list(opened(planted).epoch(0))) == 1


def test_a_small_budget_gives_the_same_batches_in_blocks(planted: Split) -> None:
    columns = read_columns(planted)
    columns_bytes = sum(tensor.nbytes for tensor in columns.slice(0, columns.rows).tensors())
    whole = list(opened(planted).epoch(1))
    in_blocks = list(opened(planted, budget=2 * columns_bytes).epoch(1))
    assert blocks(in_blocks) > 2
    assert same(whole, in_blocks)


def test_many_small_batches_are_gathered_in_blocks(planted: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(opened(planted, batch_size=64).epoch(1))
    monkeypatch.setattr(torch_resident, "MAX_BATCHES", 50)
    in_blocks = list(opened(planted, batch_size=64).epoch(1))
    assert blocks(in_blocks) == 4
    assert same(whole, in_blocks)


def test_a_budget_that_the_rows_do_not_fit_into_is_refused_with_what_they_need(planted: Split) -> None:
    with pytest.raises(FeedrateError, match=r"takes [\d,]+ bytes, but may use 1,000: use cupy") as refused:
        opened(planted, budget=1000)
    needed = int(str(refused.value).split("takes ")[1].split(" bytes")[0].replace(",", ""))
    assert len(list(opened(planted, budget=needed).epoch(0))) == 20


def test_a_rank_without_rows_has_no_batches(planted: Split) -> None:
    config = LoaderConfig(rank=planted.rows, world_size=planted.rows + 1)
    assert list(torch_resident.ADAPTER.open(planted, config, NoOptions()).epoch(0)) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a CUDA device")
def test_without_a_gpu_the_adapter_says_so() -> None:
    with pytest.raises(LoaderUnavailable, match=r"needs cuda, but torch sees 0 CUDA device\(s\)"):
        torch_resident.ADAPTER.backend("cuda")
