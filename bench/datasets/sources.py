"""What `feedrate prepare` does around a source: is the dataset there already, which release is meant, which ETL is used."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

from feedrate.bench.datasets import nvtabular_etl
from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.datasets.criteo.synthetic import prepare_synthetic_criteo
from feedrate.bench.datasets.movielens.download import fetch
from feedrate.bench.datasets.movielens.prepare import prepare_movielens
from feedrate.bench.datasets.movielens.releases import RELEASES, Release
from feedrate.bench.datasets.options import PrepareOptions, Progress
from feedrate.bench.datasets.synthetic import prepare_synthetic
from feedrate.bench.datasets.tables.csv import CsvFormat
from feedrate.bench.datasets.tables.declared import DeclaredColumns, Extras, SplitOptions, Transforms
from feedrate.bench.datasets.tables.request import TableRequest
from feedrate.bench.host import venvs
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.decode import read_groups

EtlName = Literal["feedrate", "nvtabular"]


class SyntheticSource(Protocol):
    """Writes rows that are drawn."""

    def __call__(self, folder: Path, options: PrepareOptions, *, rows: int) -> Dataset:
        """Write `rows` rows to `folder`."""
        ...


TABLES = ("parquet", "csv")
"""Sources that are a user's own tables."""
DEFAULT_ROWS = 25_000_000
SYNTHETIC: Mapping[str, SyntheticSource] = {
    "synthetic-movielens": prepare_synthetic,
    "synthetic-criteo": prepare_synthetic_criteo,
}


def is_table(source: str) -> bool:
    """Whether a source is a user's own table: by name, or because it is a path instead of a name."""
    if source in RELEASES or source in SYNTHETIC:
        return False
    return source in TABLES or glob.has_magic(source) or os.sep in source or Path(source).exists()


def table_request(
    source: str,
    paths: tuple[Path, ...],
    columns: DeclaredColumns | None,
    transforms: Transforms,
    split: SplitOptions,
    extras: Extras,
) -> TableRequest:
    """Return what to prepare of a table. Raises FeedrateError if it has no path, and neither label nor dataset to be like."""
    if source not in TABLES:
        source, paths = "parquet", (Path(source), *paths)
    if not paths or (columns is None and extras.like is None):
        raise FeedrateError(f"`feedrate prepare {source}` needs a PATH and --label COLUMN")
    return TableRequest(
        paths=paths,
        valid_paths=extras.valid_paths,
        columns=columns,
        transforms=transforms,
        split=split,
        csv=CsvFormat(null_values=extras.null_values),
        like=extras.like,
        strict=extras.strict,
        source=source,
    )


class Etl(Protocol):
    """Brings a MovieLens archive to the canonical folder."""

    def __call__(self, source: Path, folder: Path, options: PrepareOptions, *, name: str) -> Dataset:
        """Write `source`, a zip or a folder, to `folder`."""
        ...


def prepared_already(
    folder: Path,
    source: str,
    options: PrepareOptions,
    *,
    rows: int,
    etl: EtlName = "feedrate",
    workflow: Path | None = None,
) -> bool:
    """Whether `folder` holds what this source would write. Raises FeedrateError if it holds something else."""
    if not folder.exists():
        return False
    dataset = read_dataset(folder)
    provenance = dataset.info.provenance
    expected = {"source": source, "seed": options.seed, **({"rows": rows} if source in SYNTHETIC else {})}
    used_etl, _, used_workflow = str(provenance.get("etl", "feedrate")).partition(", the workflow in ")
    same_etl = used_etl.partition(" ")[0] == etl and used_workflow == (workflow.name if workflow else "")
    if not same_etl or any(provenance.get(name) != value for name, value in expected.items()):
        raise FeedrateError(f"{folder} holds another dataset ({provenance}): pass --overwrite to replace it")
    first, *others = read_groups(dataset.split("train"))
    if first.rows > options.row_group_rows or (others and first.rows < options.row_group_rows):
        raise FeedrateError(
            f"{folder} has row groups of {first.rows:,} rows, and --row-group-rows is {options.row_group_rows:,}: "
            "pass --overwrite to replace it"
        )
    return True


def download(source: str, *, progress: Progress) -> Path:
    """Return the release's zip in the user's cache. Raises FeedrateError for a source that is not downloaded."""
    import platformdirs

    return fetch(release_of(source), Path(platformdirs.user_cache_dir("feedrate")), progress)


def etl_for(source: str, name: EtlName, *, workflow: Path | None, trusted: bool) -> Etl:
    """Return what brings MovieLens to the canonical folder. Raises FeedrateError for options that do not fit together."""
    if name != "nvtabular":
        if workflow:
            raise FeedrateError("--workflow needs --etl nvtabular")
        return prepare_movielens
    if source not in RELEASES:
        raise FeedrateError(f"--etl nvtabular works for {', '.join(RELEASES)}, not for {source}")
    if workflow:
        nvtabular_etl.refuse_untrusted(workflow, trusted=trusted)
    venvs.interpreter("nvtabular")  # refuse a missing environment now, not after the download
    return partial(nvtabular_etl.prepare_movielens, workflow=workflow)


def release_of(name: str) -> Release:
    """Return the MovieLens release. Raises FeedrateError for an unknown source."""
    if name not in RELEASES:
        releases = ", ".join(RELEASES).replace(", movielens-", ", -")
        raise FeedrateError(
            f"there is no source {name!r}: choose from {releases}, "
            "synthetic-movielens, synthetic-criteo, parquet, csv, criteo, avazu. "
            "For other MovieLens files, use movielens-latest --archive"
        )
    return RELEASES[name]
