"""arrow mixes rows within windows, which the memory budget can make smaller."""

from __future__ import annotations

import threading

import pytest

from feedrate.loaders.adapters.arrow import ADAPTER, ArrowOptions
from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.decode import read_groups


def first_rows(split: Split, options: ArrowOptions, budget: int | None = None) -> set[int]:
    """The file's thousands that the rows of the first batches are from."""
    loader = ADAPTER.open(split, LoaderConfig(batch_size=100, memory_budget_bytes=budget), options)
    batches = loader.epoch(0)
    return {row // 1000 for _ in range(10) for row in next(batches).ids["row"].tolist()}


def test_all_rows_are_mixed_if_they_fit_into_a_window(planted: Split) -> None:
    assert first_rows(planted, ArrowOptions()) >= set(range(10))


def test_a_small_window_holds_few_row_groups(planted: Split) -> None:
    assert len(first_rows(planted, ArrowOptions(window_rows=2000))) <= 6


def test_a_memory_budget_makes_the_window_smaller(planted: Split) -> None:
    largest = max(group.nbytes for group in read_groups(planted))
    assert len(first_rows(planted, ArrowOptions(), budget=6 * largest)) <= 6


def test_a_budget_below_the_largest_row_group_is_refused_with_what_it_needs(planted: Split) -> None:
    with pytest.raises(FeedrateError, match=r"budget is 1,000 bytes, but arrow needs [\d,]+ for the largest row group"):
        first_rows(planted, ArrowOptions(), budget=1000)


def test_an_abandoned_epoch_leaves_no_thread(planted: Split) -> None:
    before = threading.active_count()
    loader = ADAPTER.open(planted, LoaderConfig(batch_size=100), ArrowOptions(window_rows=1000))
    batches = loader.epoch(0)
    next(batches)
    assert threading.active_count() > before
    del batches
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("options", "message"), [({"window_rows": -1}, "window_rows is -1"), ({"read_ahead": 2}, "read_ahead is 2")]
)
def test_invalid_options_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(FeedrateError, match=message):
        ArrowOptions(**options)  # type: ignore[arg-type]
