"""Reports: from record files to pages and tables. They need neither torch nor a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def load(*runs: Path | str) -> pd.DataFrame:
    """Return one row for each epoch of each trial of some runs (folders, or their run.json), for your own analyses.

    Columns:
    run, commit, started_at, gpu, cpu, cores, dataset.
    The trial's settings: loader, mode, repeat, seed, batch_size, epochs, device, workers, prefetch, shuffle, cache, model_...
    status and detail.
    Every metric of the report over the trial's steady epochs, named as in the CSV: train_rows_per_s in rows/s,
    peak_gpu_bytes in bytes, stall_fraction as a share, and so on. A metric of another mode is NaN.
    epoch, from 1. A failed trial has one row without an epoch. steady is False for a first epoch that does not count.
    The epoch's own numbers, prefixed with epoch_: rows, wall_s, wait_s, stall_s and more in seconds and bytes, rows_per_s,
    auc, loss, train_loss.

    Raises FeedrateError for a record that cannot be read, and if pandas is not installed.
    """
    from feedrate.bench.results import store
    from feedrate.loaders.errors import FeedrateError
    from feedrate.reports.analysis.tidy import epoch_rows

    try:
        import pandas as pd
    except ImportError as error:
        raise FeedrateError("feedrate.reports.load needs pandas: `pip install 'feedrate[pandas]'`") from error
    paths = [Path(run) for run in runs]
    return pd.DataFrame(list(epoch_rows([(str(path), store.read(path)) for path in paths])))
