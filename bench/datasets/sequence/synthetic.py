"""Rows with a history of 1 to 200 ids, a target item and a user. The label comes from a planted model.

Rows are independent draws, so they are shuffled. The label is drawn from a known probability, so the best AUC that any
model can reach is known, too. Memory stays bounded, whatever the number of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.datasets.criteo.streaming_auc import StreamingAuc
from feedrate.bench.datasets.drawing import Drawing
from feedrate.bench.datasets.options import DEFAULTS, PrepareOptions
from feedrate.bench.datasets.rows.hashed_rows import SplitRows, split_rows
from feedrate.bench.datasets.sequence.interests import HISTORY, ITEM, LABEL, USER, Rows, World, draw, make_world
from feedrate.bench.datasets.writer import new_dataset
from feedrate.loaders.errors import FeedrateError

SOURCE = "synthetic-sequence"
VALID_EVERY = 5
CHUNK_ROWS = VALID_EVERY * 65_536
"""Rows that are drawn at a time: 262,144 for training, which is one row group by default, and 65,536 for validation."""
MIN_ROWS = 1000


def prepare_synthetic_sequence(folder: Path, options: PrepareOptions = DEFAULTS, *, rows: int) -> Dataset:
    """Write `rows` rows, every fifth of them to the valid split. The same rows and seed give the same data.

    Progress is in rows. Raises FeedrateError for fewer than 1000 rows.
    """
    if rows < MIN_ROWS:
        raise FeedrateError(f"--rows is {rows}, but {SOURCE} needs at least {MIN_ROWS}")
    seed = options.seed
    world = make_world(rows, np.random.default_rng((seed, 0)))
    best = StreamingAuc()
    with new_dataset(folder, world.schema, options) as writer:
        done, drawing = 0, Drawing(world=world, rows=rows, seed=seed, part_rows=CHUNK_ROWS)
        for part, log_odds, clicked in options.runner.run(draw_part, drawing, drawing.parts):
            writer.add_split(part)
            best.add(log_odds, clicked)
            done += part.rows
            options.progress(done, rows)
        provenance = {"source": SOURCE, "rows": rows, "seed": seed}
        writer.finish(f"{SOURCE}, {rows:,} rows", provenance, best_auc=round(best.result(), 6))
    return read_dataset(folder)


def draw_part(drawing: Drawing[World], number: int) -> Iterator[tuple[SplitRows, np.ndarray, np.ndarray]]:
    """Yield the rows of a part, and the log-odds and clicks of the valid ones."""
    places, rng = drawing.part(number)
    drawn = draw(drawing.world, len(places), rng)
    valid = places % VALID_EVERY == VALID_EVERY - 1
    yield split_rows(table_of(drawn), valid, drawing.world.schema), drawn.log_odds[valid], drawn.clicked[valid]


def table_of(rows: Rows) -> pa.Table:
    """Return the rows as a table with the columns of the schema."""
    history = pa.ListArray.from_arrays(pa.array(rows.offsets, pa.int32()), pa.array(rows.history))
    return pa.table({USER: rows.user, ITEM: rows.item, HISTORY: history, LABEL: rows.clicked})
