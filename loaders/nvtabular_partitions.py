"""Chooses the size of NVTabular's partitions and distributes them over the ranks."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import psutil
import pyarrow.parquet as pq
import torch

from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.parquet.decode import read_groups

HELD = 6
"""Chunks that the library holds in memory at its peak.

They are the tensors in use, those in the queue, and the next chunk as it is read, joined, cut and shuffled.
"""


def groups_per_part(groups: Sequence[int], ranks: int, maximum: int) -> int:
    """Return the number of row groups per partition, from 1 to `maximum`, that minimises the work of the busiest rank.

    Of several such numbers it returns the largest. groups: row groups of each file. No partition spans two files.
    """

    def busiest_rank(size: int) -> int:
        parts = [min(size, count - start) for count in groups for start in range(0, count, size)]
        return max(sum(parts[index] for index in share) for share in shares(parts, ranks))

    return min(range(1, maximum + 1), key=lambda size: (busiest_rank(size), -size))


def shares(sizes: Sequence[int], ranks: int) -> list[list[int]]:
    """Distribute partitions over ranks and return the indices into `sizes` of each rank, in ascending order.

    It assigns the largest partition first, and each one to the rank with the fewest rows. sizes: rows per partition.
    """
    partitions: list[list[int]] = [[] for _ in range(ranks)]
    heap = [(0, 0, rank) for rank in range(ranks)]  # rows, partitions, rank
    for index in sorted(range(len(sizes)), key=lambda index: -sizes[index]):
        rows, count, rank = heapq.heappop(heap)
        partitions[rank].append(index)
        heapq.heappush(heap, (rows + sizes[index], count + 1, rank))
    return [sorted(share) for share in partitions]


def parts_per_chunk_within(chunk_bytes: int, sizes: Sequence[int], row_bytes: float) -> int:
    """Return how many of the largest partitions fit into a chunk, at least 1. sizes: rows of each partition."""
    fitting = int(chunk_bytes / max(row_bytes * max(sizes), 1))
    return max(1, min(fitting, len(sizes)))


def row_bytes_in_memory(split: Split, *, cpu: bool) -> float:
    """Return the bytes per row in the library. In pandas a list is a NumPy array, much larger than its values."""
    groups = read_groups(split)
    if not cpu:
        return sum(group.nbytes for group in groups) / max(split.rows, 1)
    sample = next((group for group in groups if group.rows), None)
    if sample is None:
        return 1.0
    file = pq.ParquetFile(sample.file)
    frame = file.read_row_group(sample.number, columns=list(split.schema.columns)).to_pandas()
    longest = max(group.nbytes / group.rows for group in groups if group.rows)  # later row groups may have longer lists
    return float(frame.memory_usage(deep=True).sum()) / sample.rows * longest / (sample.nbytes / sample.rows)


def partitions_in_force(dataset: Any, parts_per_chunk: int, *, pool: bool) -> dict[str, object]:
    """Return the library's partition size, the number that is shuffled together, and the memory pool, for reports."""
    size = getattr(dataset.engine, "part_size", "the library's own")
    return {
        "part_size_bytes": size,
        "parts_per_chunk": parts_per_chunk,
        "memory_pool": "CUDA's, through RMM" if pool else "none",
    }


def chunk_bytes_within(config: LoaderConfig, *, cpu: bool) -> int:
    """Return the chunk size in bytes, of which HELD fit into the memory budget or else half of the free memory."""
    budget = config.memory_budget_bytes
    if budget is None:
        free = psutil.virtual_memory().available if cpu else torch.cuda.mem_get_info(config.device)[0]
        budget = free // 2
    return budget // HELD
