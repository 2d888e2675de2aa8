"""Shares of row groups are even, disjoint and complete."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feedrate.loaders.base import LoaderConfig
from feedrate.loaders.toolkit import Piece, bounds_of_worker, pieces_between, pieces_of_rank, windows_of

SIZES = st.lists(st.integers(0, 30), min_size=1, max_size=8)


def rows_of(sizes: list[int], pieces: list[Piece]) -> list[tuple[int, int]]:
    assert all(0 <= piece.begin < piece.end <= sizes[piece.group] for piece in pieces)
    return [(piece.group, row) for piece in pieces for row in range(piece.begin, piece.end)]


@given(sizes=SIZES, world_size=st.integers(1, 5), order=st.randoms(use_true_random=False))
def test_ranks_have_every_row_once_and_differ_by_one_row_at_most(sizes: list[int], world_size: int, order) -> None:  # type: ignore[no-untyped-def]
    numbers = list(range(len(sizes)))
    order.shuffle(numbers)
    configs = [LoaderConfig(rank=rank, world_size=world_size) for rank in range(world_size)]
    shares = [pieces_of_rank(sizes, numbers, config) for config in configs]
    counts = [sum(piece.rows for piece in share) for share in shares]
    assert counts == [config.rows_of(sum(sizes)) for config in configs]
    everything = [row for share in shares for row in rows_of(sizes, share)]
    assert everything == [(number, row) for number in numbers for row in range(sizes[number])]


def test_pieces_between_cuts_the_first_and_the_last_group() -> None:
    assert pieces_between([10, 20, 5], [2, 0, 1], 3, 18) == [Piece(2, 3, 5), Piece(0, 0, 10), Piece(1, 0, 3)]


def test_windows_hold_at_least_so_many_rows_but_for_the_last() -> None:
    pieces = [Piece(number, 0, rows) for number, rows in enumerate((4, 7, 10, 1, 2))]
    assert list(windows_of(pieces, 10, lambda piece: piece.rows)) == [pieces[:2], pieces[2:3], pieces[3:]]


@given(rows=st.integers(0, 200), batch_size=st.integers(1, 30), workers=st.integers(1, 5))
def test_workers_that_take_turns_deliver_only_one_short_batch(rows: int, batch_size: int, workers: int) -> None:
    bounds = [bounds_of_worker(rows, batch_size, worker, workers) for worker in range(workers)]
    assert [begin for begin, _ in bounds] == [0, *(end for _, end in bounds[:-1])]
    assert bounds[-1][1] == rows
    queues = [[min(batch_size, end - at) for at in range(begin, end, batch_size)] for begin, end in bounds]
    sizes = [queue[turn] for turn in range(max(map(len, queues))) for queue in queues if turn < len(queue)]
    assert sum(sizes) == rows
    assert set(sizes[:-1]) <= {batch_size}
    turns = [worker for turn in range(max(map(len, queues))) for worker in range(workers) if turn < len(queues[worker])]
    assert turns == [number % workers for number in range(len(sizes))]
