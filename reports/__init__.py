"""From record files to pages and tables. Needs neither torch nor a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def load(*runs: Path | str) -> pd.DataFrame:
    """One line for each epoch of each trial of some runs (folders, or their run.json), for analyses of your own.

    Columns: run, commit, started_at, gpu, cpu, cores, dataset; the trial's spec (loader, mode, repeat, seed, batch_size, device,
    workers, prefetch, shuffle, cache, step) and status, detail; every metric of the report over the trial's steady epochs, by its
    name as in the CSV (train_rows_per_s in rows/s, peak_gpu_bytes in bytes, stall_fraction as a share, ... NaN for another mode's);
    epoch (from 1; a failed trial has one line without), steady (False for a first epoch that is not counted), and the epoch's own
    numbers with the prefix epoch_: rows, wall_s, wait_s, stall_s, ... in seconds and bytes, rows_per_s, auc, loss, train_loss.

    Raises FeedrateError for a record that cannot be read, and where pandas is not installed.
    """
    from feedrate.bench.results import store
    from feedrate.loaders.errors import FeedrateError
    from feedrate.reports.analysis.tidy import samples

    try:
        import pandas as pd
    except ImportError as error:
        raise FeedrateError("feedrate.reports.load needs pandas: `pip install 'feedrate[pandas]'`") from error
    paths = [Path(run) for run in runs]
    return pd.DataFrame(list(samples([(str(path), store.read(path)) for path in paths])))
