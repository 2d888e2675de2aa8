"""Compares lengths of intervals with counts of the grid cells that they cover."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feedrate.bench.profiling.intervals import clipped, gaps, length, overlap_length, union

intervals = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 10)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=12
)


def _cells(intervals: list[tuple[int, int]]) -> set[int]:
    return {cell for start, end in intervals for cell in range(start, end)}


@given(intervals, intervals, st.integers(0, 30), st.integers(0, 30))
def test_lengths_are_those_of_cells(
    left: list[tuple[int, int]], right: list[tuple[int, int]], begin: int, size: int
) -> None:
    window = (begin, begin + size)
    assert length(union(left)) == len(_cells(left))
    assert overlap_length(union(left), union(right)) == len(_cells(left) & _cells(right))
    within = union(clipped(left, window))
    assert length(within) == len(_cells(left) & _cells([window]))
    assert length(gaps(within, window)) == size - length(within)
    assert all(end < start for (_, end), (start, _) in zip(within, within[1:], strict=False))
