"""What to prepare, and how: everything that decides about the rows of a dataset made of a user's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from feedrate.bench.datasets.csv_file import CsvFormat
from feedrate.bench.datasets.layout import Layout
from feedrate.bench.datasets.options import EtlName
from feedrate.bench.datasets.tables.declared import DeclaredColumns, SplitOptions, Transforms, gathered
from feedrate.loaders.errors import Faults, FeedrateError
from feedrate.loaders.parquet.discovery import Format, KnownFiles


class NamedCsv:
    """Takes the files that a user names for CSV, whatever their endings are."""

    def format_of(self, path: Path, *, named: bool) -> Format | None:  # noqa: ARG002
        """Return csv for a file that the user named."""
        return "csv" if named else None

    def reason_to_skip(self, path: Path) -> str:  # noqa: ARG002
        """Return that no file is left out."""
        return ""


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
    etl: EtlName = "feedrate"
    source: str = "parquet"
    """Name of the source for the provenance."""
    layout: Layout | None = None
    """The columns of a public data set, which complete what the user says."""

    @property
    def name(self) -> str:
        """Name of the dataset: that of the first file or folder, or of the folder that a glob pattern is in."""
        path = self.paths[0].absolute()
        while set(path.name) & set("*?["):
            path = path.parent
        return path.stem or "tables"

    def __post_init__(self) -> None:
        if (self.columns is None) == (self.like is None):
            raise FeedrateError(
                "a table needs either --label COLUMN or --like DATASET, which brings its own label and columns"
            )
        if self.like is not None and self.transforms != Transforms():
            raise FeedrateError(
                f"--like {self.like} brings its own transforms: leave out --fill, --clip, --log1p, --normalize, "
                "--min-count and --hash-buckets"
            )
        if self.like is not None and self.etl != "feedrate":
            raise FeedrateError(
                "--like applies what feedrate's own ETL has fitted: it does not go with --etl nvtabular"
            )

    @property
    def missing_id(self) -> int:
        """The id of missing values in columns with ids by frequency."""
        return 1 if self.etl == "nvtabular" else 0

    @property
    def rare_id(self) -> int:
        """The id of values that are too rare for one of their own, and are not hashed."""
        return 2 if self.etl == "nvtabular" else 0

    @property
    def known_files(self) -> KnownFiles | None:
        """What is known of files whose names tell no format."""
        return self.layout or (NamedCsv() if self.source == "csv" else None)

    def csv_format(self, path: Path) -> CsvFormat:
        """Return how a CSV file is read. Raises FeedrateError for a file that is not the public data set's."""
        return self.csv if self.layout is None else self.layout.csv_format(path, self.csv)

    def renamed(self, names: Sequence[str], path: Path) -> Mapping[str, str]:
        """Return the public data set's names of a file's columns. Raises FeedrateError if it is not that data set's."""
        return {} if self.layout is None else self.layout.renamed(names, path)

    def resolved(self, names: Sequence[str]) -> tuple[DeclaredColumns, Transforms]:
        """Return what is declared of the files' columns. Raises FeedrateError for columns that do not exist."""
        assert self.columns is not None
        faults: list[str] = []
        with gathered(faults):
            declared = self.columns.resolved(names)
        with gathered(faults):
            transforms = self.transforms.resolved(names)
        with gathered(faults):
            self.split.require_columns(names)
        if faults:
            raise Faults(faults)
        return (declared, transforms) if self.layout is None else self.layout.completed(declared, transforms, names)
