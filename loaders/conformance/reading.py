"""Reads epochs of a loader and notes what the rules need: the order, sizes, wrong columns and broken forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from feedrate.loaders import form
from feedrate.loaders.base import Batch, Loader
from feedrate.loaders.conformance.case import READING, Case
from feedrate.loaders.conformance.contents import ContentsWatch
from feedrate.loaders.conformance.splits import row_column
from feedrate.loaders.form import FormBroken
from feedrate.loaders.parquet.columns import Columns, read_columns
from feedrate.loaders.rule_result import RuleBroken

EPOCHS = 5
"""Epochs that are compared with the file and with each other."""
UNSHUFFLED_EPOCHS = 2
"""Epochs that are read with shuffle=False. All of them must have the same order."""
RANKS = 3
"""Number of shards in the rules about ranks."""
MAX_EXTRA_BATCHES = 4
"""Batches that may follow the expected end of an epoch before it counts as one that never ends."""


@dataclass(slots=True)
class Epoch:
    """What one epoch delivered."""

    index: int
    order: np.ndarray
    """Row numbers in the order of delivery: int64 [rows]."""
    sizes: list[int] = field(default_factory=list)
    """Rows of each batch."""
    wrong: tuple[str, ...] = ()
    """Columns in which some rows differ from the file's, in the order of the schema."""
    problems: dict[str, str] = field(default_factory=dict)
    """Broken rules about the form, each with its sentence. Reading stopped there."""


def epochs(case: Case, *, shuffle: bool = True, seed: int | None = None, rank: int | None = None) -> list[Epoch]:
    """Return epochs 0 to 4 of one loader, or fewer if one has a problem. They are read once and then kept.

    shuffle: False reads only the first UNSHUFFLED_EPOCHS.
    seed: None means the configuration's. rank: None means a single rank, which has all rows; otherwise one of RANKS.
    """
    settings = {"shuffle": shuffle, "seed": case.config.seed if seed is None else seed}
    if rank is not None:
        settings |= {"rank": rank, "world_size": RANKS}

    wanted = EPOCHS if shuffle else UNSHUFFLED_EPOCHS

    def read() -> list[Epoch]:
        result: list[Epoch] = []
        with case.opened(**settings) as loader:
            while len(result) < wanted and not (result and result[-1].problems):
                result.append(read_epoch(case, loader, len(result)))
        return result

    kept: list[Epoch] = case.kept(tuple(settings.items()), read)
    return kept


def sound_epochs(case: Case, *, shuffle: bool = True, seed: int | None = None, rank: int | None = None) -> list[Epoch]:
    """Return epochs 0 to 4 as `epochs` does. Raises RuleBroken with the problem if one has a problem."""
    result = epochs(case, shuffle=shuffle, seed=seed, rank=rank)
    for epoch in result:
        require_sound(epoch)
    return result


def require_sound(epoch: Epoch) -> None:
    """Raise RuleBroken with the first problem of the epoch's form, if it has one."""
    for problem in epoch.problems.values():
        raise RuleBroken(problem)


def read_epoch(case: Case, loader: Loader, index: int) -> Epoch:
    """Read an epoch to its end, or to the first batch with a wrong form."""
    epoch = Epoch(index, np.zeros(0, np.int64))
    parts: list[np.ndarray] = []
    truth: Columns = case.kept("columns", lambda: read_columns(case.split))
    row = row_column(case.split.schema)
    contents = ContentsWatch(truth, case.split.schema)
    case.say(READING)
    for delivered in loader.epoch(index):
        case.say(READING)
        batch = _noted(case, delivered, epoch)
        if batch is None:
            break
        batch = batch.map(Tensor.cpu)
        parts.append(batch.ids[row].long().numpy().copy())
        contents.add(batch)
        rows = sum(epoch.sizes)
        if rows > case.split.rows + MAX_EXTRA_BATCHES * case.config.batch_size:
            epoch.problems["epochs_end"] = (
                f"an epoch does not end: it was stopped after {rows:,} rows, but the split has {case.split.rows:,}"
            )
            break
    contents.flush()
    epoch.order = np.concatenate([epoch.order, *parts])
    epoch.wrong = tuple(name for name in case.split.schema.columns if name in contents.wrong)
    return epoch


def _noted(case: Case, delivered: object, epoch: Epoch) -> Batch | None:
    """Note the batch's size, and the rules about its form that it breaks. Returns None if it cannot be read."""
    try:
        batch = form.plain_batch(delivered)
    except FormBroken as error:
        epoch.problems["plain_batches"] = str(error)
        return None
    checks: tuple[tuple[str, Callable[[], None]], ...] = (
        ("columns_by_kind", lambda: form.require_columns(batch, case.split.schema)),
        ("dtypes", lambda: form.require_tensors(batch)),
        ("device", lambda: form.require_device(batch, case.config.device)),
    )
    for rule, check in checks:
        try:
            check()
        except FormBroken as error:
            epoch.problems[rule] = str(error)
    if epoch.problems:
        return None
    epoch.sizes.append(batch.rows)
    if not batch.rows and len(epoch.sizes) > 1:
        epoch.problems["only_last_batch_short"] = "a batch has no rows"
    return None if epoch.problems else batch
