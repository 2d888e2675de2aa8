"""A twin of Criteo's click logs in shape: 13 counts, 26 categorical columns, few clicks, and a planted model behind them.

Rows are independent draws, so they are shuffled. The label is drawn from a known probability, so the best AUC that any
model can reach is known, too. Memory stays bounded, whatever the number of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.datasets.criteo.clicks import LABEL, World, draw, make_world
from feedrate.bench.datasets.criteo.streaming_auc import StreamingAuc
from feedrate.bench.datasets.drawing import Drawing
from feedrate.bench.datasets.options import DEFAULTS, PrepareOptions
from feedrate.bench.datasets.rows.hashed_rows import SplitRows, split_rows
from feedrate.bench.datasets.writer import new_dataset
from feedrate.loaders.errors import FeedrateError

SOURCE = "synthetic-criteo"
VALID_EVERY = 5
CHUNK_ROWS = VALID_EVERY * 65_536
"""Rows that are drawn at a time: 262,144 for training, which is one row group by default, and 65,536 for validation."""
MIN_ROWS = 10_000
"""With fewer rows and few clicks, the valid split might have none."""
POSITIVE_FRACTION = 0.03
"""Default share of clicks: that of Criteo's Terabyte logs. The Kaggle rows have 0.256, because most rows without a click were left out."""
MIN_POSITIVE_FRACTION, MAX_POSITIVE_FRACTION = 0.01, 0.5


def prepare_synthetic_criteo(
    folder: Path,
    options: PrepareOptions = DEFAULTS,
    *,
    rows: int,
    positive_fraction: float = POSITIVE_FRACTION,
) -> Dataset:
    """Write `rows` rows, every fifth of them to the valid split. The same rows, seed and share give the same data.

    Progress is in rows. Raises FeedrateError for fewer than 10,000 rows, or a share outside 0.01..0.5.
    """
    if rows < MIN_ROWS:
        raise FeedrateError(f"--rows is {rows}, but {SOURCE} needs at least {MIN_ROWS}")
    if not MIN_POSITIVE_FRACTION <= positive_fraction <= MAX_POSITIVE_FRACTION:
        raise FeedrateError(
            f"positive_fraction is {positive_fraction:g}, but must be from {MIN_POSITIVE_FRACTION} to {MAX_POSITIVE_FRACTION}"
        )
    seed = options.seed
    world = make_world(rows, positive_fraction, np.random.default_rng((seed, 0)))
    best = StreamingAuc()
    with new_dataset(folder, world.schema, options) as writer:
        done, drawing = 0, Drawing(world=world, rows=rows, seed=seed, part_rows=CHUNK_ROWS)
        for part, log_odds, clicked in options.runner.run(draw_part, drawing, drawing.parts):
            writer.add_split(part)
            best.add(log_odds, clicked)
            done += part.rows
            options.progress(done, rows)
        provenance = {
            "source": SOURCE,
            "rows": rows,
            "seed": seed,
            "positive_fraction": positive_fraction,
            "continuous": "raw counts with long tails, missing ones filled with 0",
        }
        writer.finish(f"{SOURCE}, {rows:,} rows", provenance, best_auc=round(best.result(), 6))
    return read_dataset(folder)


def draw_part(drawing: Drawing[World], number: int) -> Iterator[tuple[SplitRows, np.ndarray, np.ndarray]]:
    """Yield the rows of a part, and the log-odds and clicks of the valid ones."""
    places, rng = drawing.part(number)
    columns, log_odds = draw(drawing.world, len(places), rng)
    valid = places % VALID_EVERY == VALID_EVERY - 1
    yield split_rows(pa.table(columns), valid, drawing.world.schema), log_odds[valid], columns[LABEL][valid]
