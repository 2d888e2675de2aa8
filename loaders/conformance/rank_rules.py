"""Rules about three ranks, in epochs 0 to 4."""

from __future__ import annotations

import numpy as np

from feedrate.loaders.conformance.case import Case
from feedrate.loaders.conformance.form_rules import require, require_contents, require_each_once, require_sizes
from feedrate.loaders.conformance.order_rules import require_other_orders, require_other_seed
from feedrate.loaders.conformance.reading import RANKS, Epoch, sound_epochs


def ranks_disjoint_and_complete(case: Case) -> None:
    """Three ranks together deliver each row exactly once in each epoch."""
    for of_ranks in zip(*_ranks(case), strict=True):
        orders = np.concatenate([epoch.order for epoch in of_ranks])
        require_each_once(orders, case.split.rows, f"over three ranks, in epoch {of_ranks[0].index}")


def ranks_even(case: Case) -> None:
    """The row counts of three ranks differ by at most one, and only their last batches are short."""
    for of_ranks in zip(*_ranks(case), strict=True):
        rows = [len(epoch.order) for epoch in of_ranks]
        require(max(rows) - min(rows) <= 1, f"ranks have {rows} rows")
        for epoch in of_ranks:
            require_sizes(epoch, case.config.batch_size)


def ranks_contents_intact(case: Case) -> None:
    """Every column of every row equals the file's on each rank."""
    for rank, read in enumerate(_ranks(case)):
        require_contents(case, read, f"on rank {rank} of {RANKS}, ")


def ranks_reshuffle(case: Case) -> None:
    """Each rank has another order in each epoch, and for another seed."""
    for rank, read in enumerate(_ranks(case)):
        require_other_orders(case, read, f"on rank {rank} of {RANKS}, ")
    others = sound_epochs(case, seed=case.config.seed + 1, rank=1)
    require_other_seed(case, _ranks(case)[1], others, f"on rank 1 of {RANKS}, ")


def _ranks(case: Case) -> list[list[Epoch]]:
    return [sound_epochs(case, rank=rank) for rank in range(RANKS)]
