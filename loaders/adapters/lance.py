"""Lance: fragments in random order with their rows mixed in windows, or rows taken at random.

The advice is that of its documentation: read fragments in parallel by scans, and give each process its own fragments.
https://lancedb.github.io/lance/integrations/pytorch

`lance:random` takes rows at random instead, which is what the format is known for. A take of a window at once is several
times faster than one of each batch. The fragments are written once, beside the dataset.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, Split
from feedrate.loaders.errors import require_bool, require_whole
from feedrate.loaders.parquet.stored import open_parquet
from feedrate.loaders.phases import phase
from feedrate.loaders.toolkit import (
    Piece,
    batch_of_arrow,
    batch_to,
    batch_views,
    epoch_order,
    import_library,
    prepared_folder,
    shuffled_pieces,
)

ROWS = "rows"
"""Name of the Lance dataset in its folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanceOptions:
    """Options of the lance loader. Raises FeedrateError for an invalid value."""

    random: bool = False
    """Take rows at random from the whole split, instead of whole fragments."""
    window_rows: int = 2**20
    """Rows that are mixed together, rounded up to whole fragments. random: rows that are taken at once."""
    fragment_rows: int = 2**17
    """Rows of each fragment that is written."""

    def __post_init__(self) -> None:
        require_bool("random", self.random)
        require_whole("window_rows", self.window_rows, 1)
        require_whole("fragment_rows", self.fragment_rows, 1)


class LanceLoader:
    """Reads a Lance dataset of many fragments, by fragments or by rows."""

    def __init__(self, split: Split, config: LoaderConfig, options: LanceOptions) -> None:
        self._config, self._options, self._split = config, options, split
        folder = _prepare(split, config, options)
        self._dataset: Any = import_library("lance", "lance").dataset(str(folder / ROWS))
        self._fragments: list[Any] = self._dataset.get_fragments()
        self._sizes = [fragment.count_rows() for fragment in self._fragments]

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once, in the order of (seed, index)."""
        assert self._dataset is not None, "epoch() after close()"
        if self._options.random and self._config.shuffle:
            return self._taken(index)
        schema, window_rows = self._split.schema, self._options.window_rows
        return shuffled_pieces(self._read, self._sizes, schema, self._config, index, window_rows=window_rows)

    def close(self) -> None:
        """Drop the dataset. Its files stay for the next loader."""
        self._dataset, self._fragments = None, []

    def _read(self, piece: Piece) -> pa.Table:
        with phase("decode", self._sizes[piece.group]):
            return self._fragments[piece.group].to_table().slice(piece.begin, piece.rows)

    def _taken(self, epoch: int) -> Iterator[Batch]:
        config, size = self._config, self._config.batch_size
        order = epoch_order(
            self._split.rows,
            shuffle=True,
            seed=config.seed,
            epoch=epoch,
            rank=config.rank,
            world_size=config.world_size,
        )
        block_rows = -(-self._options.window_rows // size) * size
        for begin in range(0, len(order), block_rows):
            with phase("decode", min(block_rows, len(order) - begin)):
                table = self._dataset.take(order[begin : begin + block_rows])
            yield from batch_views(batch_to(batch_of_arrow(table, self._split.schema), config.device), size)


def backend(_device: str) -> str:
    """Return the library's version. Raises LoaderUnavailable without it."""
    return f"Lance {import_library('lance', 'lance').__version__}, fragments in files"


def _prepare(split: Split, _config: LoaderConfig, options: LanceOptions) -> Path:
    library = import_library("lance", "lance")
    columns = list(split.schema.columns)

    def write(folder: Path) -> None:
        tables = (batch for file in split.files for batch in open_parquet(file).iter_batches(columns=columns))
        stored = open_parquet(split.files[0]).schema_arrow
        stored = pa.schema([stored.field(name) for name in columns])
        library.write_dataset(tables, str(folder / ROWS), stored, max_rows_per_file=options.fragment_rows)

    settings = {"lance": library.__version__, "fragment_rows": options.fragment_rows}
    return prepared_folder(split, "lance", settings, write)


def _open(split: Split, config: LoaderConfig, options: LanceOptions) -> Loader:
    return LanceLoader(split, config, options)


ADAPTER = Adapter(open=_open, options=LanceOptions, backend=backend, prepare=_prepare, reads_stores=True)
