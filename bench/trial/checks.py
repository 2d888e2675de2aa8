"""After the clock: one more epoch, every row of it compared with the dataset, and the order of the next one."""

from __future__ import annotations

import itertools
import traceback
from dataclasses import dataclass

from feedrate.bench.datasets.checksum import row_hashes
from feedrate.bench.gate.epoch import GateFailed, WrongRows, check_epoch
from feedrate.bench.gate.row_diagnosis import explain
from feedrate.bench.results.record import ShuffleRecord
from feedrate.bench.timing.clock import now
from feedrate.bench.trial.context import TrialContext
from feedrate.loaders.base import Loader
from feedrate.loaders.parquet.columns import read_columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """The gate's measurements of a correct epoch."""

    shuffle: ShuffleRecord | None = None
    same_order: bool = False
    """Whether two epochs began with the same rows in the same order."""
    gate_s: float | None = None
    """None if there was no gate."""


def check_rows(context: TrialContext, loader: Loader) -> Checks:
    """Compare an epoch's rows with the dataset's. Raises GateFailed with what is wrong."""
    begin, epoch = now(), context.spec.epochs
    try:
        delivered = check_epoch(
            context.reported("check", loader.epoch(epoch), "train"),
            context.dataset.info.splits["train"],
            order_sample=context.dataset.order_sample("train"),
            batch_size=context.spec.batch_size,
            device=context.spec.device,
        )
    except WrongRows as error:
        raise GateFailed(_explained(context, loader, epoch, error.sentence)) from None
    same_order = context.spec.shuffle and _begins_alike(loader, epoch + 1, delivered.start)
    return Checks(shuffle=delivered.shuffle, same_order=same_order, gate_s=now() - begin)


def _begins_alike(loader: Loader, epoch: int, hashes: list[int]) -> bool:
    """Whether this epoch's first batch has rows with these hashes, in this order."""
    batches = iter(loader.epoch(epoch))
    first = next(batches, None)
    alike = first is not None and len(hashes) > 1 and row_hashes(first).tolist() == hashes
    del batches
    return alike


def _explained(context: TrialContext, loader: Loader, epoch: int, sentence: str) -> str:
    """The gate's sentence, and the cause that a row-by-row comparison finds."""
    most = 2 * context.dataset.info.splits["train"].rows // context.spec.batch_size + 2
    try:
        batches = itertools.islice(context.reported("compare rows", loader.epoch(epoch), "train"), most)
        why = explain(batches, read_columns(context.dataset.split("train")))
    except Exception as error:  # the gate's finding stands, however the row-by-row comparison ends
        traceback.print_exc()
        why = f"the row-by-row comparison failed with {type(error).__name__}: {error}"
    return f"{sentence}; {why}" if why else sentence
