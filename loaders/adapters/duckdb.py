"""DuckDB: a table that each epoch's query sorts by a hash of the row number and the seed.

The advice is that of DuckDB's documentation: load Parquet into a table if it is queried repeatedly, and read results as
Arrow. https://duckdb.org/docs/stable/guides/performance/file_formats

DuckDB sorts with all its threads. What does not fit the memory budget goes to a temporary folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, Split
from feedrate.loaders.errors import FeedrateError, require_whole
from feedrate.loaders.toolkit import TemporaryFolder, bounds_of_rank, import_library, seed_of, window_shuffle


@dataclass(frozen=True, slots=True, kw_only=True)
class DuckDBOptions:
    """Options of the duckdb loader. Raises FeedrateError for an invalid value."""

    threads: int = 0
    """Threads of DuckDB. 0: one per core."""
    block_rows: int = 32_768
    """Rows of each Arrow block that DuckDB returns. Larger blocks need fewer copies to a GPU, but DuckDB waits longer."""

    def __post_init__(self) -> None:
        require_whole("threads", self.threads, 0)
        require_whole("block_rows", self.block_rows, 1)


class DuckDBLoader:
    """Holds the rows in a DuckDB table and sorts them anew for each epoch."""

    def __init__(self, split: Split, config: LoaderConfig, options: DuckDBOptions) -> None:
        self._library = import_library("duckdb", "duckdb")
        self._config, self._options, self._split = config, options, split
        self._folder = TemporaryFolder()
        self._connection = self._library.connect(config=self._settings())
        self._columns = ", ".join(f'"{name.replace(chr(34), 2 * chr(34))}"' for name in split.schema.columns)
        files = [str(file) for file in split.files]
        try:
            self._connection.execute(f"CREATE TABLE rows AS SELECT {self._columns} FROM read_parquet(?)", [files])
        except self._library.OutOfMemoryException as error:
            self.close()
            raise FeedrateError(
                f"duckdb cannot hold the rows in {config.memory_budget_bytes:,} bytes: raise --memory-budget"
            ) from error

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield every row of the shard once, in the order of (seed, index)."""
        config, options = self._config, self._options
        query = f"SELECT {self._columns} FROM rows"
        if config.shuffle:  # the hash of one integer is a bijection, so no two rows are equal in the order
            query += f" ORDER BY hash(xor(rowid, {seed_of(config.seed, index)}))"
        if config.world_size > 1:
            begin, end = bounds_of_rank(self._split.rows, config)
            query += f" LIMIT {end - begin} OFFSET {begin}"
        cursor = self._connection.cursor()
        try:
            reader = cursor.sql(query).to_arrow_reader(options.block_rows)
            blocks = (pa.Table.from_batches([block]) for block in reader)
            yield from window_shuffle(
                blocks,
                self._split.schema,
                window_rows=options.block_rows,
                batch_size=config.batch_size,
                seed=None,
                device=config.device,
            )
        finally:
            cursor.close()

    def in_force(self) -> dict[str, object]:
        """Return the number of threads that DuckDB uses."""
        return {"threads": self._connection.sql("SELECT current_setting('threads')").fetchall()[0][0]}

    def close(self) -> None:
        """Free the table and remove the temporary folder."""
        self._connection.close()
        self._folder.close()

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"temp_directory": str(self._folder.path)}
        if self._options.threads:
            settings["threads"] = self._options.threads
        if self._config.memory_budget_bytes is not None and self._config.device == "cpu":
            settings["memory_limit"] = f"{self._config.memory_budget_bytes}B"
        return settings


def backend(_device: str) -> str:
    """Return DuckDB's version. Raises LoaderUnavailable without it."""
    return f"DuckDB {import_library('duckdb', 'duckdb').__version__}, a table in host memory, sorted by hash"


def _open(split: Split, config: LoaderConfig, options: DuckDBOptions) -> Loader:
    return DuckDBLoader(split, config, options)


ADAPTER = Adapter(open=_open, options=DuckDBOptions, backend=backend, in_force=DuckDBLoader.in_force)
