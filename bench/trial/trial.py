"""One trial from open to close, in the order things happen. Run as a module it is the suite's child process:
a child.Task on standard input, child.Messages on what was standard output.
"""

from __future__ import annotations

import itertools
import math
import os
import sys
import traceback
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import torch

from feedrate.bench.consumer.auc import auc
from feedrate.bench.consumer.model import EmbeddingMLP, build_model, loss_of, throwaway_model
from feedrate.bench.consumer.reading import reader, sums
from feedrate.bench.consumer.step_floor import copy_bytes_per_s
from feedrate.bench.consumer.steps import Step, make_step
from feedrate.bench.datasets.canonical import Dataset, SplitName, read_dataset
from feedrate.bench.datasets.checksum import RowSum, row_hashes
from feedrate.bench.gate.epoch import GateFailed, WrongRows, check_epoch, check_form, refuse_endless, wrong_count
from feedrate.bench.gate.row_diagnosis import explain
from feedrate.bench.host import pagecache
from feedrate.bench.host.environment import packages
from feedrate.bench.host.process_usage import Usage, since, since_process_start
from feedrate.bench.results import flags
from feedrate.bench.results.messages import Message, Progress, Task
from feedrate.bench.results.record import EpochRecord, ShuffleRecord, TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.timing.clock import now, synchronise, utc
from feedrate.bench.timing.device_marks import DeviceMarks
from feedrate.bench.timing.epoch_clock import EpochClock
from feedrate.bench.timing.ranges import span
from feedrate.loaders import registry
from feedrate.loaders.base import Batch, Loader, LoaderConfig
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable
from feedrate.loaders.memory.pool import most_pool_bytes
from feedrate.loaders.parquet.columns import batch_to, read_columns, read_head

Value = TypeVar("Value")

WARMUP_STEPS = 5
"""Enough for a CUDA graph to be recorded and replayed."""
REPORT_EVERY_S = 0.5


@dataclass(slots=True)
class Measured:
    """What a trial has found so far, epoch by epoch."""

    epochs: list[EpochRecord] = field(default_factory=list)
    windows: list[tuple[float, float]] = field(default_factory=list)
    waits_s: array[float] = field(default_factory=lambda: array("d"))
    """Of each step; a list of as many would take four times the memory, which is noted as the trial's."""
    steps_s: array[float] = field(default_factory=lambda: array("d"))
    auc: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    imported_s: float | None = None
    warmed_up_s: float | None = None
    to_last_auc_s: float | None = None
    copy_bytes_per_s: float | None = None
    step_bytes: float | None = None
    open_s: float | None = None
    first_batch_s: float | None = None
    resident_fraction: float | None = None
    gate_s: float | None = None
    shuffle: ShuffleRecord | None = None
    same_order: bool = False
    peak_torch_gpu_bytes: int | None = None
    peak_loader_gpu_bytes: int | None = None


class Trial:
    """A trial under way."""

    def __init__(self, spec: TrialSpec, dataset: Dataset, say: Progress) -> None:
        self.spec, self.dataset, self._say = spec, dataset, say
        self.choice = registry.choose(spec.loader)
        self.measured = Measured()
        self._wanted = dataset.info.splits["train"]
        self._used_before = _gpu_bytes_used(spec.device)
        self._marks = None if spec.device == "cpu" else DeviceMarks(spec.device)
        self._read = reader(spec.device) if spec.mode == "load" else sums
        self._drawn: Future[EmbeddingMLP] | None = None

    def run(self) -> TrialResult:
        """Warm up, open, time, check, close. Raises what the loader raises, and GateFailed."""
        started_at = utc()
        self.measured.imported_s = since_process_start()
        if self.spec.device != "cpu" and self.spec.mode != "load":
            self._drawn = run_in_thread(self._draw)
        backend = self.choice.adapter.backend(self.spec.device)
        self._warm_up()
        self.measured.resident_fraction = self._make_cache()
        self.measured.warmed_up_s = since_process_start()
        begin = now()
        loader = self.open("train", shuffle=self.spec.shuffle)
        try:
            self.measured.open_s = now() - begin
            if self.spec.mode == "load":
                self._load(loader)
            else:
                self._train(loader)
            if self.spec.device != "cpu":
                self._note_memory()
            if not self.choice.adapter.replays:
                self._gate(loader)
        finally:
            loader.close()
        return self._result(started_at, backend)

    def _draw(self) -> EmbeddingMLP:
        """A second for tables as MovieLens's: on a GPU in a thread, beside the warm-up."""
        return build_model(self.dataset.info.schema, self.spec.model, seed=self.spec.seed, device="cpu")

    def _warm_up(self) -> None:
        """Kernels, libraries and the allocator's pools, on rows that the loader has no part in and a model that is thrown away."""
        batch = batch_to(read_head(self.dataset.split("train"), self.spec.batch_size), self.spec.device)
        if self.spec.mode == "load":
            self._read(batch)
        else:
            self.measured.copy_bytes_per_s = copy_bytes_per_s(self.spec.device)
            if self._drawn is not None:
                self._drawn.result()  # it has torch's generator until then
            model = throwaway_model(self.dataset.info.schema, self.spec.model, device=self.spec.device)
            step = make_step(model, self.spec.model)
            for _ in range(WARMUP_STEPS):
                step(batch)
            model.eval()
            step.flush()
            with torch.no_grad():
                for _ in range(WARMUP_STEPS):
                    step.predict(batch)
        synchronise(self.spec.device)
        if self.spec.device != "cpu":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.spec.device)

    def _note_memory(self) -> None:
        """Before the gate, which holds batches and hashes."""
        device, measured = self.spec.device, self.measured
        measured.peak_torch_gpu_bytes = torch.cuda.max_memory_reserved(device)
        if self.spec.mode == "load":
            measured.peak_loader_gpu_bytes = measured.peak_torch_gpu_bytes + most_pool_bytes(device)

    def _make_cache(self) -> float | None:
        return pagecache.make(self.dataset.split("train").files, self.spec.cache)

    def open(self, split: SplitName, *, shuffle: bool = True) -> Loader:
        spec = self.spec
        config = LoaderConfig(
            batch_size=spec.batch_size,
            device=spec.device,
            shuffle=shuffle,
            seed=spec.seed,
            workers=spec.workers,
            prefetch=spec.prefetch,
            memory_budget_bytes=spec.memory_budget_bytes,
        )
        return self.choice.open(self.dataset.split(split), config)

    def _load(self, loader: Loader) -> None:
        """The loader alone: every tensor of every batch is read on its device."""
        for epoch in range(self.spec.epochs):
            clock, before = self._begin_epoch(loader, epoch)
            with span("epoch", epoch):
                for batch in self._reported(f"epoch {epoch + 1}", clock, "train"):
                    self._read(batch)
            self._end_epoch(clock, before)

    def _train(self, loader: Loader) -> None:
        model = self.new_model()
        step = make_step(model, self.spec.model)
        valid = None if self.choice.adapter.replays else self.open("valid", shuffle=False)
        try:
            for epoch in range(self.spec.epochs):
                clock, before = self._begin_epoch(loader, epoch, step.flush)
                total = torch.zeros((), device=self.spec.device)
                with span("epoch", epoch):
                    for number, batch in enumerate(self._reported(f"epoch {epoch + 1}", clock, "train")):
                        with span("step", number):
                            total += step(batch) * batch.rows
                self._end_epoch(clock, before)
                self.measured.train_loss.append(self._finite("training loss", float(total.item()) / clock.rows))
                if valid is not None:
                    self._evaluate(model, step, valid, check=epoch == 0)
                    self.measured.to_last_auc_s = since_process_start()
            self.measured.step_bytes = step.least_bytes()
        finally:
            if valid is not None:
                valid.close()

    def _begin_epoch(
        self, loader: Loader, epoch: int, flush: Callable[[], None] = lambda: None
    ) -> tuple[EpochClock, Usage]:
        if epoch and self.spec.cache == "cold":
            found = [self.measured.resident_fraction, self._make_cache()]
            self.measured.resident_fraction = max((share for share in found if share is not None), default=None)
        each_step = self.spec.mode != "load"
        clock = EpochClock(partial(loader.epoch, epoch), self.spec.device, self._marks, flush, each_step=each_step)
        return clock, Usage.now(memory=False)

    def _end_epoch(self, clock: EpochClock, before: Usage) -> None:
        """Keep a timed epoch. Its contents are the gate's business; that it was whole is checked each time."""
        after, measured = Usage.now(memory=True), self.measured
        if sentence := wrong_count(clock.rows, self._wanted.rows, self.spec.batch_size):
            raise GateFailed(f"timed epoch {len(measured.epochs) + 1}: {sentence}")
        if not measured.epochs and measured.open_s is not None:
            measured.first_batch_s = measured.open_s + clock.first_batch_s()
        used = _gpu_bytes_used(self.spec.device)
        measured.epochs.append(
            replace(
                epoch_record(clock, before, after),
                storage_bytes=since(after.storage_bytes, before.storage_bytes),
                read_bytes=since(after.read_bytes, before.read_bytes),
                rss_bytes=after.rss_bytes,
                pss_bytes=after.pss_bytes,
                gpu_bytes=None if used is None or self._used_before is None else used - self._used_before,
            )
        )
        measured.windows.append(clock.window)
        measured.waits_s.extend(clock.waits_s)
        measured.steps_s.extend(clock.steps_s)

    def _evaluate(self, model: EmbeddingMLP, step: Step, valid: Loader, *, check: bool) -> None:
        """AUC and loss on the whole valid split, through the same loader; its rows are checked the first time."""
        begin = now()
        outputs, labels, rows = [], [], RowSum()
        model.eval()
        with span("evaluate"), torch.no_grad():
            for batch in self._reported("evaluate", valid.epoch(0), "valid"):
                outputs.append(step.predict(batch))
                labels.append(batch.label.clone())  # a view would keep what it lies in
                if check:
                    check_form(batch, self.spec.device)
                    rows.add(batch)
            output, label = torch.cat(outputs), torch.cat(labels)
            loss = float(loss_of(output, label, self.spec.model).item())
            self.measured.loss.append(self._finite("validation loss", loss))
            self.measured.auc.append(self._finite("AUC (has the valid split both labels?)", auc(output, label)))
        if check:
            self._refuse_wrong_valid(rows)
        self.measured.epochs[-1] = replace(self.measured.epochs[-1], eval_s=now() - begin)

    def _refuse_wrong_valid(self, rows: RowSum) -> None:
        found, wanted = rows.result(), self.dataset.info.splits["valid"]
        if sentence := wrong_count(found.rows, wanted.rows, self.spec.batch_size):
            raise GateFailed(f"the valid split: {sentence}")
        if found.digest != wanted.checksum:
            raise GateFailed(f"the valid split's rows have checksum {found.digest}, not {wanted.checksum}")

    def _gate(self, loader: Loader) -> None:
        """One more epoch, each row of it compared with the dataset's, and the start of another for its order."""
        begin, measured, epoch = now(), self.measured, self.spec.epochs
        try:
            seen = check_epoch(
                self._reported("check", loader.epoch(epoch), "train"),
                self._wanted,
                order_sample=self.dataset.order_sample("train"),
                batch_size=self.spec.batch_size,
                device=self.spec.device,
            )
        except WrongRows as error:
            raise GateFailed(self._explained(loader, epoch, error.sentence)) from None
        measured.shuffle = seen.shuffle
        if self.spec.shuffle:
            following = iter(loader.epoch(epoch + 1))
            start = next(following, None)
            measured.same_order = start is not None and len(seen.start) > 1 and row_hashes(start).tolist() == seen.start
            del following
        measured.gate_s = now() - begin

    def _explained(self, loader: Loader, epoch: int, sentence: str) -> str:
        """The gate's sentence, and what comparing row by row adds to it."""
        most = 2 * self._wanted.rows // self.spec.batch_size + 2
        try:
            batches = itertools.islice(self._reported("compare rows", loader.epoch(epoch), "train"), most)
            why = explain(batches, read_columns(self.dataset.split("train")))
        except Exception as error:  # what the gate has found stands, however the second look ends
            traceback.print_exc()
            why = f"a second look at its rows ended with {type(error).__name__}: {error}"
        return f"{sentence}; {why}" if why else sentence

    def _finite(self, name: str, value: float) -> float:
        """A diverged model has no AUC that could be compared."""
        if not math.isfinite(value):
            raise FeedrateError(
                f"the {name} is {value} in epoch {len(self.measured.epochs)}: try a lower learning rate"
            )
        return value

    def new_model(self) -> EmbeddingMLP:
        """The model with its first weights, on the device. To be called once."""
        model = self._draw() if self._drawn is None else self._drawn.result()
        self._drawn = None
        if self.spec.device != "cpu":
            torch.cuda.manual_seed(self.spec.seed)  # of dropout's masks
        return model.to(self.spec.device)

    def _reported(self, phase: str, batches: Iterator[Batch] | EpochClock, split: SplitName) -> Iterator[Batch]:
        return reported(phase, batches, self.dataset.info.splits[split].rows, self.spec.batch_size, self._say)

    def _result(self, started_at: str, backend: str) -> TrialResult:
        measured, trains = self.measured, bool(self.measured.auc)
        epochs = measured.epochs
        gpu = [epoch.gpu_bytes for epoch in epochs if epoch.gpu_bytes is not None]
        result = TrialResult(
            spec=self.spec,
            status="ok",
            backend=backend,
            deviations=dict(self.choice.adapter.deviations),
            options=self.choice.described(),
            packages=None if self.choice.adapter.environment is None else packages(),
            repairs=self.choice.adapter.repairs(),
            flags=self.choice.adapter.cautions(),
            started_at=started_at,
            rows=sum(epoch.rows for epoch in epochs),
            wall_s=sum(epoch.wall_s for epoch in epochs),
            first_epochs=int(len(epochs) > 1),
            open_s=measured.open_s,
            first_batch_s=measured.first_batch_s,
            epochs=tuple(epochs),
            auc=tuple(measured.auc) if trains else None,
            loss=tuple(measured.loss) if trains else None,
            train_loss=tuple(measured.train_loss) if self.spec.mode == "train" else None,
            step_wait_s=tuple(round(wait, 7) for wait in measured.waits_s),
            step_s=tuple(round(step, 7) for step in measured.steps_s),
            imported_s=measured.imported_s,
            warmed_up_s=measured.warmed_up_s,
            to_last_auc_s=measured.to_last_auc_s,
            copy_bytes_per_s=measured.copy_bytes_per_s,
            step_bytes=measured.step_bytes,
            peak_gpu_bytes=max(gpu, default=None),
            peak_torch_gpu_bytes=measured.peak_torch_gpu_bytes,
            peak_loader_gpu_bytes=measured.peak_loader_gpu_bytes,
            peak_pss_bytes=max((epoch.pss_bytes for epoch in epochs if epoch.pss_bytes), default=None),
            shuffle=measured.shuffle,
            resident_fraction=measured.resident_fraction,
            gate_s=measured.gate_s,
        )
        return flags.raised(result, same_order=measured.same_order)


def run_in_thread(work: Callable[[], Value]) -> Future[Value]:
    """In a thread of its own."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="beside")
    found = thread.submit(work)
    thread.shutdown(wait=False)
    return found


def epoch_record(clock: EpochClock, before: Usage, after: Usage) -> EpochRecord:
    """What the clock and the CPUs say of a window."""
    stall_s, gap_s = clock.stall_and_gap_s()
    return EpochRecord(
        rows=clock.rows,
        wall_s=clock.wall_s,
        wait_s=clock.wait_s,
        wait_cpu_s=clock.wait_cpu_s,
        wait_others_cpu_s=clock.wait_others_cpu_s,
        copy_s=clock.copy_s if clock.copies else None,
        stall_s=stall_s,
        gap_s=gap_s,
        worker_cpu_s=after.busiest_child_s(before),
        cpu_s=after.cpu_s - before.cpu_s,
    )


def reported(
    phase: str, batches: Iterator[Batch] | EpochClock, total: int, batch_size: int, say: Progress
) -> Iterator[Batch]:
    """The batches as they are; twice a second a line to the suite, which takes silence for a hang."""
    done, due = 0, now() + REPORT_EVERY_S
    say(phase, 0, total)
    for batch in batches:
        rows = batch.label.shape[0]
        if not rows:
            raise GateFailed(f"{phase}: a batch without rows came after {done:,} rows")
        yield batch
        done += rows
        refuse_endless(done, total, batch_size)
        if now() > due:
            say(phase, done, total)
            due = now() + REPORT_EVERY_S


def attempt(spec: TrialSpec, folder: Path, say: Progress) -> Message:
    """Run a trial; whatever goes wrong becomes its status and a sentence, with the traceback on standard error."""
    trial = None
    try:
        trial = Trial(spec, read_dataset(folder), say)
        return Message(result=trial.run(), windows=tuple(trial.measured.windows))
    except LoaderUnavailable as error:
        return Message(result=TrialResult(spec=spec, status="unavailable", detail=str(error)))
    except GateFailed as error:
        return Message(result=TrialResult(spec=spec, status="void", detail=str(error)))
    except FeedrateError as error:
        return Message(result=TrialResult(spec=spec, status="failed", detail=str(error)))
    except Exception as error:  # a loader may raise anything, and the suite goes on
        traceback.print_exc()
        return Message(result=TrialResult(spec=spec, status="failed", detail=f"{type(error).__name__}: {error}"))


def _gpu_bytes_used(device: str) -> int | None:
    """In use on the whole device, so that every pool counts; None on the CPU."""
    if device == "cpu":
        return None
    free, total = torch.cuda.mem_get_info(device)
    return total - free


def main() -> None:
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    # What libraries print goes to standard error; the suite's pipe is ours alone.
    pipe = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)

    def say(phase: str, done: int, total: int) -> None:
        pipe.write(msgspec.json.encode(Message(phase=phase, done=done, total=total)) + b"\n")

    pipe.write(msgspec.json.encode(attempt(task.spec, Path(task.dataset), say)) + b"\n")
    pipe.close()
    sys.stderr.flush()
    os._exit(0)  # a library's thread that does not end must not keep the suite waiting


if __name__ == "__main__":
    main()
