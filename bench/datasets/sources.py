"""What `feedrate prepare` does before and around a source: is it there already, which release is meant, where its zip is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from feedrate.bench.datasets import nvtabular_etl
from feedrate.bench.datasets.canonical import Dataset, Progress, read_dataset
from feedrate.bench.datasets.download import RELEASES, Release, fetch
from feedrate.bench.datasets.movielens import prepare_movielens
from feedrate.bench.host import venvs
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.decode import read_groups

Etl = Callable[..., Dataset]
"""movielens.prepare_movielens, or another of its arguments."""


def is_there(
    folder: Path,
    source: str,
    *,
    rows: int,
    seed: int,
    row_group_rows: int,
    etl: str = "feedrate",
    workflow: Path | None = None,
) -> bool:
    """Whether `folder` holds what this source would write. Raises FeedrateError where it holds something else."""
    if not folder.exists():
        return False
    dataset = read_dataset(folder)
    made = dataset.info.provenance
    wanted = {"source": source, "seed": seed, **({"rows": rows} if source == "synthetic-movielens" else {})}
    words = made.get("etl", "feedrate")
    same_etl = words.partition(" ")[0] == etl and words.partition("the workflow in ")[2] == (
        workflow.name if workflow else ""
    )
    if not same_etl or any(made.get(name) != value for name, value in wanted.items()):
        raise FeedrateError(f"{folder} holds another dataset ({made}): pass --overwrite to replace it")
    first, *others = read_groups(dataset.split("train"))
    if first.rows > row_group_rows or (others and first.rows < row_group_rows):
        raise FeedrateError(
            f"{folder} has row groups of {first.rows:,} rows, and --row-group-rows is {row_group_rows:,}: "
            "pass --overwrite to replace it"
        )
    return True


def download(source: str, *, progress: Progress) -> Path:
    """The release's zip in the user's cache. Raises FeedrateError for a source that is none."""
    import platformdirs

    return fetch(_release(source), Path(platformdirs.user_cache_dir("feedrate")), progress)


def movielens(
    archive: Path,
    folder: Path,
    *,
    name: str,
    seed: int,
    etl: Etl,
    overwrite: bool,
    row_group_rows: int,
    progress: Progress,
) -> Dataset:
    _release(name)
    return etl(
        archive, folder, name=name, seed=seed, overwrite=overwrite, row_group_rows=row_group_rows, progress=progress
    )


def etl_for(source: str, name: str, *, workflow: Path | None, trusted: bool) -> Etl:
    """What brings MovieLens to the canonical folder. Raises FeedrateError for what cannot be."""
    if name not in ("feedrate", "nvtabular"):
        raise FeedrateError(f"--etl is {name!r}, but must be feedrate or nvtabular")
    if name != "nvtabular":
        if workflow:
            raise FeedrateError("--workflow is for --etl nvtabular")
        return prepare_movielens
    if source not in RELEASES:
        raise FeedrateError(f"--etl nvtabular is for {', '.join(RELEASES)}, and not for {source}")
    if workflow:
        nvtabular_etl.refuse_untrusted(workflow, trusted=trusted)
    venvs.interpreter("nvtabular")  # better missed now than after the download
    return partial(nvtabular_etl.prepare_movielens, workflow=workflow)


def _release(name: str) -> Release:
    if name not in RELEASES:
        raise FeedrateError(
            f"there is no source {name!r}: choose from {', '.join(RELEASES)}, synthetic-movielens, parquet"
        )
    return RELEASES[name]
