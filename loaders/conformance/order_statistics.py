"""Statistics that tell a shuffle from an order that keeps rows together, with limits that an ideal shuffle never reaches.

Each statistic counts coincidences and has a limit: the larger of a share of the rows, which a wrong order exceeds by
far, and the least count that an ideal shuffle of so many rows reaches with a probability below FALSE_ALARM. A count at the
limit is a mistake. A whole check makes fewer than 1,000 such tests, so it accuses an ideal shuffle with a probability
below 1e-6. With too few rows the limit exceeds the rows, and nothing is judged.

The bound is that of Markov for the number of m-sets of coincidences. A coincidence ties the place of a row to the place
of another one: given one row, at most `choices` places are left for the other. The m coincidences of a set form c runs,
which involve m + c rows. At most C(m-1, c-1) C(n, c) sets of m have c runs. At most n^c choices^m placements satisfy such a
set, and each has the probability (n-m-c)! / n! in a random order of n rows. The sum over c bounds the expected number of
sets, and so the probability of m coincidences.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, exp, inf, lgamma, log

import numpy as np

FALSE_ALARM = 1e-9
"""Upper bound of the probability that one statistic of an ideal shuffle reaches its limit."""
MIN_ROWS = 13
"""Rows from which two equal orders are a mistake: 13! > 1 / FALSE_ALARM."""
IN_PIECES = "in pieces that moved"
"""How `relation` describes an order that keeps neighbours of another one in many places."""
KEPT_SHARE = 0.4
"""Share of neighbouring rows of one order that are neighbours in another, from which both count as the same order.

If fewer than 20 % of the rows moved, more than 60 % of the neighbours are still neighbours.
"""
CLOSE = 4
"""Rows whose numbers differ by at most this are neighbours in the file."""
CLOSE_SHARE = 0.1
"""Share of successive rows that are neighbours in the file. Shuffled blocks of 80 contiguous rows reach it."""
REPEATED_SHARE = 0.05
"""Share of the rows that follow a pattern that another part of the order has, too."""
SAME_HALF = 0.7
"""Share of the rows in the first half of an epoch that are in the first half of another one."""
MIN_HALF = 260
"""Rows in a half from which SAME_HALF is judged: exp(-2 260 0.2^2) < FALSE_ALARM."""
OVERLAP_SHARE = 0.8
"""Share of the rows of a batch that were together in one batch of another epoch."""


def limit(rows: int, *, choices: int, share: float, tests: int = 1) -> int:
    """Return the count of coincidences from which an order of `rows` rows is a mistake.

    tests: the number of statistics of which the largest is taken. Each has the same limit.
    """
    return max(ceil(share * rows), _rare_count(rows, choices, tests))


@lru_cache(maxsize=1024)
def _rare_count(rows: int, choices: int, tests: int) -> int:
    """Return the least count whose probability bound, times `tests`, is below FALSE_ALARM. At most rows + 1."""
    count = choices
    while count <= rows and tests * coincidence_bound(rows, count, choices) >= FALSE_ALARM:
        count += 1
    return min(count, rows + 1)


def coincidence_bound(rows: int, count: int, choices: int) -> float:
    """Bound the probability that a random order of `rows` rows has at least `count` coincidences. See the module."""
    total = 0.0
    for runs in range(1, count + 1):
        if count + runs > rows:
            break
        logarithm = (
            _log_choose(count - 1, runs - 1)
            + _log_choose(rows, runs)
            + runs * log(rows)
            + count * log(choices)
            + lgamma(rows - count - runs + 1)
            - lgamma(rows + 1)
        )
        total += exp(min(logarithm, 50.0))
    return total if count + 1 <= rows else inf


def kept_neighbours(first: np.ndarray, second: np.ndarray) -> tuple[int, int]:
    """Count successive rows of the first order that are successive in the second one, in either direction.

    Only rows of both orders count. Returns the count and its limit. Rotations, reversals, moved batches and a few swaps keep
    most neighbours, and so does any mixture of them.
    """
    first, places = _common(first, second)
    steps = np.abs(np.diff(places))
    count = int(np.sum((steps == 1) | (steps == len(first) - 1)))
    return count, limit(len(first), choices=2, share=KEPT_SHARE)


def relation(first: np.ndarray, second: np.ndarray) -> str:
    """Describe how the second order repeats the first one, as the end of a sentence."""
    first, places = _common(first, second)
    rows = len(first)
    shifts = (places - np.arange(rows)) % rows
    values, counts = np.unique(shifts, return_counts=True)
    shift, moved = int(values[counts.argmax()]), rows - int(counts.max())
    if moved > 0.5 * rows:
        return "reversed" if np.all(np.diff(places) == -1) else IN_PIECES
    swapped = f", but for {moved:,} rows that moved" if moved else ""
    return (f"rotated by {shift:,} rows" if shift else "unchanged") + swapped


def batches_again(first: np.ndarray, second: np.ndarray, batch_size: int) -> bool:
    """Return whether most rows of the second order are in a batch with the same rows as in the first order.

    A batch counts with its largest overlap with one batch of the first order. A share of OVERLAP_SHARE over all batches
    needs a batch of B rows in which m = ceil(OVERLAP_SHARE B) were together. The expected number of such m-sets in an ideal
    shuffle of n rows is at most batches^2 C(B, m) B! / (B-m)! (n-m)! / n!, which must be below FALSE_ALARM.
    """
    rows = min(len(first), len(second))
    batches = -(-rows // batch_size)
    together = ceil(OVERLAP_SHARE * batch_size)
    if batches < 2 or batch_size < 2 or len(first) != len(second):
        return False
    bound = (
        2 * log(batches)
        + _log_choose(batch_size, together)
        + lgamma(batch_size + 1)
        - lgamma(batch_size - together + 1)
        + lgamma(rows - together + 1)
        - lgamma(rows + 1)
    )
    if bound >= log(FALSE_ALARM):
        return False
    _, places = _common(second, first)
    if len(places) < rows:
        return False
    pairs = (np.arange(rows) // batch_size) * batches + places // batch_size
    keys, counts = np.unique(pairs, return_counts=True)
    largest = np.zeros(batches, np.int64)
    np.maximum.at(largest, keys // batches, counts)
    return bool(largest.sum() >= OVERLAP_SHARE * rows)


def same_half(first: np.ndarray, second: np.ndarray) -> float:
    """Return the share of the first order's first half that is in the second order's first half. An ideal shuffle: 0.5.

    By Hoeffding (1963), a sample of m rows without replacement exceeds 0.5 + t with a probability of at most exp(-2 m t^2).
    With SAME_HALF = 0.5 + t and MIN_HALF rows in a half, this is below FALSE_ALARM.
    """
    half = len(first) // 2
    return float(np.isin(first[:half], second[:half]).mean()) if half else 0.0


def close_rows(order: np.ndarray) -> tuple[int, int]:
    """Count successive rows whose numbers differ by at most CLOSE. Returns the count and its limit."""
    count = int(np.sum(np.abs(np.diff(order)) <= CLOSE))
    return count, limit(len(order), choices=2 * CLOSE, share=CLOSE_SHARE)


def equal_steps(order: np.ndarray, lag: int) -> tuple[int, int, int]:
    """Count rows that differ by the most frequent step from the row `lag` places later.

    Returns the count, its limit and the step. Workers that share a seed give the same step from batch to batch.
    """
    rows = len(order)
    if lag >= rows:
        return 0, 1, 0
    steps, counts = np.unique(order[lag:] - order[:-lag], return_counts=True)
    most = int(counts.argmax())
    return int(counts[most]), limit(rows, choices=1, share=REPEATED_SHARE, tests=2 * rows), int(steps[most])


def repeated_patterns(order: np.ndarray) -> tuple[int, int]:
    """Count the rows that start a pattern of steps that starts at another row, too. Returns the count and its limit.

    Two given patterns of k steps are equal with a probability of at most 1 / (n-2k)^k in an ideal shuffle of n rows, so
    n^2 / (n-2k)^k bounds the probability of any repetition. k is chosen such that this is below FALSE_ALARM.
    """
    rows = len(order)
    length = 3
    while 2 * length < rows and 2 * log(rows) - length * log(rows - 2 * length) >= log(FALSE_ALARM):
        length += 1
    if 2 * length >= rows or length > 16:
        return 0, 1
    steps = np.diff(order)
    keys = np.zeros(len(steps) - length + 1, np.uint64)
    for offset in range(length):  # a polynomial hash modulo 2^64 with an odd multiplier: equal patterns have equal keys
        part = steps[offset : offset + len(keys)].astype(np.uint64)
        keys = (keys + part) * np.uint64(0x9E3779B97F4A7C15)
        keys ^= keys >> np.uint64(29)
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return int(np.sum(counts[inverse] > 1)), max(1, ceil(REPEATED_SHARE * rows))


def _common(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the first order that are in both, and their places among these rows in the second order."""
    kept = first[np.isin(first, second)]
    other = second[np.isin(second, first)]
    sorter = np.argsort(other, kind="stable")
    return kept, sorter[np.searchsorted(other, kept, sorter=sorter)]


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) if 0 <= k <= n else -inf
