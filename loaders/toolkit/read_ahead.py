"""Reads pieces of data in a thread while the ones before them are used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from feedrate.loaders.phases import phase

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(
    read: Callable[[Item], Result], items: Iterable[Item], *, ahead: int, threads: int = 1
) -> Generator[Result]:
    """Yield read(item) for each item, in order. Threads, usually one, read up to `ahead` items before they are needed.

    ahead: 0 reads each item when it is needed, still in the thread. An error of read() is raised where its result is due.
    Close the generator if you leave it early: that waits for the read in progress and drops the others.
    """
    with ThreadPoolExecutor(threads) as pool:
        reads: deque[Future[Result]] = deque()
        try:
            for item in items:
                reads.append(pool.submit(read, item))
                if len(reads) > ahead:
                    yield _waited(reads.popleft())
            while reads:
                yield _waited(reads.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def _waited(read: Future[Result]) -> Result:
    if read.done():
        return read.result()
    with phase("wait"):
        return read.result()
