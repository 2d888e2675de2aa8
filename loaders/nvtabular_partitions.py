"""How NVTabular's partitions are sized and shared out among ranks."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import psutil
import pyarrow.parquet as pq
import torch

from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.parquet.decode import read_groups

HELD = 6
"""Chunks' worth of memory at the peak: tensors in use and in the queue, and the next as read, joined, cut and shuffled."""


def groups_per_part(groups: Sequence[int], ranks: int, most: int) -> int:
    """Row groups in a partition, `most` or fewer, with which the busiest rank has the least; the largest such.

    groups: how many each file has; a partition ends with its file.
    """

    def busiest(each: int) -> int:
        parts = [min(each, count - start) for count in groups for start in range(0, count, each)]
        return max(sum(parts[place] for place in share) for share in shares(parts, ranks))

    return min(range(1, most + 1), key=lambda each: (busiest(each), -each))


def shares(sizes: Sequence[int], ranks: int) -> list[list[int]]:
    """Places of `sizes` for each rank: the largest first, each to the rank that has least; in order within a rank."""
    found: list[list[int]] = [[] for _ in range(ranks)]
    least = [(0, 0, rank) for rank in range(ranks)]  # rows, partitions, rank
    for place in sorted(range(len(sizes)), key=lambda place: -sizes[place]):
        rows, partitions, rank = heapq.heappop(least)
        found[rank].append(place)
        heapq.heappush(least, (rows + sizes[place], partitions + 1, rank))
    return [sorted(share) for share in found]


def parts_per_chunk_within(chunk_bytes: int, sizes: Sequence[int], row_bytes: float) -> int:
    """How many of the largest partitions fit into a chunk; at least 1. sizes: rows of each partition."""
    fitting = int(chunk_bytes / max(row_bytes * max(sizes), 1))
    return max(1, min(fitting, len(sizes)))


def row_bytes_in_memory(split: Split, *, cpu: bool) -> float:
    """Of a row as the library holds it: a list is a NumPy array to pandas, much larger than its values."""
    groups = read_groups(split)
    if not cpu:
        return sum(group.nbytes for group in groups) / max(split.rows, 1)
    sample = next((group for group in groups if group.rows), None)
    if sample is None:
        return 1.0
    file = pq.ParquetFile(sample.file)
    frame = file.read_row_group(sample.number, columns=list(split.schema.columns)).to_pandas()
    longest = max(group.nbytes / group.rows for group in groups if group.rows)  # rows of longer lists may come later
    return float(frame.memory_usage(deep=True).sum()) / sample.rows * longest / (sample.nbytes / sample.rows)


def chunk_bytes_within(config: LoaderConfig, *, cpu: bool) -> int:
    """HELD chunks of this fit into the memory budget: without one, into half of what is free."""
    budget = config.memory_budget_bytes
    if budget is None:
        free = psutil.virtual_memory().available if cpu else torch.cuda.mem_get_info(config.device)[0]
        budget = free // 2
    return budget // HELD
