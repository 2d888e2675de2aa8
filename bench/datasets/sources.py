"""What `feedrate prepare` does before and around a source: is it there already, which release is meant, where its zip is."""

from __future__ import annotations

from pathlib import Path

from feedrate.bench.datasets.canonical import Dataset, Progress, read_dataset
from feedrate.bench.datasets.download import RELEASES, Release, fetch
from feedrate.bench.datasets.movielens import prepare_movielens
from feedrate.loaders.errors import FeedrateError


def is_there(folder: Path, source: str, *, rows: int, seed: int) -> bool:
    """Whether `folder` holds what this source would write. Raises FeedrateError where it holds something else."""
    if not folder.exists():
        return False
    made = read_dataset(folder).info.provenance
    wanted = {"source": source, "seed": seed, **({"rows": rows} if source == "synthetic-movielens" else {})}
    if any(made.get(name) != value for name, value in wanted.items()):
        raise FeedrateError(f"{folder} holds another dataset ({made}): pass --overwrite to replace it")
    return True


def download(source: str, *, progress: Progress) -> Path:
    """The release's zip in the user's cache. Raises FeedrateError for a source that is none."""
    import platformdirs

    return fetch(_release(source), Path(platformdirs.user_cache_dir("feedrate")), progress)


def movielens(archive: Path, folder: Path, *, name: str, seed: int, overwrite: bool, progress: Progress) -> Dataset:
    _release(name)
    return prepare_movielens(archive, folder, name=name, seed=seed, overwrite=overwrite, progress=progress)


def _release(name: str) -> Release:
    if name not in RELEASES:
        raise FeedrateError(
            f"there is no source {name!r}: choose from {', '.join(RELEASES)}, synthetic-movielens, parquet"
        )
    return RELEASES[name]
