"""Diagnoses which rows, and which of their columns, differ from the dataset's. Used only after the gate has failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from feedrate.bench.datasets.rows.checksum import column_hashes, mixed
from feedrate.loaders.base import Batch
from feedrate.loaders.form import spoken
from feedrate.loaders.parquet.columns import Columns

EXPECTED_LARGE = 20
"""Rows of a sample that should have an id over a limit. If none has, by chance one time in e^20, the ids are narrowed."""
WORKERS = "does each worker deliver all rows?"
"""A hint at the most common reason for rows that come more than once."""
NARROW_LIMITS = (2**7 - 1, 2**8 - 1, 2**15 - 1, 2**16 - 1)
"""Largest values of int8, uint8, int16 and uint16."""


def explain(batches: Iterable[Batch], truth: Columns) -> str:
    """Return a sentence on how an epoch's rows differ from the dataset's, or an empty string if they do not.

    Keeps the hashes of both in memory: 8 bytes per row and column for each.
    """
    wanted = column_hashes(truth.slice(0, truth.rows))
    delivered, largest_ids = _delivered(batches)
    if not delivered:
        return "the loader delivered no batches"
    rows, wanted_rows = mixed(delivered.values()), mixed(wanted.values())
    foreign, missing, extra = _compare(rows, wanted_rows)
    if not foreign:
        return explain_counts(missing, extra, len(wanted_rows))
    return (
        f"{rows_are(foreign)} not in the dataset: {_wrong_columns(delivered, wanted, largest_ids, truth, whole=True)}"
    )


def explain_counts(missing: int, extra: int, rows: int) -> str:
    """Return a sentence on rows that are all the dataset's, or an empty string if each came once.

    missing: rows that did not come. extra: surplus copies of rows that came. rows: of the dataset.
    """
    if not extra:
        return f"{rows_are(missing)} missing" if missing else ""
    if missing:
        return f"{rows_are(missing)} missing and {rows_are(extra)} delivered more than once"
    if extra < rows:
        return f"{rows_are(extra)} delivered more than once"
    return f"each row is delivered {'twice' if extra == rows else 'more than once'}: {WORKERS}"


def explain_rows(batches: Sequence[Batch], truth: Columns) -> str:
    """Return which columns of some rows are wrong. At least one row is not the dataset's.

    Keeps the hashes of the dataset in memory: 8 bytes per row and column.
    """
    delivered, largest_ids = _delivered(batches)
    wanted = column_hashes(truth.slice(0, truth.rows))
    return _wrong_columns(delivered, wanted, largest_ids, truth, whole=False)


def _wrong_columns(
    delivered: dict[str | None, Tensor],
    wanted: dict[str | None, Tensor],
    largest_ids: dict[str | None, int],
    truth: Columns,
    *,
    whole: bool,
) -> str:
    """Name the one column without which all rows are the dataset's, and say what is wrong with it. Otherwise name them all.

    whole: whether the rows are those of a whole epoch, so that each column must have all of the dataset's values.
    """

    def unlike(name: str | None) -> bool:
        foreign, *counts = _compare(delivered[name], wanted[name])
        return bool(foreign) or (whole and any(counts))

    for name in delivered:
        others_right = not _compare(*(mixed(_without(columns, name)) for columns in (delivered, wanted)))[0]
        if not others_right:
            continue
        largest = largest_ids.get(name)
        true_ids = truth.ids.get(name) if name is not None else None
        if not unlike(name) and not _lacks_large_ids(largest, true_ids, len(delivered[name])):
            return f"the values of {spoken(name)} match the dataset but belong to different rows"
        true_largest = 0 if true_ids is None else int(true_ids.max())
        if largest in NARROW_LIMITS or (
            largest is not None and any(largest <= limit < true_largest for limit in NARROW_LIMITS)
        ):
            return f"{spoken(name)} was cast to a narrower type (its largest id is {largest:,}, not {true_largest:,})"
        return f"{'the values or offsets' if name in truth.bags else 'the values'} of {spoken(name)} are wrong"
    wrong = [spoken(name) for name in delivered if unlike(name)]
    if not wrong:
        return "values of several columns belong to different rows"
    right = ", the others are right" if len(wrong) < len(delivered) else ""
    return f"the values of {listed(wrong)} are wrong{right}" if right else "more than one column is wrong"


def _lacks_large_ids(largest: int | None, true_ids: Tensor | None, rows: int) -> bool:
    """Return whether so many rows have no id over a narrow type's largest value, though EXPECTED_LARGE of them should."""
    if largest is None or true_ids is None:
        return False
    limit = next((limit for limit in NARROW_LIMITS if largest <= limit), largest)
    return int((true_ids > limit).sum()) * rows >= EXPECTED_LARGE * len(true_ids)


def listed(names: Sequence[str]) -> str:
    """Return the names with commas and a last "and"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _delivered(batches: Iterable[Batch]) -> tuple[dict[str | None, Tensor], dict[str | None, int]]:
    """Return each column's hashes over the epoch, on the CPU, and the largest id of each single-hot column."""
    parts: list[dict[str | None, Tensor]] = []
    largest_ids: dict[str | None, int] = {}
    for batch in batches:
        parts.append({name: column.cpu() for name, column in column_hashes(batch).items()})
        for name, ids in batch.ids.items():
            largest_ids[name] = max(largest_ids.get(name, 0), int(ids.max()))
    return {name: torch.cat([part[name] for part in parts]) for name in (parts[0] if parts else ())}, largest_ids


def _without(columns: dict[str | None, Tensor], left_out: str | None) -> list[Tensor]:
    # a dataset can have no column besides the label
    return [column for name, column in columns.items() if name != left_out] or [torch.zeros_like(columns[None])]


def _compare(delivered: Tensor, wanted: Tensor) -> tuple[int, int, int]:
    """Count delivered rows that are not wanted, wanted rows that are missing, and surplus copies of wanted rows."""
    keys, inverse = torch.unique(torch.cat([delivered, wanted]), return_inverse=True)
    delivered_counts = torch.bincount(inverse[: len(delivered)], minlength=len(keys))
    wanted_counts = torch.bincount(inverse[len(delivered) :], minlength=len(keys))
    foreign = int(delivered_counts[wanted_counts == 0].sum())
    missing = int((wanted_counts - delivered_counts).clamp(min=0).sum())
    extra = int((delivered_counts - wanted_counts).clamp(min=0)[wanted_counts > 0].sum())
    return foreign, missing, extra


def rows_are(count: int) -> str:
    """Return the number of rows with its verb: "1 row is" or "2 rows are"."""
    return "1 row is" if count == 1 else f"{count:,} rows are"
