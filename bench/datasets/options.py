"""The options that every source of a dataset shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from feedrate.bench.datasets.parts.runner import IN_PROCESS, PartRunner
from feedrate.loaders.errors import require_whole

ROW_GROUP_ROWS = 262_144
"""Default rows per Parquet row group."""
EtlName = Literal["feedrate", "nvtabular"]
"""What assigns ids and transforms values."""
Progress = Callable[[int, int], None]
"""progress(done, total), in rows or bytes."""


def no_progress(_done: int, _total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareOptions:
    """How a source is written to the canonical folder. Raises FeedrateError for an invalid value."""

    seed: int = 0
    """Seed of the split, and of everything that is synthetic; at least 0."""
    overwrite: bool = False
    """Replace the dataset that is in the folder."""
    row_group_rows: int = ROW_GROUP_ROWS
    """Rows per Parquet row group."""
    made_of: Mapping[str, Any] = field(default_factory=dict)
    """What decides about the rows, for the provenance. See made_of.py."""
    progress: Progress = no_progress
    """Called as rows are written."""
    runner: PartRunner = IN_PROCESS
    """Who does the work."""

    def __post_init__(self) -> None:
        require_whole("--seed", self.seed, 0)
        require_whole("--row-group-rows", self.row_group_rows, 1)


DEFAULTS = PrepareOptions()
