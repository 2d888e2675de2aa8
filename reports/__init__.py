"""Reports: from record files to pages and tables. They need neither torch nor a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from feedrate.reports.notebook import InlineFigures


@overload
def load(*runs: Path | str, frame: Literal["pandas"] = "pandas") -> pd.DataFrame: ...


@overload
def load(*runs: Path | str, frame: Literal["polars"]) -> pl.DataFrame: ...


def load(*runs: Path | str, frame: str = "pandas") -> Any:
    """Return one row for each epoch of each trial of some runs (folders, or their run.json), for your own analyses.

    frame: "pandas" or "polars", for a DataFrame of that library.

    Columns:
    run, commit, started_at, gpu, cpu, cores, dataset.
    The trial's settings: loader, mode, repeat, seed, batch_size, epochs, device, workers, prefetch, shuffle, cache, model_...
    status and detail.
    Every metric of the report over the trial's steady epochs, named as in the CSV: train_rows_per_s in rows/s,
    peak_gpu_bytes in bytes, stall_fraction as a share, and so on. A metric of another mode is NaN, or null in Polars.
    epoch, from 1. A failed trial has one row without an epoch. steady is False for a first epoch that does not count.
    The epoch's own numbers, prefixed with epoch_: rows, wall_s, wait_s, stall_s and more in seconds and bytes, rows_per_s,
    auc, loss, train_loss.

    Raises FeedrateError for a record that cannot be read, another frame, and pandas that is not installed.
    """
    from feedrate.bench.results import store
    from feedrate.loaders.errors import require_choice
    from feedrate.reports.analysis.tidy import epoch_rows

    require_choice("frame", frame, ("pandas", "polars"))
    paths = [Path(run) for run in runs]
    rows = list(epoch_rows([(str(path), store.read(path)) for path in paths]))
    return _polars_frame(rows) if frame == "polars" else _pandas_frame(rows)


def show(*runs: Path | str) -> InlineFigures:
    """Draw the figures of some runs (folders, or their run.json) inline in a notebook: the last value of a cell draws itself.

    The figures are those of the report's page, with the profiles that lie in the folders. They need no network.

    Raises FeedrateError for a record that cannot be read.
    """
    from feedrate.bench.results import store
    from feedrate.bench.results.profiles import files
    from feedrate.reports.analysis.summarize import summarize
    from feedrate.reports.notebook import InlineFigures

    paths = [Path(run) for run in runs]
    profiles = [profile for path in paths if path.is_dir() for profile in files.explained(path)]
    return InlineFigures.of(summarize([(path, store.read(path)) for path in paths]), profiles)


def _pandas_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    from feedrate.loaders.errors import FeedrateError

    try:
        import pandas as pd
    except ImportError as error:
        raise FeedrateError(
            "feedrate.load needs pandas: `pip install 'feedrate[pandas]'`, or pass frame=\"polars\""
        ) from error
    return pd.DataFrame(rows)


def _polars_frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Return the rows with the column types of the Parquet file, so that an empty column has its type, too."""
    import polars as pl
    import pyarrow as pa

    from feedrate.reports.formats.samples import schema

    columns = schema(rows[0]) if rows else None
    frame = pl.from_arrow(pa.Table.from_pylist(rows, schema=columns))
    assert isinstance(frame, pl.DataFrame)
    return frame
