"""Which rows, and which column of them, are not the dataset's: looked into only when the gate has found that something is wrong."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from feedrate.bench.datasets.checksum import LABEL, column_hashes, mixed
from feedrate.loaders.base import Batch
from feedrate.loaders.parquet.columns import Columns

NARROW = (2**7 - 1, 2**8 - 1, 2**15 - 1, 2**16 - 1)
"""Greatest values of int8, uint8, int16 and uint16."""


def explain(batches: Iterable[Batch], truth: Columns) -> str:
    """A sentence on what an epoch delivered in place of the dataset's rows; empty where this one is right.

    Holds the hashes of both: 8 bytes a row and column.
    """
    wanted = column_hashes(truth.slice(0, truth.rows))
    found, greatest = _delivered(batches)
    if not found:
        return "no batch came"
    foreign, missing, again = _compare(mixed(found.values()), mixed(wanted.values()))
    if not foreign:
        return f"{_rows(missing)} missing and {_rows(again)} delivered more than once" if missing or again else ""
    return _foreign_rows(foreign, found, wanted, greatest, truth)


def _foreign_rows(
    foreign: int, found: dict[str, Tensor], wanted: dict[str, Tensor], greatest: dict[str, int], truth: Columns
) -> str:
    head = f"{_rows(foreign)} not in the dataset"
    for name in found:
        others_right = not _compare(*(mixed(_without(columns, name)) for columns in (found, wanted)))[0]
        if not others_right:
            continue
        if not any(_compare(found[name], wanted[name])):
            return f"{head}: the values of {name} are the dataset's, but in other rows than theirs"
        limit = greatest.get(name)
        true_limit = int(truth.ids[name].max()) if name in truth.ids else 0
        if limit in NARROW or (limit is not None and any(limit <= narrow < true_limit for narrow in NARROW)):
            return f"{head}: {name} is cut to a narrower type (its greatest id is {limit:,}, not {true_limit:,})"
        kind = "the values or offsets" if name in truth.bags else "the values"
        return f"{head}: {kind} of {name} are not its rows'"
    return f"{head}, in more than one column"


def _delivered(batches: Iterable[Batch]) -> tuple[dict[str, Tensor], dict[str, int]]:
    """Hashes of each column over the epoch, on the CPU, and the greatest id of each single-hot one."""
    parts: list[dict[str, Tensor]] = []
    greatest: dict[str, int] = {}
    for batch in batches:
        parts.append({name: column.cpu() for name, column in column_hashes(batch).items()})
        for name, ids in batch.ids.items():
            greatest[name] = max(greatest.get(name, 0), int(ids.max()))
    return {name: torch.cat([part[name] for part in parts]) for name in (parts[0] if parts else ())}, greatest


def _without(columns: dict[str, Tensor], left_out: str) -> list[Tensor]:
    # the label alone can be left with nothing beside it
    return [column for name, column in columns.items() if name != left_out] or [torch.zeros_like(columns[LABEL])]


def _compare(found: Tensor, wanted: Tensor) -> tuple[int, int, int]:
    """Rows found that are not wanted at all, rows wanted that did not come, rows that came more often than wanted."""
    keys, inverse = torch.unique(torch.cat([found, wanted]), return_inverse=True)
    came = torch.bincount(inverse[: len(found)], minlength=len(keys))
    due = torch.bincount(inverse[len(found) :], minlength=len(keys))
    foreign = int(came[due == 0].sum())
    missing = int((due - came).clamp(min=0).sum())
    again = int((came - due).clamp(min=0)[due > 0].sum())
    return foreign, missing, again


def _rows(count: int) -> str:
    return "1 row is" if count == 1 else f"{count:,} rows are"
