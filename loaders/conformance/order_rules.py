"""Rules about the order of rows in one rank's epochs."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from feedrate.loaders.conformance import order_statistics
from feedrate.loaders.conformance.case import READING, Case
from feedrate.loaders.conformance.form_rules import require, require_contents, require_each_once
from feedrate.loaders.conformance.reading import EPOCHS, Epoch, read_epoch, require_sound, sound_epochs
from feedrate.loaders.rule_result import RuleBroken

MIN_TAIL = 16
"""Rows at the end of an epoch that are judged at least. Fewer would be the end of the file by chance."""


def same_order_for_same_seed(case: Case) -> None:
    """Two loaders with the same seed agree on the order of each epoch."""
    with case.opened() as loader:
        again = read_epoch(case, loader, 0)
    _require_same_order(again, sound_epochs(case)[0], "a second loader with the same seed")


def same_order_after_other_epochs(case: Case) -> None:
    """Seed and epoch alone determine the order: not the epochs before it, nor the number of calls."""
    read = sound_epochs(case)
    with case.opened() as loader:
        _require_same_order(read_epoch(case, loader, 3), read[3], "epoch 3 of a fresh loader")
        for time in ("first", "second"):
            _require_same_order(
                read_epoch(case, loader, 1), read[1], f"epoch 1 after epoch 3, asked for the {time} time,"
            )


def other_order_in_other_epoch(case: Case) -> None:
    """Each pair of epochs 0 to 4 has two orders, which are more than parts of one order that were moved."""
    require_other_orders(case, sound_epochs(case), "")


def other_order_for_other_seed(case: Case) -> None:
    """Another seed gives another order in each epoch."""
    others = sound_epochs(case, seed=case.config.seed + 1)
    require_other_seed(case, sound_epochs(case), others, "")


def neighbours_apart(case: Case) -> None:
    """Rows that are neighbours in the file are not kept together, nor are rows in places that workers with one seed choose."""
    for epoch in sound_epochs(case):
        order, rows = epoch.order, len(epoch.order)
        count, most = order_statistics.close_rows(order)
        require(
            count < most,
            f"in epoch {epoch.index}, {count:,} of {rows:,} rows come next to one of the {2 * order_statistics.CLOSE} rows "
            f"around them in the file: blocks of rows are kept together, or nothing is shuffled",
        )
        for lag in {1, case.config.batch_size}:
            count, most, step = order_statistics.equal_steps(order, lag)
            after = "the next row is" if lag == 1 else f"the row {lag:,} places later is"
            require(
                count < most,
                f"in epoch {epoch.index}, for {count:,} of {rows:,} rows {after} {abs(step):,} rows "
                f"{'later' if step > 0 else 'earlier'} in the file, as if workers shared one seed",
            )
        count, most = order_statistics.repeated_patterns(order)
        require(
            count < most,
            f"in epoch {epoch.index}, {count:,} of {rows:,} rows are in a sequence of steps through the file that occurs "
            "again, as if workers shared one seed",
        )


def tail_changes(case: Case) -> None:
    """Over the epochs, the last rows come from everywhere: not always from the end of the file, nor from the same half."""
    read, rows = sound_epochs(case), case.split.rows
    if rows >= 2 * order_statistics.MIN_HALF:
        share = min(order_statistics.same_half(first.order, second.order) for first, second in combinations(read, 2))
        require(
            share < order_statistics.SAME_HALF,
            f"in epochs 0 to {EPOCHS - 1}, at least {share:.0%} of the rows in the first half of an epoch are in the first "
            "half of another: the same rows come late in every epoch",
        )
    if rows < 4 * MIN_TAIL:
        return
    tails = [epoch.order[-max(epoch.sizes[-1], MIN_TAIL) :] for epoch in read]
    middles = [int(np.median(tail)) for tail in tails]
    require(
        min(middles) < rows * 0.85,
        f"in each of {EPOCHS} epochs, at least half of the last batch are rows from number {min(middles)} onwards",
    )


def abandoned_epoch(case: Case) -> None:
    """An epoch that is abandoned after two batches changes nothing in the next three: rows, contents and order."""
    undisturbed = sound_epochs(case)
    with case.opened() as loader:
        batches = iter(loader.epoch(0))
        case.say(READING)
        next(batches), next(batches)
        del batches
        for index in (1, 2, 3):
            epoch, when = read_epoch(case, loader, index), f"after an abandoned epoch, in epoch {index}"
            require_sound(epoch)
            if "every_row_once" not in case.broken:
                require_each_once(epoch.order, case.split.rows, when)
            if "contents_intact" not in case.broken:
                require_contents(case, [epoch], "after an abandoned epoch, ")
            if not case.broken & {"same_order_for_same_seed", "same_order_after_other_epochs"}:
                _require_same_order(epoch, undisturbed[index], f"after an abandoned epoch, epoch {index}")


def require_other_orders(case: Case, read: list[Epoch], whose: str) -> None:
    """Raise RuleBroken if two epochs have the same order, or parts of one order in other places."""
    for first, second in combinations(read, 2):
        if same := same_order(case, first, second):
            raise RuleBroken(f"{whose}epochs {first.index} and {second.index} have {same}")


def require_other_seed(case: Case, read: list[Epoch], others: list[Epoch], whose: str) -> None:
    """Raise RuleBroken if an epoch has the same order for two seeds. read, others: the epochs of the two seeds."""
    for first, second in zip(read, others, strict=True):
        if same := same_order(case, first, second):
            raise RuleBroken(f"{whose}two seeds have {same} in epoch {first.index}")


def same_order(case: Case, first: Epoch, second: Epoch) -> str:
    """Describe what two orders have in common if that cannot be chance. Returns "" for orders that differ."""
    if np.array_equal(first.order, second.order):
        exact = len(first.order) >= order_statistics.MIN_ROWS
        return "the same order" if exact else ""
    count, most = order_statistics.kept_neighbours(first.order, second.order)
    moved = order_statistics.relation(first.order, second.order) if count >= most else ""
    if moved and moved != order_statistics.IN_PIECES:
        return f"the same order, {moved}"
    if order_statistics.batches_again(first.order, second.order, case.config.batch_size):
        return "the same batches in another order"
    return f"the same order, {moved}" if moved else ""


def _require_same_order(epoch: Epoch, wanted: Epoch, what: str) -> None:
    require_sound(epoch)
    if len(epoch.order) != len(wanted.order):
        raise RuleBroken(f"{what} has {len(epoch.order):,} rows, but had {len(wanted.order):,} before")
    share = float(np.mean(epoch.order != wanted.order))
    require(not share, f"{what} has {share:.0%} of the rows at another position")
