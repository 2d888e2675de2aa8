"""The canonical data folder: train/*.parquet, valid/*.parquet and dataset.json. Every source writes it, and every run reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec

from feedrate.bench.datasets.rows import row_index
from feedrate.bench.datasets.rows.order_sample import OrderSample
from feedrate.bench.datasets.rows.row_index import RowIndex
from feedrate.bench.results import compressed
from feedrate.loaders.base import Schema, Split
from feedrate.loaders.error_text import one_line
from feedrate.loaders.errors import FeedrateError, require_distinct
from feedrate.loaders.stores.attempts import MissingFile, StoreError
from feedrate.loaders.stores.store_path import StorePath
from feedrate.loaders.stores.stored_object import forget_opened

FORMAT_VERSION = 1
ORDER_SAMPLES = "order_samples"
"""Folder of the order samples, SPLIT.npy. A split's own folder has Parquet files only, so that other tools can read it."""
OLD_ORDER_SAMPLE = "probe.npy"
"""The file in each split's folder that older versions wrote."""
MAX_CARDINALITY = 2**31 - 1
"""Ids are int32."""
SplitName = Literal["train", "valid"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitInfo:
    """One split in dataset.json."""

    rows: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    files: tuple[Annotated[str, msgspec.Meta(pattern=r"^[^/\x00]+$")], ...]
    """File names in the split's folder."""
    checksum: str
    """Sum of the row hashes of bench/datasets/rows/checksum.py."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Something that was left out, changed or guessed."""

    subject: str
    """The column, or "files", "split" and the like."""
    what: str
    keep: str = ""
    """The option that would do otherwise; empty if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """dataset.json."""

    format_version: int = FORMAT_VERSION
    name: str
    schema: Schema
    splits: Mapping[SplitName, SplitInfo]
    fingerprint: str
    """SHA-256 over schema, rows and checksums. If two are equal, the rows are the same, in any order and in any files."""
    provenance: Mapping[str, Any]
    best_auc: float | None = None
    """AUC of the true probabilities on the valid split; None if the source has none."""
    decisions: tuple[Decision, ...] = ()
    """What `feedrate prepare` left out, changed or guessed."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A canonical folder and its dataset.json."""

    folder: Path
    info: DatasetInfo

    def order_sample(self, name: SplitName) -> OrderSample | None:
        """Return hashes and positions of a sample of the split's rows; None for a folder that was prepared without one."""
        for path in (self.folder / ORDER_SAMPLES / f"{name}.npy", self.folder / name / OLD_ORDER_SAMPLE):
            if path.is_file():
                return OrderSample.read(path, self.info.splits[name].rows)
        return None

    def row_index(self, name: SplitName) -> RowIndex:
        """Return the hashes of the split's rows, which are made now for a folder that was prepared without them."""
        return row_index.row_index(
            self.folder,
            name,
            self.split(name),
            digest=self.info.splits[name].checksum,
            fingerprint=self.info.fingerprint,
        )

    def split(self, name: SplitName) -> Split:
        """Return the split as loaders take it: its files, rows and schema."""
        info = self.info.splits[name]
        files = tuple(self.folder / name / file for file in info.files)
        return Split(files=files, rows=info.rows, schema=self.info.schema)


def _refuse_schema(path: Path, schema: Schema) -> None:
    """Raise FeedrateError for a cardinality that no int32 id fits, and for two columns with one name."""
    for column in (*schema.single_hot, *schema.multi_hot):
        if not 1 <= column.cardinality <= MAX_CARDINALITY:
            raise FeedrateError(
                f"{path}: column {one_line(column.name, 60)!r} has cardinality {column.cardinality}, but must have 1 to "
                f"{MAX_CARDINALITY:,}: prepare it again with `feedrate prepare --overwrite`"
            )
    require_distinct(f"{path}: columns", schema.columns)


def read_dataset(folder: Path) -> Dataset:
    """Raises FeedrateError if the folder is not a canonical one, or if one of its files is missing or damaged."""
    from feedrate.loaders.parquet.files import footers

    path = folder / "dataset.json"
    try:
        content = path.read_bytes() if isinstance(path, StorePath) else compressed.read_bytes(path)
        info = msgspec.json.decode(content, type=DatasetInfo)
    except (FileNotFoundError, MissingFile):
        raise FeedrateError(
            f"{folder} is not a prepared dataset (it has no dataset.json): make one with `feedrate prepare`"
        ) from None
    except StoreError:
        raise
    except (*compressed.UNREADABLE, FeedrateError) as error:
        raise FeedrateError(
            f"{path} cannot be read ({one_line(str(error), 150)}): prepare it again with `feedrate prepare --overwrite`"
        ) from error
    if info.format_version != FORMAT_VERSION:
        raise FeedrateError(
            f"{path} has format {info.format_version}, and this feedrate reads {FORMAT_VERSION}: prepare it again with `feedrate prepare --overwrite`"
        )
    if missing := [name for name in get_args(SplitName) if name not in info.splits]:
        raise FeedrateError(f"{path} lists no {missing[0]} split: prepare it again with `feedrate prepare --overwrite`")
    _refuse_schema(path, info.schema)
    dataset = Dataset(folder, info)
    forget_opened(folder)
    for name in info.splits:
        files = dataset.split(name).files
        for file in files:
            if not isinstance(file, StorePath) and not file.is_file():
                raise FeedrateError(
                    f"{file} is missing, though dataset.json lists it: prepare {folder} again with --overwrite"
                )
        footers(files)
    return dataset
