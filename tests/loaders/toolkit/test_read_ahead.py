"""Reading ahead keeps the order, hands on errors and stops when it is closed."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from feedrate.loaders.toolkit import read_ahead


def noted(read: list[int], reached: threading.Semaphore) -> Callable[[int], int]:
    def reading(item: int) -> int:
        read.append(item)
        reached.release()
        return item * 10

    return reading


@pytest.mark.parametrize("ahead", [0, 1, 3, 100])
def test_results_come_in_order(ahead: int) -> None:
    assert list(read_ahead(lambda item: item * 10, range(7), ahead=ahead)) == [0, 10, 20, 30, 40, 50, 60]


def test_only_so_many_items_are_read_before_they_are_needed() -> None:
    read: list[int] = []
    reached = threading.Semaphore(0)
    results = read_ahead(noted(read, reached), range(7), ahead=2)
    assert next(results) == 0
    assert all(reached.acquire(timeout=10) for _ in range(3))
    assert not reached.acquire(timeout=0.05)
    assert read == [0, 1, 2]
    results.close()


def test_an_error_is_raised_where_its_result_is_due() -> None:
    results = read_ahead(lambda item: 1 // item, [1, 0, 1], ahead=2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_closing_ends_the_thread() -> None:
    before = threading.active_count()
    results = read_ahead(lambda item: item, range(7), ahead=2)
    next(results)
    assert threading.active_count() == before + 1
    results.close()
    assert threading.active_count() == before
