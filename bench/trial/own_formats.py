"""The dataset in a loader's own format: written unless it is there, before anything is timed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from feedrate.bench.datasets.canonical import Dataset, SplitName
from feedrate.bench.host.thread_times import ThreadTimes
from feedrate.bench.results.messages import Progress
from feedrate.loaders.base import LoaderConfig
from feedrate.loaders.registry import LoaderChoice
from feedrate.loaders.toolkit.preparation import preparation_of

LIFE_S = 0.5
"""Seconds between two signs of life."""
MIN_CPU_S = 0.01
"""CPU seconds between two signs of life below which the process does nothing."""


@dataclass(frozen=True, slots=True)
class OwnFormats:
    """Where the splits are, and what it cost to write them."""

    folders: Mapping[SplitName, Path]
    seconds: float
    """Seconds of the wall, all splits together."""
    bytes: int

    @property
    def train_files(self) -> tuple[Path, ...]:
        """The files of the train split."""
        return tuple(sorted(path for path in self.folders["train"].rglob("*") if path.is_file()))


def prepare(choice: LoaderChoice, dataset: Dataset, config: LoaderConfig, say: Progress) -> OwnFormats | None:
    """Write all splits in the loader's own format unless they are there. None: the loader reads Parquet."""
    folders: dict[SplitName, Path] = {}
    for name in dataset.info.splits:
        split = dataset.split(name)
        with _signs_of_life(partial(say, f"write {name} in its own format", 0, split.rows)):
            folder = choice.prepare(split, config)
        if folder is None:
            return None
        folders[name] = folder
    costs = [preparation_of(folder) for folder in folders.values()]
    return OwnFormats(folders, sum(cost.seconds for cost in costs), sum(cost.bytes for cost in costs))


@contextmanager
def _signs_of_life(report: Callable[[], None]) -> Iterator[None]:
    """Report again and again while the process works. It stays silent if it only waits, so that a hang is noticed."""
    ended = threading.Event()

    def tell() -> None:
        before = _cpu_s()
        while not ended.wait(LIFE_S):
            now = _cpu_s()
            if now - before > MIN_CPU_S:
                report()
            before = now

    thread = threading.Thread(target=tell, name="feedrate preparation", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _cpu_s() -> float:
    times = ThreadTimes.now()
    return times.process_s + times.children_s
