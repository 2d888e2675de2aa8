"""Checks what timed epochs delivered, after the clock of each.

Sums tell whether an epoch's values add up to the dataset's, column by column. Copies of a few batches at random places
tell whether their rows are the dataset's. A loader cannot know which batches are copied. Rows that are wrong in a single
batch are found with the probability that this batch is copied in one of the epochs; `every` compares all rows.
"""

from __future__ import annotations

import contextlib
import random
import traceback
from collections.abc import Callable, Iterable
from time import monotonic

import numpy as np
import torch

from feedrate.bench.consumer.reading import BatchReader, hold_values
from feedrate.bench.datasets.canonical import Dataset, SplitName
from feedrate.bench.datasets.rows.checksum import row_hashes
from feedrate.bench.gate.batch_copy import BatchCopy
from feedrate.bench.gate.batch_watch import NEVER, BatchWatch
from feedrate.bench.gate.epoch import EndlessEpoch, GateFailed, TimedRowsWrong, check_offsets, wrong_count
from feedrate.bench.gate.repeats import RepeatedBatches
from feedrate.bench.gate.row_diagnosis import WORKERS, explain_rows, listed, rows_are
from feedrate.bench.host.ranks.group import ALONE, Group, joint, shard_rows, total, word_total
from feedrate.loaders.base import Batch
from feedrate.loaders.form import plain_batch, require_form, spoken
from feedrate.loaders.parquet.columns import read_columns

COPIES = 2
"""Batches that are copied of the first epoch."""
MANY_ROWS = 1 << 20
"""Rows of a batch from which on only one is copied of the first epoch."""
MAX_COPIES = 16
"""Batches that are copied of an epoch at most."""
MAX_COPIED_BYTES = 16 << 20
"""Memory of the copies of an epoch, on the device of the batches. One batch is copied in any case."""
MAX_COST = 0.002
"""Share of an epoch that copying may take, judged by the epoch before. One batch is copied in any case."""


class TimedRows(BatchWatch):
    """Watches the timed epochs of one loader."""

    def __init__(
        self,
        dataset: Dataset,
        name: SplitName,
        read: BatchReader,
        *,
        batch_size: int,
        device: str,
        every: bool = False,
        group: Group = ALONE,
    ) -> None:
        """every: compare all rows, which costs a multiple of the time that most loaders take for a batch.

        group: the ranks whose shards together are the split.
        """
        super().__init__()
        self._dataset, self._name, self._read = dataset, name, read
        self._info, self._schema = dataset.info.splits[name], dataset.info.schema
        self._index = dataset.row_index(name)
        self._batch_size, self._device, self._every = batch_size, device, every
        self._group = group
        self._batches = -(-shard_rows(group, self._info.rows) // batch_size)
        self._copies: list[BatchCopy] = []
        self._hashes: list[torch.Tensor] = []
        self._places: list[int] = []
        self._hold_values = hold_values(self._schema)
        self._choose = random.SystemRandom()  # seeds of the run are known to loaders
        self.copied = 0
        """Batches that were copied of this epoch."""
        self.copied_s = 0.0
        """Host seconds that copying took in this epoch."""
        self.repeats = RepeatedBatches(batch_size)
        self._last_copied, self._last_nbytes = COPIES, 1

    def begin(self, before: tuple[float, float] | None = None) -> None:
        """Get ready for an epoch. Call it before the clock starts.

        before: wall seconds of the last epoch, and what copying took in it. None for the first epoch.
        """
        first = COPIES if self._batch_size <= MANY_ROWS else 1
        count = min(first if before is None else self._affordable(*before), self._batches)
        self._places = sorted(self._choose.sample(range(self._batches), count), reverse=True)
        self._copies, self._hashes = [], []
        self.odd, self.delivered, self.copied, self.copied_s = None, 0, 0, 0.0
        self.next = 0 if self._every else self._places.pop()
        self._read.begin(self._batches)

    def take(self, batch: Batch) -> None:
        """Copy the batch, and choose the next place. Raises FormBroken if the batch has a wrong form."""
        begin = monotonic()
        if self._every:
            self._require_form(batch)
            check_offsets(batch)
            self._hashes.append(row_hashes(batch))
            self.next += 1
        else:
            try:
                self._copies.append(BatchCopy.of(batch))
            except (RuntimeError, IndexError):
                self._require_form(batch)
                raise
            self.next = self._places.pop() if self._places else NEVER
        self.copied += 1
        self.copied_s += monotonic() - begin

    def end(self, title: str, rows: int) -> None:
        """Check the epoch. Call it after the clock has stopped.

        title: of the epoch, for messages. rows: that the clock counted. Raises GateFailed with what is wrong.
        """
        if sentence := wrong_count(total(self._group, rows), self._info.rows, self._batch_size):
            raise TimedRowsWrong(title, sentence, diagnosed=False)
        if sentence := self.wrong_size(self._batch_size):
            raise GateFailed(f"{title}: {sentence}")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # the CPU time of this thread alone is then the harness's
        try:
            sums = self._read.sums()
            wrong_sums = self._wrong_sums(title, sums)
            repeated = self._repeated(sums) if wrong_sums else ""
            wrong_rows = "" if repeated else self._wrong_rows()
        finally:
            torch.set_num_threads(threads)
        self._copies, self._hashes = [], []
        if wrong := repeated or wrong_rows or wrong_sums:
            raise TimedRowsWrong(title, wrong, diagnosed=bool(wrong_rows) and not self._every)

    def explain_endless(self, error: EndlessEpoch, again: Callable[[], Iterable[Batch]]) -> str:
        """Return what is wrong with an epoch that was stopped because it did not end.

        again: yields the same epoch once more, up to the same place. It is read if no batch repeats another.
        """
        repeated = self.repeats.within(self._of_columns(self._read.sums()))
        if repeated is not None:
            repeats = f"batch {repeated[1] + 1} repeats batch {repeated[0] + 1}"
            return f"{error}; its rows come more than once: {repeats}: {WORKERS}"
        try:
            missing, extra = self._missing_and_extra(again())
        except Exception:  # the finding stands, however the second reading ends
            traceback.print_exc()
            return str(error)
        if not (missing and extra):  # the epoch begins again when it should end, or its rows are not the split's
            return str(error)
        return f"{error}; {rows_are(extra)} delivered more than once while {missing:,} have not come at all: {WORKERS}"

    def _missing_and_extra(self, batches: Iterable[Batch]) -> tuple[int, int]:
        """Count the split's rows that do not come before the epoch is stopped, and surplus copies of those that come."""
        hashes: list[torch.Tensor] = []
        with contextlib.suppress(EndlessEpoch):
            hashes.extend(row_hashes(plain_batch(batch)) for batch in batches)
        keys, counts = np.unique(torch.cat(hashes).cpu().numpy(), return_counts=True)
        known = self._index.occurrences(keys)
        return self._info.rows - int(np.minimum(counts, known).sum()), int(
            np.maximum(counts - known, 0)[known > 0].sum()
        )

    def _affordable(self, wall_s: float, copied_s: float) -> int:
        """How many batches can be copied within MAX_COST of the time and MAX_COPIED_BYTES."""
        batch_s = max(copied_s / self._last_copied, 1e-6)
        by_bytes = MAX_COPIED_BYTES // max(self._last_nbytes, 1)
        return max(1, min(MAX_COPIES, int(MAX_COST * wall_s / batch_s), by_bytes))

    def _require_form(self, batch: Batch) -> None:
        require_form(batch, self._schema, device=self._device, batch_size=self._batch_size)

    def _wrong_rows(self) -> str:
        """Return what is wrong with the copied rows, or an empty string."""
        batches = [copy.batch() for copy in self._copies]
        if batches:
            self._last_copied, self._last_nbytes = len(batches), self._copies[0].nbytes
        for batch in batches:
            self._require_form(batch)
            check_offsets(batch)
        hashes = self._hashes or [row_hashes(batch) for batch in batches]
        mine = torch.cat(hashes).cpu().numpy() if hashes else np.empty(0, np.int64)  # a rank may have no rows
        keys, counts = np.unique(joint(self._group, mine), return_counts=True)
        known = self._index.occurrences(keys)
        foreign, often = int(counts[known == 0].sum()), int((counts > known)[known > 0].sum())
        checked = f"of {int(counts.sum()):,} rows that were compared"
        if foreign:
            return f"{checked}, {rows_are(foreign)} not in the {self._name} split{self._why(batches, keys[known == 0])}"
        if often:
            rows = "1 row comes" if often == 1 else f"{often:,} rows come"
            return f"{checked}, {rows} more often than in the {self._name} split"
        return ""

    def _why(self, batches: list[Batch], foreign: np.ndarray) -> str:
        """Return why rows with these hashes are not in the split, after a colon, or an empty string."""
        others = [name for name in self._dataset.info.splits if name != self._name]
        for other in others:
            if (self._dataset.row_index(other).occurrences(foreign) > 0).all():
                return f": they are rows of the {other} split"
        if not batches:
            return ""
        return f": {explain_rows(batches, read_columns(self._dataset.split(self._name)))}"

    def _wrong_sums(self, title: str, sums: np.ndarray) -> str:
        """Return which columns of the epoch do not add up to the dataset's, or an empty string."""
        self.repeats.add(title, self._of_columns(sums))
        totals = word_total(self._group, self._of_columns(sums).sum(0, dtype=np.uint64)).tolist()
        names = map(spoken, (*self._schema.columns[:-1], None))
        pairs = zip(names, totals, self._index.word_sums, strict=True)
        wrong = [name for name, delivered, wanted in pairs if delivered != wanted]
        if not wrong:
            return ""
        return f"the values of {listed(wrong)} do not add up to those of the {self._name} split"

    def _of_columns(self, sums: np.ndarray) -> np.ndarray:
        """Leave out the offsets, whose sums depend on the order of the rows."""
        return sums[:, self._hold_values]

    def _repeated(self, sums: np.ndarray) -> str:
        """Return which batch comes again in an epoch whose sums are wrong, or an empty string."""
        repeated = self.repeats.within(self._of_columns(sums))
        return "" if repeated is None else f"batch {repeated[1] + 1} repeats batch {repeated[0] + 1}"
