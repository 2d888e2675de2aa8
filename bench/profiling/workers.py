"""Records the batches that the worker processes of torch's DataLoaders make, because no profiler of the consumer sees them.

The consumer's process times each fetch of the DataLoader's own fetchers. Workers that it forks inherit that, and write
one line a batch into a file of their own. Workers of other libraries, and spawned ones, are not seen.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from feedrate.bench.profiling.events import Range, Span
from feedrate.bench.results.range_names import BATCH


def record_batches(folder: Path) -> None:
    """Time the fetches of all worker processes that are forked from now on. Files go to `folder`."""
    from torch.utils.data._utils import fetch

    consumer = os.getpid()

    def timed(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def fetched(fetcher: Any, index: Any) -> Any:
            if os.getpid() == consumer:
                return original(fetcher, index)
            begin_ns = time.time_ns()
            try:
                return original(fetcher, index)
            finally:
                with (folder / f"{os.getpid()}.batches").open("a") as lines:
                    lines.write(f"{begin_ns} {time.time_ns()}\n")

        return fetched

    for fetcher in (fetch._MapDatasetFetcher, fetch._IterableDatasetFetcher):
        fetcher.fetch = timed(fetcher.fetch)  # type: ignore[method-assign]


def read_batches(folder: Path, offset_s: float) -> tuple[Range, ...]:
    """Read the batches of all workers. offset_s: see offset_of. Workers are numbered in the order of their process ids."""
    files = sorted(folder.glob("*.batches"), key=lambda file: int(file.stem))
    ranges = []
    for number, file in enumerate(files, start=1):
        for line in file.read_text().splitlines():
            begin_ns, _, end_ns = line.partition(" ")
            if end_ns:  # the last line may be cut if the worker was killed
                start_s, end_s = int(begin_ns) / 1e9 + offset_s, int(end_ns) / 1e9 + offset_s
                ranges.append(Range(name=BATCH, start_s=start_s, end_s=end_s, thread=f"worker {number}"))
    return tuple(ranges)


def offset_of(steps: Sequence[Span], started_ns: Sequence[int]) -> float | None:
    """Return the seconds to add to the workers' clock to get the profiler's. None if no step was recorded.

    steps: the consumer's steps in the recording. started_ns: time.time_ns() at the start of the same steps.
    """
    differences = [span.start_s - begin_ns / 1e9 for span, begin_ns in zip(steps, started_ns, strict=False)]
    return median(differences) if differences else None
