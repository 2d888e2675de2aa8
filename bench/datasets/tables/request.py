"""What to prepare, and how: everything that decides about the rows of a dataset made of a user's tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from feedrate.bench.datasets.tables.csv import CsvFormat
from feedrate.bench.datasets.tables.declared import DeclaredColumns, SplitOptions, Transforms
from feedrate.loaders.errors import FeedrateError


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRequest:
    """What to prepare, and how. Raises FeedrateError for options that do not fit together."""

    paths: tuple[Path, ...]
    """Files, folders and glob patterns."""
    valid_paths: tuple[Path, ...] = ()
    """Those of the validation split. Empty: the split is drawn, or kept if files are called train and valid."""
    columns: DeclaredColumns | None = None
    """None: those of `like`."""
    transforms: Transforms = Transforms()
    split: SplitOptions = SplitOptions()
    csv: CsvFormat = CsvFormat()
    like: Path | None = None
    """A dataset whose columns, ids and transforms are applied instead of new ones."""
    strict: bool = False
    """Refuse an input with a column that would be left out."""
    source: str = "parquet"
    """Name of the source for the provenance."""

    def __post_init__(self) -> None:
        if (self.columns is None) == (self.like is None):
            raise FeedrateError("a table needs either --label COLUMN or --like DATASET")
