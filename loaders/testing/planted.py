"""A loader with one planted fault, which the correctness gate, a flag or a conformance rule must catch."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, Split
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.columns import batch_to, epoch_order, read_columns
from feedrate.loaders.testing.fault import Fault, Planted, right_order, to_device
from feedrate.loaders.testing.planted_orders import ORDER_FAULTS
from feedrate.loaders.testing.planted_processes import PROCESS_FAULTS
from feedrate.loaders.testing.planted_timed import TIMED_FAULTS
from feedrate.loaders.testing.planted_unusual import UNUSUAL

LEAK_BYTES = 8 << 20
"""Host memory that the fault `leaks` keeps for each batch."""
CHUNKS = 4
"""Parts of the epoch within which the fault `chunk_shuffle` shuffles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedOptions:
    """Options of the planted loader. Raises FeedrateError for an unknown fault."""

    fault: str = "none"
    """Name of the fault: none, one of FAULTS, or one of UNUSUAL, which are right."""

    def __post_init__(self) -> None:
        if self.fault not in ("none", *FAULTS, *UNUSUAL):
            raise FeedrateError(f"unknown fault {self.fault!r}: choose from none, {', '.join(FAULTS)}")


class PlantedLoader:
    """A loader that is correct except for its fault, which replaces the row order, the plan or the batches."""

    def __init__(self, split: Split, config: LoaderConfig, options: PlantedOptions) -> None:
        self.config, self.split = config, split
        self.columns = read_columns(split)
        self.leaked: list[np.ndarray] = []
        self.notes: dict[str, Any] = {}
        self._fault = (FAULTS | UNUSUAL).get(options.fault, Fault())
        self._fault.opened(self)

    def epoch(self, index: int) -> Iterator[Batch]:
        """Yield an epoch with the fault."""
        order = self._fault.order(self, index)
        size = self.config.batch_size
        plan = [order[start : start + size] for start in range(0, len(order), size)]
        batches = (self.columns.take(torch.from_numpy(rows)) for rows in self._fault.plan(plan, index))
        return self._fault.batches(self, batches, index)

    def close(self) -> None:
        """Free the memory that was leaked."""
        self.leaked = []
        self.notes["closed"] = True


def _row_dropped(plan: list[np.ndarray], _epoch: int) -> Iterable[np.ndarray]:
    return [plan[0][1:], *plan[1:]]


def _row_twice(plan: list[np.ndarray], _epoch: int) -> Iterable[np.ndarray]:
    return [*plan[:-1], np.append(plan[-1], plan[0][0])]


def _row_replaced(plan: list[np.ndarray], _epoch: int) -> Iterable[np.ndarray]:
    return [*plan[:-1], np.append(plan[-1][1:], plan[0][0])]


def _last_batch_missing(plan: list[np.ndarray], _epoch: int) -> Iterable[np.ndarray]:
    return plan[:-1]


def _ends_early(plan: list[np.ndarray], epoch: int) -> Iterable[np.ndarray]:
    return plan if epoch == 0 else plan[: len(plan) // 2]


def _never_ends(plan: list[np.ndarray], _epoch: int) -> Iterable[np.ndarray]:
    while True:
        yield from plan


def _stale_batch(plan: list[np.ndarray], _epoch: int) -> Iterable[np.ndarray]:
    return [*plan[:2], plan[1], *plan[3:]]


def _no_shuffle(loader: Planted, epoch: int) -> np.ndarray:
    return right_order(loader, epoch, shuffle=False)


def _chunk_shuffle(loader: Planted, epoch: int) -> np.ndarray:
    rng = np.random.default_rng((loader.config.seed, epoch))
    chunks = np.array_split(right_order(loader, epoch, shuffle=False), CHUNKS)
    return np.concatenate([rng.permutation(chunk) for chunk in chunks])


def _same_order(loader: Planted, _epoch: int) -> np.ndarray:
    return right_order(loader, 0)


def _ranks_same_rows(loader: Planted, epoch: int) -> np.ndarray:
    config = loader.config
    return epoch_order(loader.columns.rows, shuffle=config.shuffle, seed=config.seed, epoch=epoch).copy()


def _ranks_uneven(loader: Planted, epoch: int) -> np.ndarray:
    order, config = _ranks_same_rows(loader, epoch), loader.config
    cuts = [0, *(len(order) * (rank + 2) // (config.world_size + 1) for rank in range(config.world_size))]
    return order[cuts[config.rank] : cuts[config.rank + 1]]


def _labels_shifted(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    shifted = (replace(batch, label=batch.label.roll(1)) for batch in batches)
    return to_device(loader, shifted, epoch)


def _offsets_off_by_one(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    def shift(values: torch.Tensor, offsets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        shifted = (offsets + 1).clamp(max=len(values))
        shifted[0], shifted[-1] = 0, len(values)
        return values, shifted

    faulty = (replace(batch, bags={name: shift(*bag) for name, bag in batch.bags.items()}) for batch in batches)
    return to_device(loader, faulty, epoch)


def _ids_narrowed(loader: Planted, batches: Iterable[Batch], _epoch: int) -> Iterator[Batch]:
    for batch in batches:
        widest = max(batch.ids, key=lambda name: int(loader.columns.ids[name].max()))
        narrow = batch.ids[widest].to(torch.uint8).to(torch.int32)
        yield batch_to(replace(batch, ids={**batch.ids, widest: narrow}), loader.config.device)


def _buffer_reused(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    buffer = torch.empty(loader.config.batch_size, dtype=torch.float32, device=loader.config.device)
    for batch in to_device(loader, batches, epoch):
        label = buffer[: len(batch.label)]
        label.copy_(batch.label)
        yield replace(batch, label=label)


class Overcounted(Batch):
    """A batch that claims to have 1,048,576 rows, whatever it holds."""

    @property
    def rows(self) -> int:
        """The number of rows that the batch claims to have."""
        return 1 << 20


def _rows_overcounted(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    for batch in to_device(loader, batches, epoch):
        yield Overcounted(batch.ids, batch.bags, batch.dense, batch.label)


def _unsynchronised_copy(loader: Planted, batches: Iterable[Batch], _epoch: int) -> Iterator[Batch]:
    """Copy on another stream, some milliseconds late, without making the consumer's stream wait for it."""
    device = torch.device(loader.config.device)
    copy_stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def copy_late(tensor: torch.Tensor) -> torch.Tensor:
        target = torch.zeros_like(tensor, device=device)
        source = tensor.pin_memory()
        with torch.cuda.stream(copy_stream):
            target.copy_(source, non_blocking=True)
        return target

    for batch in batches:
        torch.cuda.current_stream(device).synchronize()
        with torch.cuda.stream(copy_stream):
            torch.cuda._sleep(20_000_000)  # type: ignore[no-untyped-call]  # cycles: about 10 ms
        yield batch.map(copy_late)


def _leaks(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    for batch in to_device(loader, batches, epoch):
        loader.leaked.append(np.ones(LEAK_BYTES, np.uint8))
        yield batch


def _crashes(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    yield next(iter(to_device(loader, batches, epoch)))
    os.abort()


def _hangs(loader: Planted, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
    yield next(iter(to_device(loader, batches, epoch)))
    time.sleep(3600)


FAULTS: dict[str, Fault] = {
    "row_dropped": Fault(plan=_row_dropped),
    "row_twice": Fault(plan=_row_twice),
    "row_replaced": Fault(plan=_row_replaced),
    "labels_shifted": Fault(batches=_labels_shifted),
    "stale_batch": Fault(plan=_stale_batch),
    "buffer_reused": Fault(batches=_buffer_reused),
    "offsets_off_by_one": Fault(batches=_offsets_off_by_one),
    "ids_narrowed": Fault(batches=_ids_narrowed),
    "last_batch_missing": Fault(plan=_last_batch_missing),
    "no_shuffle": Fault(order=_no_shuffle),
    "chunk_shuffle": Fault(order=_chunk_shuffle),
    "same_order": Fault(order=_same_order),
    "ranks_same_rows": Fault(order=_ranks_same_rows),
    "ranks_uneven": Fault(order=_ranks_uneven),
    "unsynchronised_copy": Fault(batches=_unsynchronised_copy),
    "rows_overcounted": Fault(batches=_rows_overcounted),
    "ends_early": Fault(plan=_ends_early),
    "never_ends": Fault(plan=_never_ends),
    "leaks": Fault(batches=_leaks),
    "crashes": Fault(batches=_crashes),
    "hangs": Fault(batches=_hangs),
    **ORDER_FAULTS,
    **PROCESS_FAULTS,
    **TIMED_FAULTS,
}


def _open(split: Split, config: LoaderConfig, options: PlantedOptions) -> Loader:
    return PlantedLoader(split, config, options)


ADAPTER = Adapter(open=_open, options=PlantedOptions, backend=lambda _device: "one planted fault, for tests")
