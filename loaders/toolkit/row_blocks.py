"""Cuts a split into blocks of rows, for formats that store samples: each block is one sample of named arrays.

A sample for each row would cost Python code for each row. A block costs as much, and holds thousands of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from feedrate.loaders.base import Batch, LoaderConfig, Schema, Split
from feedrate.loaders.phases import phase
from feedrate.loaders.toolkit.batches.arrow_batches import batch_of_arrow
from feedrate.loaders.toolkit.batches.rebatch import rebatch
from feedrate.loaders.toolkit.order.shares import Piece
from feedrate.loaders.toolkit.order.shuffled_pieces import shuffled_pieces

Block = Mapping[str, np.ndarray]
"""Arrays of a block's rows by name_of_array: int32 ids, values and offsets, and float32 numbers."""


def names_of_arrays(schema: Schema) -> dict[str, str]:
    """Return the name of each array of a block, with its dtype, "int32" or "float32". The kind comes before the name."""
    single = [f"ids/{column.name}" for column in schema.single_hot]
    bags = [f"{part}/{column.name}" for column in schema.multi_hot for part in ("values", "offsets")]
    numbers = [*(f"dense/{name}" for name in schema.continuous), f"label/{schema.label}"]
    return {**dict.fromkeys([*single, *bags], "int32"), **dict.fromkeys(numbers, "float32")}


def row_blocks(split: Split, block_rows: int) -> Iterator[Block]:
    """Yield the split's rows in order, as blocks of block_rows rows. The last one may be shorter."""
    columns = list(split.schema.columns)
    records = (batch for file in split.files for batch in pq.ParquetFile(file).iter_batches(columns=columns))
    for block in rebatch((batch_of_arrow(record, split.schema) for record in records), block_rows):
        bags = {f"values/{name}": values for name, (values, _) in block.bags.items()}
        bags |= {f"offsets/{name}": offsets for name, (_, offsets) in block.bags.items()}
        flat = {f"ids/{name}": ids for name, ids in block.ids.items()}
        flat |= {f"dense/{name}": numbers for name, numbers in block.dense.items()}
        tensors = {**flat, **bags, f"label/{split.schema.label}": block.label}
        yield {name: tensors[name].numpy() for name in names_of_arrays(split.schema)}


def table_of_block(block: Block, schema: Schema) -> pa.Table:
    """Return a block as an Arrow table that shares its memory."""
    columns = {column.name: pa.array(block[f"ids/{column.name}"]) for column in schema.single_hot}
    for column in schema.multi_hot:
        offsets, values = (pa.array(block[f"{part}/{column.name}"]) for part in ("offsets", "values"))
        columns[column.name] = pa.ListArray.from_arrays(offsets, values)
    columns |= {name: pa.array(block[f"dense/{name}"]) for name in schema.continuous}
    return pa.table({**columns, schema.label: pa.array(block[f"label/{schema.label}"])})


def shuffled_blocks(
    read: Callable[[int], Block], split: Split, config: LoaderConfig, epoch: int, *, block_rows: int, window_rows: int
) -> Iterator[Batch]:
    """Yield the batches of an epoch: this rank's blocks in random order, their rows mixed in windows of several blocks.

    read: returns a block by its number, in a thread that is ahead of the consumer. window_rows: rows that are mixed together.
    """
    full, last = divmod(split.rows, block_rows)
    sizes = [block_rows] * full + [last] * (last > 0)

    def read_piece(piece: Piece) -> pa.Table:
        with phase("decode", piece.rows):
            return table_of_block(read(piece.group), split.schema).slice(piece.begin, piece.rows)

    yield from shuffled_pieces(read_piece, sizes, split.schema, config, epoch, window_rows=window_rows)
