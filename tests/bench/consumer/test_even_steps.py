"""Ranks whose batches differ in number take as many steps."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier
from typing import Any

import pytest

from feedrate.bench.consumer.even_steps import EvenSteps
from feedrate.loaders.errors import FeedrateError


class CountingStep:
    """Notes for which batches it was called, and whether it only took part."""

    def __init__(self) -> None:
        self.learned, self.took_part = list[Any](), list[Any]()

    def __call__(self, batch: Any) -> Any:
        self.learned.append(batch)

    def take_part(self, batch: Any) -> None:
        self.took_part.append(batch)

    predict = take_part

    def flush(self) -> None:
        raise AssertionError

    least_bytes = flush


@dataclass
class Threads:
    """Ranks in threads of this process."""

    rank: int
    values: list[bytes]
    meeting: Barrier
    size: int = field(default=2)
    local_rank: int = 0

    def all(self, value: bytes) -> list[bytes]:
        self.values[self.rank] = value
        self.meeting.wait(10)
        values = list(self.values)
        self.meeting.wait(10)
        return values

    def barrier(self) -> None:
        raise AssertionError

    def step_begins(self) -> None:
        """Do nothing."""


def in_threads(work: Callable[[Threads], CountingStep]) -> list[CountingStep]:
    values, meeting = [b""] * 2, Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(work, [Threads(rank, values, meeting) for rank in range(2)]))


@pytest.mark.parametrize("steps", [2, 3, 5])
def test_ranks_take_the_steps_of_the_one_with_most_batches(steps: int) -> None:
    """Even if those are more than the shards' rows said."""

    def work(group: Threads) -> CountingStep:
        step: Any = CountingStep()
        even = EvenSteps(step, group)
        for _ in range(2):
            with even.learning(steps):
                for batch in range((5, 2)[group.rank]):
                    even(batch)  # type: ignore[arg-type]
        return step  # type: ignore[no-any-return]

    first, second = in_threads(work)
    assert (first.learned, first.took_part) == (2 * [0, 1, 2, 3, 4], [])
    assert (second.learned, second.took_part) == (2 * [0, 1], 2 * [1, 1, 1])


def test_a_rank_without_a_batch_cannot_take_part() -> None:
    step: Any = CountingStep()
    with (
        pytest.raises(FeedrateError, match="this rank has no batch for the steps that the others take"),
        EvenSteps(step, Threads(0, [b""], Barrier(1), size=1)).learning(1),
    ):
        pass
