"""The limits of the order statistics: an ideal shuffle stays below them, at any size, and each kept order exceeds one."""

from __future__ import annotations

from dataclasses import replace
from math import factorial

import numpy as np
import pytest

from feedrate.loaders import registry
from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.conformance import Case, check, order_statistics
from feedrate.loaders.conformance.order_statistics import (
    batches_again,
    close_rows,
    coincidence_bound,
    equal_steps,
    kept_neighbours,
    relation,
    repeated_patterns,
    same_half,
)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8, 20, 64, 300, 3000])
def test_an_ideal_shuffle_is_never_accused(rows: int) -> None:
    rng = np.random.default_rng(rows)
    for _ in range(400):
        first, second = rng.permutation(rows), rng.permutation(rows)
        for count, limit in (
            kept_neighbours(first, second),
            close_rows(first),
            equal_steps(first, 1)[:2],
            equal_steps(first, 4)[:2],
            repeated_patterns(first),
        ):
            assert count < limit
        assert not batches_again(first, second, 4)
        assert rows < 2 * order_statistics.MIN_HALF or same_half(first, second) < order_statistics.SAME_HALF


def test_the_bound_holds_for_every_count_of_small_shuffles() -> None:
    """All orders of seven rows, against the file: successive rows whose numbers differ by 1."""
    from itertools import permutations

    rows = 7
    counts = np.array([np.sum(np.abs(np.diff(order)) == 1) for order in permutations(range(rows))])
    for count in range(1, rows):
        assert np.mean(counts >= count) <= coincidence_bound(rows, count, choices=2)


def test_the_bound_approaches_poisson_s_for_many_rows() -> None:
    for count in (1, 3, 10):
        assert coincidence_bound(10**6, count, choices=2) == pytest.approx(2**count / factorial(count), rel=1e-3)


def test_limits_at_10_007_rows_are_the_shares() -> None:
    assert [order_statistics.limit(10_007, choices=c, share=s) for c, s in ((2, 0.4), (8, 0.1))] == [4003, 1001]
    assert order_statistics.limit(8, choices=2, share=0.4) == 9, "eight rows cannot be judged"


@pytest.mark.parametrize("moved_fraction", [0.0, 0.1, 0.19])
def test_an_order_of_which_fewer_than_a_fifth_moved_is_the_same(moved_fraction: float) -> None:
    rng = np.random.default_rng(0)
    first = rng.permutation(2000)
    second = first.copy()
    places = rng.choice(2000, int(2000 * moved_fraction), replace=False)
    second[places] = second[np.roll(places, 1)]
    for other in (second, np.roll(second, 300)):
        count, limit = kept_neighbours(first, other)
        assert count >= limit
    assert relation(first, np.roll(first, 300)) == "rotated by 300 rows"
    assert relation(first, first[::-1]) == "reversed"
    assert (
        relation(first, np.concatenate([first[k : k + 100] for k in rng.permutation(20) * 100]))
        == "in pieces that moved"
    )


@pytest.mark.parametrize("batch_size", [8, 64])
def test_workers_with_one_seed_are_found_however_their_parts_are_cut(batch_size: int) -> None:
    rng = np.random.default_rng(0)
    local = rng.permutation(512)
    for parts in ([local + 512 * worker for worker in range(4)], [local * 4 + worker for worker in range(4)]):
        in_turns = np.concatenate(
            [part[start : start + batch_size] for start in range(0, 512, batch_size) for part in parts]
        )
        one_after_the_other = np.concatenate(parts)
        assert equal_steps(in_turns, batch_size)[0] >= equal_steps(in_turns, batch_size)[1]
        assert repeated_patterns(one_after_the_other)[0] >= repeated_patterns(one_after_the_other)[1]


@pytest.mark.parametrize("block", [2, 5, 50])
def test_blocks_of_the_file_are_found_even_if_they_are_shuffled_inside(block: int) -> None:
    rng = np.random.default_rng(0)
    blocks = [rng.permutation(block) + start * block for start in rng.permutation(5000 // block)]
    count, limit = close_rows(np.concatenate(blocks))
    assert count >= limit


def test_a_declared_partial_shuffle_deviates(planted: Split) -> None:
    choice = registry.choose("planted:fault=blocks_kept")
    declared = replace(choice, adapter=replace(choice.adapter, deviations={"neighbours_apart": "blocks of 32 rows"}))
    results = [result for result in check(Case(declared, planted, LoaderConfig(batch_size=512))) if result.detail]
    assert [(result.rule, result.outcome) for result in results] == [("neighbours_apart", "deviates")]
    assert results[0].detail.endswith("(declared: blocks of 32 rows)")


def test_few_rows_in_tiny_batches_are_not_accused(tmp_path_factory: pytest.TempPathFactory) -> None:
    from feedrate.loaders.conformance import planted_split

    for rows, batch_size in ((40, 1), (40, 10), (100, 3)):
        split = planted_split(tmp_path_factory.mktemp("few"), rows=rows)
        for seed in range(5):
            case = Case(registry.choose("native-batched"), split, LoaderConfig(batch_size=batch_size, seed=seed))
            assert [result for result in check(case) if result.outcome != "passed"] == []
