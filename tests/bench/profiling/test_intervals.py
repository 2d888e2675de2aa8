"""Against the same counted on a grid."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feedrate.bench.profiling.intervals import clipped, common, gaps, length, union

some = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 10)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=12
)


def _cells(intervals: list[tuple[int, int]]) -> set[int]:
    return {cell for start, end in intervals for cell in range(start, end)}


@given(some, some, st.integers(0, 30), st.integers(0, 30))
def test_lengths_are_those_of_cells(
    one: list[tuple[int, int]], other: list[tuple[int, int]], begin: int, size: int
) -> None:
    window = (begin, begin + size)
    assert length(union(one)) == len(_cells(one))
    assert common(union(one), union(other)) == len(_cells(one) & _cells(other))
    within = union(clipped(one, window))
    assert length(within) == len(_cells(one) & _cells([window]))
    assert length(gaps(within, window)) == size - length(within)
    assert all(end < start for (_, end), (start, _) in zip(within, within[1:], strict=False))
