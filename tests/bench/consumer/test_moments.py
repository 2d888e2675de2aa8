"""The time of work beside other work: intervals that overlap count once."""

from __future__ import annotations

import pytest

from feedrate.bench.consumer.moments import length_of_union


@pytest.mark.parametrize(
    ("moments", "length"),
    [([], 0), ([(1, 3)], 2), ([(1, 3), (2, 5)], 4), ([(4, 5), (1, 2)], 2), ([(1, 9), (2, 3)], 8)],
)
def test_what_overlaps_counts_once(moments: list[tuple[float, float]], length: float) -> None:
    assert length_of_union(moments) == length
