"""Numbers that no measurement gives, in records from strangers."""

from __future__ import annotations

from pathlib import Path

from feedrate.bench.record import MOST_ROWS_PER_S, RunRecord
from feedrate.loaders.errors import FeedrateError


def refuse_impossible(path: Path, record: RunRecord) -> None:
    """Raises FeedrateError: what follows from such numbers is not finite, and cannot be drawn."""
    for number, trial in enumerate(record.trials):
        for epoch in trial.epochs or ():
            if not 0 < epoch.rows <= MOST_ROWS_PER_S * epoch.wall_s:
                raise FeedrateError(
                    f"{path}: trials[{number}] has an epoch of {epoch.rows:,} rows in {epoch.wall_s:g} s, which cannot be: "
                    "`feedrate validate` says what else is wrong with it"
                )
