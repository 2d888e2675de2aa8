"""Limits for a table from a stranger: what lies beyond would cost minutes or gigabytes before it turns out to be useless."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from feedrate.loaders.errors import FeedrateError

MAX_COLUMNS = 10_000
"""Columns of a table. Each takes about a millisecond to prepare, whatever its rows are."""
MAX_NAME_CHARACTERS = 1_000
MAX_ROWS = 100_000_000_000
"""Rows that a footer may declare."""


def require_few_columns(path: Path, columns: int) -> None:
    """Raise FeedrateError for a table with too many columns."""
    if columns > MAX_COLUMNS:
        raise FeedrateError(
            f"{path} has {columns:,} columns, and the limit is {MAX_COLUMNS:,}: write fewer, or lists of values"
        )


def require_short_names(path: Path, names: Sequence[str]) -> None:
    """Raise FeedrateError for a column whose name is too long."""
    longest = max(names, key=len, default="")
    if len(longest) > MAX_NAME_CHARACTERS:
        raise FeedrateError(
            f"{path} has a column whose name has {len(longest):,} characters, and the limit is {MAX_NAME_CHARACTERS:,}: "
            f"rename {longest[:40]!r}..."
        )


def require_possible_rows(path: Path, rows: int) -> None:
    """Raise FeedrateError for a number of rows that no table has."""
    if not 0 <= rows <= MAX_ROWS:
        raise FeedrateError(f"{path} declares {rows:,} rows, and the limit is {MAX_ROWS:,}: write or copy it again")
