"""Before the clock: libraries, kernels and allocators are warmed up on rows that the loader has no part in."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import torch

from feedrate.bench.consumer.model import build_model, throwaway_model
from feedrate.bench.consumer.models.embeddings import EmbeddingModel
from feedrate.bench.consumer.reading import BatchReader
from feedrate.bench.consumer.step_floor import copy_bytes_per_s
from feedrate.bench.consumer.steps import make_step
from feedrate.bench.datasets.rows.checksum import row_hashes
from feedrate.bench.gate.batch_copy import BatchCopy
from feedrate.bench.host import pagecache
from feedrate.bench.host.process_usage import since_process_start
from feedrate.bench.timing.clock import synchronise
from feedrate.bench.trial.context import TrialContext
from feedrate.loaders.base import Batch, Categorical, Schema
from feedrate.loaders.parquet.columns import batch_to, read_head
from feedrate.loaders.stores.store_path import StorePath

if TYPE_CHECKING:
    from feedrate.bench.consumer.row_wise import RowWiseModel

Value = TypeVar("Value")

WARMUP_STEPS = 5
"""Enough to record and replay a CUDA graph."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """The state of the process just before the loader is opened."""

    warmed_up_s: float
    """Seconds since the process started."""
    copy_bytes_per_s: float | None
    """GPU: bytes read and written per second by a copy within its memory; None in mode load and on the CPU."""
    resident_fraction: float | None
    """Share of the training files' pages in the page cache."""


class DrawnModel:
    """The model with its first weights. On a GPU it is drawn in a thread, beside the warm-up: large tables take a second."""

    def __init__(self, context: TrialContext) -> None:
        self._context = context
        trains = context.spec.mode != "load"
        self._drawn = run_in_thread(self._draw) if context.on_gpu and trains else None

    def wait(self) -> None:
        """Until the thread has ended: it holds torch's random generator until then."""
        if self._drawn is not None:
            self._drawn.result()

    def on_device(self) -> EmbeddingModel | RowWiseModel:
        """The model on the trial's device, with the dropout masks seeded. Call it once."""
        model = self._draw() if self._drawn is None else self._drawn.result()
        spec, group = self._context.spec, self._context.group
        if self._context.on_gpu:
            torch.cuda.manual_seed(spec.seed)  # for dropout's masks
        if not row_wise(self._context):
            return model.to(spec.device)
        from feedrate.bench.consumer.row_wise import RowWiseModel

        return RowWiseModel(model, group.rank, group.size).to(spec.device)

    def _draw(self) -> EmbeddingModel:
        spec = self._context.spec
        return build_model(self._context.dataset.info.schema, spec.model, seed=spec.seed, device="cpu")


def warm_up(context: TrialContext, model: DrawnModel, read: BatchReader) -> WarmUp:
    """Warm up, and bring the training files into or out of the page cache."""
    spec = context.spec
    batch = batch_to(read_head(context.dataset.split("train"), spec.batch_size), spec.device)
    copy_speed = None
    read.begin(1)
    read(batch)
    row_hashes(BatchCopy.of(batch).batch())
    if spec.mode != "load":
        copy_speed = copy_bytes_per_s(spec.device)
        model.wait()
        _warm_up_steps(context, batch)
    synchronise(spec.device)
    if context.on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(spec.device)
    resident = prepare_page_cache(context)
    return WarmUp(warmed_up_s=since_process_start(), copy_bytes_per_s=copy_speed, resident_fraction=resident)


def prepare_page_cache(context: TrialContext) -> float | None:
    """Bring the training files into or out of the page cache, as the spec says. Returns their resident share.

    Pages count against a memory limit only if the trial brought them in, so with one they are all dropped first.
    """
    files = [file for file in context.train_files if not isinstance(file, StorePath)]
    if context.spec.memory_limit_bytes is not None:
        pagecache.make(files, "cold")
    return pagecache.make(files, context.spec.cache)


def _warm_up_steps(context: TrialContext, batch: Batch) -> None:
    """Train and evaluate a model that is thrown away."""
    spec, schema = context.spec, context.dataset.info.schema
    if row_wise(context):  # no device need hold the tables
        schema, batch = _share_of(schema, context.group.size), _share_of_ids(batch, context.group.size)
    model = throwaway_model(schema, spec.model, device=spec.device)
    step = make_step(model, spec.model)
    for _ in range(WARMUP_STEPS):
        step(batch)
    model.eval()
    step.flush()
    with torch.no_grad():
        for _ in range(WARMUP_STEPS):
            step.predict(batch)


def row_wise(context: TrialContext) -> bool:
    """Whether each of several ranks holds some rows of the tables only."""
    return context.spec.model.embeddings == "row-wise" and context.group.size > 1


def _share_of(schema: Schema, ranks: int) -> Schema:
    """The schema with as many ids as one of the ranks holds rows."""

    def share(columns: tuple[Categorical, ...]) -> tuple[Categorical, ...]:
        return tuple(replace(column, cardinality=-(-column.cardinality // ranks)) for column in columns)

    return replace(schema, single_hot=share(schema.single_hot), multi_hot=share(schema.multi_hot))


def _share_of_ids(batch: Batch, ranks: int) -> Batch:
    ids = {name: own // ranks for name, own in batch.ids.items()}
    bags = {name: (values // ranks, offsets) for name, (values, offsets) in batch.bags.items()}
    return Batch(ids, bags, dict(batch.dense), batch.label)


def run_in_thread(work: Callable[[], Value]) -> Future[Value]:
    """Start the work in a thread of its own."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="model-weights")
    result = pool.submit(work)
    pool.shutdown(wait=False)
    return result
