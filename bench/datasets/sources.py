"""What `feedrate prepare` does around a source: is the dataset there already, which release is meant, which ETL is used."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from feedrate.bench.datasets.avazu import AVAZU
from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.criteo.source import CRITEO
from feedrate.bench.datasets.criteo.synthetic import prepare_synthetic_criteo
from feedrate.bench.datasets.csv_file import CsvFormat
from feedrate.bench.datasets.layout import Layout
from feedrate.bench.datasets.made_of import identity, require_same
from feedrate.bench.datasets.movielens.download import fetch
from feedrate.bench.datasets.movielens.prepare import prepare_movielens
from feedrate.bench.datasets.movielens.releases import RELEASES, Release
from feedrate.bench.datasets.options import EtlName, PrepareOptions, Progress
from feedrate.bench.datasets.sequence.synthetic import prepare_synthetic_sequence
from feedrate.bench.datasets.synthetic import prepare_synthetic
from feedrate.bench.datasets.tables.declared import DeclaredColumns, Extras, SplitOptions, Transforms
from feedrate.bench.datasets.tables.request import TableRequest
from feedrate.bench.datasets.workflows import movielens
from feedrate.bench.datasets.workflows.process import refuse_untrusted
from feedrate.bench.host import venvs
from feedrate.loaders.errors import FeedrateError


class SyntheticSource(Protocol):
    """Writes rows that are drawn."""

    def __call__(self, folder: Path, options: PrepareOptions, *, rows: int) -> Dataset:
        """Write `rows` rows to `folder`."""
        ...


LAYOUTS: Mapping[str, Layout] = {"criteo": CRITEO, "avazu": AVAZU}
"""Sources that are tables whose columns are known."""
TABLES = ("parquet", "csv", *LAYOUTS)
"""Sources that are tables which the user has."""
DEFAULT_ROWS = 25_000_000
SYNTHETIC: Mapping[str, SyntheticSource] = {
    "synthetic-movielens": prepare_synthetic,
    "synthetic-criteo": prepare_synthetic_criteo,
    "synthetic-sequence": prepare_synthetic_sequence,
}


def is_table(source: str) -> bool:
    """Whether a source is a table that the user has: by name, or because it is a path instead of a name."""
    if source in RELEASES or source in SYNTHETIC:
        return False
    is_path = glob.has_magic(source) or os.sep in source or Path(source).suffix != "" or Path(source).exists()
    return source in TABLES or is_path


def table_request(
    source: str,
    paths: tuple[Path, ...],
    columns: DeclaredColumns,
    transforms: Transforms,
    split: SplitOptions,
    extras: Extras,
) -> TableRequest:
    """Return what to prepare of a table. Raises FeedrateError for options that are missing or do not go together."""
    if source not in TABLES:
        source, paths = "parquet", (Path(source), *paths)
    layout = LAYOUTS.get(source)
    if not paths:
        raise FeedrateError(f"`feedrate prepare {source}` needs a PATH: a file, a folder or a quoted glob pattern")
    if not (columns.label or layout or extras.like):
        raise FeedrateError("a table needs --label COLUMN, the column to predict, or --like DATASET")
    if extras.like and (columns != DeclaredColumns(label="") or transforms != Transforms()):
        raise FeedrateError(
            f"--like applies the columns and transforms of {extras.like}: leave out --label and what else changes them"
        )
    if layout and not columns.label and extras.like is None:
        columns = replace(columns, label=layout.label)
    return TableRequest(
        paths=paths,
        valid_paths=extras.valid_paths,
        columns=columns if columns.label else None,
        transforms=transforms,
        split=split,
        csv=CsvFormat(null_values=extras.null_values),
        like=extras.like,
        strict=extras.strict,
        etl=extras.etl,
        source=source,
        layout=layout,
    )


class Etl(Protocol):
    """Brings a MovieLens archive to the canonical folder."""

    def __call__(self, source: Path, folder: Path, options: PrepareOptions, *, name: str) -> Dataset:
        """Write `source`, a zip or a folder, to `folder`."""
        ...


def synthetic_source(source: str, positive_fraction: float | None) -> SyntheticSource | None:
    """Return what draws the rows of a source; None if it is not synthetic. positive_fraction: of synthetic-criteo."""
    if source == "synthetic-criteo" and positive_fraction is not None:
        return partial(prepare_synthetic_criteo, positive_fraction=positive_fraction)
    return SYNTHETIC.get(source)


def made_of(
    source: str,
    options: PrepareOptions,
    *,
    rows: int,
    archive: Path | None,
    etl: EtlName,
    workflow: Path | None,
    positive_fraction: float | None = None,
) -> dict[str, Any]:
    """Return everything that decides about the rows of a named source, for the provenance."""
    files = [identity(path.name, path) for path in (archive, workflow) if path is not None and path.exists()]
    drawn = {} if positive_fraction is None else {"positive_fraction": positive_fraction}
    return {
        "source": source,
        "seed": options.seed,
        "row_group_rows": options.row_group_rows,
        "files": files,
        "options": {"rows": rows, **drawn} if source in SYNTHETIC else {"etl": etl},
    }


def require_same_source(dataset: Dataset, wanted: Mapping[str, Any]) -> None:
    """Raise FeedrateError that says what differs if the dataset is not what the source would write.

    Datasets that older versions prepared say less: then what they say is compared.
    """
    made = dataset.info.provenance
    if "options" not in made:
        etl = str(made.get("etl", "feedrate")).partition(" ")[0]
        said = {"rows": made.get("rows"), "etl": etl}
        options = {name: said[name] for name in wanted["options"] if name in said}
        old = {**wanted, "source": made.get("source"), "seed": made.get("seed"), "options": options}
        dataset = replace(dataset, info=replace(dataset.info, provenance=old))
    require_same(dataset, wanted)


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
        raise FeedrateError(f"--etl nvtabular works for {', '.join(RELEASES)} and your own tables, not for {source}")
    if workflow:
        refuse_untrusted(workflow, trusted=trusted)
    venvs.interpreter("nvtabular")  # refuse a missing environment now, not after the download
    return partial(movielens.prepare_movielens, workflow=workflow)


def require_known(source: str) -> None:
    """Raise FeedrateError unless it is the name of a source."""
    if source not in RELEASES and source not in SYNTHETIC and source not in TABLES:
        releases = ", ".join(RELEASES).replace(", movielens-", ", -")
        raise FeedrateError(
            f"there is no source and no path {source!r}: choose from {releases}, {', '.join(SYNTHETIC)}, {', '.join(TABLES)}. "
            "For other MovieLens files, use movielens-latest --archive"
        )


def options_ignored(source: str) -> tuple[str, ...]:
    """Return the options that a named source has no use for."""
    if source in SYNTHETIC:
        only_criteo = () if source == "synthetic-criteo" else ("positive_fraction",)
        return ("archive", "workflow", "trust_workflow", *only_criteo)
    return ("rows", "positive_fraction") if source in RELEASES else ()


def release_of(name: str) -> Release:
    """Return the MovieLens release. Raises FeedrateError for an unknown source."""
    require_known(name)
    return RELEASES[name]
