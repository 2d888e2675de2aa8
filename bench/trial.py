"""One trial from open to close, in the order things happen. Run as a module it is the suite's child process:
a child.Task on standard input, child.Messages on what was standard output.
"""

from __future__ import annotations

import math
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec
import torch

from feedrate.bench.auc import auc
from feedrate.bench.checksum import RowSum
from feedrate.bench.child import Message, Progress, Task
from feedrate.bench.datasets.canonical import Dataset, SplitName, read_dataset
from feedrate.bench.model import EmbeddingMLP, build_model, build_optimizer, loss_of
from feedrate.bench.record import EpochRecord, TrialResult
from feedrate.bench.spec import TrialSpec
from feedrate.bench.timing import EpochClock, now, span, synchronise, utc
from feedrate.loaders import registry
from feedrate.loaders.base import Batch, Loader, LoaderConfig
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable

WARMUP_STEPS = 3
REPORT_EVERY_S = 0.5


class GateFailed(Exception):
    """The rows delivered are not the dataset's: the trial is void."""


@dataclass(slots=True)
class Measured:
    """What a trial has found so far, epoch by epoch."""

    epochs: list[EpochRecord] = field(default_factory=list)
    windows: list[tuple[float, float]] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    steps_s: list[float] = field(default_factory=list)
    auc: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    peak_gpu_bytes: int | None = None

    def add(self, clock: EpochClock, eval_s: float | None = None) -> None:
        self.epochs.append(EpochRecord(rows=clock.rows, wall_s=clock.wall_s, wait_s=clock.wait_s, eval_s=eval_s))
        self.windows.append(clock.window)
        self.waits_s += clock.waits_s
        self.steps_s += clock.steps_s


class Trial:
    """A trial under way."""

    def __init__(self, spec: TrialSpec, dataset: Dataset, say: Progress) -> None:
        self.spec, self.dataset, self._say = spec, dataset, say
        self.choice = registry.choose(spec.loader)
        self.measured = Measured()
        self.open_s: float | None = None
        self.first_batch_s: float | None = None
        self._used_before = _gpu_bytes_used(spec.device)

    def run(self) -> TrialResult:
        """Open, check, warm up, time, close. Raises what the loader raises, and GateFailed."""
        started_at = utc()
        backend = self.choice.adapter.backend(self.spec.device)
        begin = now()
        loader = self._open("train", shuffle=self.spec.shuffle)
        try:
            self.open_s = now() - begin
            first = self._check(loader, "train", begin)
            self._note_memory()
            if self.spec.mode == "load":
                self._load(loader)
            else:
                self._warm_up(first)
                self._train(loader)
        finally:
            loader.close()
        return self._result(started_at, backend)

    def _open(self, split: SplitName, *, shuffle: bool) -> Loader:
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

    def _check(self, loader: Loader, split: SplitName, begin: float) -> Batch:
        """The correctness gate: a whole epoch's rows against the dataset's checksum. Returns the first batch."""
        first: Batch | None = None
        rows = RowSum()
        for batch in self._reported(f"check {split}", loader.epoch(0), split):
            if first is None:
                synchronise(self.spec.device)
                first, self.first_batch_s = batch, now() - begin
                self._compare_device(batch)
                if self.choice.adapter.replays:
                    return first
            rows.add(batch)
        self._compare(rows, split)
        assert first is not None, "a split has rows"
        return first

    def _compare_device(self, batch: Batch) -> None:
        wanted, found = torch.device(self.spec.device).type, {tensor.device.type for tensor in batch.tensors()}
        if found != {wanted}:
            raise GateFailed(f"batches are on {', '.join(sorted(found))}, not on {wanted}")

    def _compare(self, rows: RowSum, split: SplitName) -> None:
        found, wanted = rows.result(), self.dataset.info.splits[split]
        if found.rows != wanted.rows:
            raise GateFailed(f"an epoch of {split} delivered {found.rows:,} rows, not the {wanted.rows:,} there are")
        if found.digest != wanted.checksum:
            raise GateFailed(
                f"an epoch of {split} delivered rows that are not the dataset's (checksum {found.digest}, not {wanted.checksum})"
            )

    def _load(self, loader: Loader) -> None:
        """The loader alone: every tensor of every batch is read on its device."""
        for epoch in range(1, self.spec.epochs + 1):
            clock = EpochClock(partial(loader.epoch, epoch), self.spec.device)
            with span("epoch"):
                for batch in self._reported(f"epoch {epoch}", clock, "train"):
                    for tensor in batch.tensors():
                        tensor.sum()
            self._finish(clock)
            self._note_memory()

    def _warm_up(self, batch: Batch) -> None:
        """Kernels, libraries and the allocator's pools, on a model that is then thrown away."""
        model = self._new_model()
        optimizer = build_optimizer(model, self.spec.model)
        for _ in range(WARMUP_STEPS):
            self._step(model, optimizer, batch)
        model.eval()
        with torch.no_grad():
            model(batch)
        synchronise(self.spec.device)

    def _train(self, loader: Loader) -> None:
        model = self._new_model()
        optimizer = build_optimizer(model, self.spec.model)
        replays = self.choice.adapter.replays
        valid = None if replays else self._open("valid", shuffle=False)
        try:
            for epoch in range(1, self.spec.epochs + 1):
                clock = EpochClock(partial(loader.epoch, epoch), self.spec.device)
                total = torch.zeros((), device=self.spec.device)
                with span("epoch"):
                    for batch in self._reported(f"epoch {epoch}", clock, "train"):
                        with span("step"):
                            total += self._step(model, optimizer, batch) * batch.rows
                self.measured.train_loss.append(self._finite("training loss", float(total.item()) / clock.rows))
                eval_s = None if valid is None else self._evaluate(model, valid, check=epoch == 1)
                self._finish(clock, eval_s)
                self._note_memory()
        finally:
            if valid is not None:
                valid.close()

    def _step(self, model: EmbeddingMLP, optimizer: torch.optim.Optimizer, batch: Batch) -> torch.Tensor:
        model.train(batch.rows > 1)  # BatchNorm has no variance of a lone row: a last batch of one uses the running one
        with span("forward"):
            loss = loss_of(model(batch), batch.label, self.spec.model)
        with span("backward"):
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
        with span("optimizer"):
            optimizer.step()
        return loss.detach()

    def _evaluate(self, model: EmbeddingMLP, valid: Loader, *, check: bool) -> float:
        """AUC and loss on the whole valid split, through the same loader; its rows are checked the first time."""
        begin = now()
        outputs, labels, rows = [], [], RowSum()
        model.eval()
        with span("evaluate"), torch.no_grad():
            for batch in self._reported("evaluate", valid.epoch(0), "valid"):
                outputs.append(model(batch))
                labels.append(batch.label)
                if check:
                    rows.add(batch)
            output, label = torch.cat(outputs), torch.cat(labels)
            loss = float(loss_of(output, label, self.spec.model).item())
            self.measured.loss.append(self._finite("validation loss", loss))
            self.measured.auc.append(self._finite("AUC (has the valid split both labels?)", auc(output, label)))
        if check:
            self._compare(rows, "valid")
        return now() - begin

    def _finish(self, clock: EpochClock, eval_s: float | None = None) -> None:
        """Keep a timed epoch. Its contents were checked in epoch 0; that it was whole is checked each time."""
        wanted = self.dataset.info.splits["train"].rows
        if clock.rows != wanted:
            raise GateFailed(f"a timed epoch delivered {clock.rows:,} rows, not the {wanted:,} there are")
        self.measured.add(clock, eval_s)

    def _finite(self, name: str, value: float) -> float:
        """A diverged model has no AUC that could be compared."""
        if not math.isfinite(value):
            raise FeedrateError(
                f"the {name} is {value} in epoch {len(self.measured.epochs) + 1}: try a lower learning rate"
            )
        return value

    def _new_model(self) -> EmbeddingMLP:
        return build_model(self.dataset.info.schema, self.spec.model, seed=self.spec.seed, device=self.spec.device)

    def _reported(self, phase: str, batches: Iterator[Batch] | EpochClock, split: SplitName) -> Iterator[Batch]:
        """The batches as they are; twice a second a line to the suite, which takes silence for a hang."""
        total = self.dataset.info.splits[split].rows
        done, last = 0, now()
        self._say(phase, 0, total)
        for batch in batches:
            yield batch
            done += batch.rows
            if now() - last > REPORT_EVERY_S:
                self._say(phase, done, total)
                last = now()

    def _note_memory(self) -> None:
        if (used := _gpu_bytes_used(self.spec.device)) is not None and self._used_before is not None:
            self.measured.peak_gpu_bytes = max(self.measured.peak_gpu_bytes or 0, used - self._used_before)

    def _result(self, started_at: str, backend: str) -> TrialResult:
        measured, trains = self.measured, bool(self.measured.auc)
        return TrialResult(
            spec=self.spec,
            status="ok",
            backend=backend,
            deviations=dict(self.choice.adapter.deviations),
            started_at=started_at,
            rows=sum(epoch.rows for epoch in measured.epochs),
            wall_s=sum(epoch.wall_s for epoch in measured.epochs),
            open_s=self.open_s,
            first_batch_s=self.first_batch_s,
            epochs=tuple(measured.epochs),
            auc=tuple(measured.auc) if trains else None,
            loss=tuple(measured.loss) if trains else None,
            train_loss=tuple(measured.train_loss) if trains else None,
            step_wait_s=tuple(round(wait, 7) for wait in measured.waits_s),
            step_s=tuple(round(step, 7) for step in measured.steps_s),
            peak_gpu_bytes=measured.peak_gpu_bytes,
        )


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
