"""What pages take for granted: a prepared dataset, a run, a table of clicks. All are small, and made once a session."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.synthetic import prepare_synthetic
from feedrate.bench.results import store

PUBLISHED = Path(__file__).parents[2] / "reports" / "published" / "h200-engine-2026-11-24"
ROWS = 3_000
LOADER = """
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import feedrate

def make(split, config):
    table = pa.concat_tables(map(pq.read_table, split.files)).combine_chunks()

    def epoch(index):
        order = np.arange(split.rows)
        if config.shuffle:
            np.random.default_rng((config.seed, index)).shuffle(order)
        order = order[config.rank :: config.world_size]
        for start in range(0, len(order), config.batch_size):
            yield table.take(order[start : start + config.batch_size])

    return epoch

MyLoader = feedrate.from_dataloader(make)
"""


def dataset(path: Path) -> None:
    """Prepare a synthetic dataset."""
    prepare_synthetic(path, rows=ROWS, options=PrepareOptions(seed=1))


def run(path: Path) -> None:
    """Write a published record of the loaders cupy and native-batched, alone and in training."""
    store.write(path, store.read(PUBLISHED))


def run_of_a_loader(path: Path) -> None:
    """Write a published record of a loader alone, streaming."""
    store.write(path, store.read(PUBLISHED.parent / "h200-2026-11-26" / "stream540"))


def run_of_a_model(path: Path) -> None:
    """Write a published record of the same machine, with the model alone."""
    store.write(path, store.read(PUBLISHED.parent / "h200-2026-11-26" / "stream-train"))


def table(path: Path) -> None:
    """Write clicks as the pages describe them: to a CSV or Parquet file, or to a folder of one Parquet file."""
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "user": rng.integers(1, 50, ROWS),
            "shop": [f"shop-{number}" for number in rng.zipf(1.5, ROWS) % 40],
            "price": [
                None if gap else price for gap, price in zip(rng.random(ROWS) < 0.1, rng.random(ROWS), strict=True)
            ],
            "seen": [datetime(2026, 1, 1) + timedelta(minutes=minute) for minute in range(ROWS)],
            "clicked": rng.integers(0, 2, ROWS),
        }
    )
    if path.suffix == ".csv":
        frame.write_csv(path)
        return
    if not path.suffix:
        path.mkdir()
        path /= "part-0.parquet"
        frame = frame.drop_nulls()
    frame.write_parquet(path)


def loader(path: Path) -> None:
    """Write a module with a loader of Arrow tables in the order of (seed, epoch)."""
    path.write_text(LOADER)


def document(path: Path) -> None:
    """Write a page without tables of records."""
    path.write_text("# A page\n")


KINDS: dict[str, Callable[[Path], None]] = {
    "dataset": dataset,
    "run": run,
    "run of a loader": run_of_a_loader,
    "run of a model": run_of_a_model,
    "table": table,
    "loader": loader,
    "document": document,
}


class Shelf:
    """Makes each kind once, and copies it to where a page wants it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, kind: str, path: Path) -> None:
        """Put a copy to the path."""
        made = self.folder / f"{kind}{path.suffix}"
        if not made.exists():
            KINDS[kind](made)
        path.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if made.is_dir() else shutil.copy2
        copy(made, path)
