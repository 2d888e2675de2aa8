"""What the harness itself costs a step: its own loop, with a loader and a model that do nothing. Run as a module it prints that."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from feedrate.bench.host.processes import last_words
from feedrate.bench.results.record import HarnessRecord
from feedrate.bench.timing.clock import now
from feedrate.bench.timing.device_marks import DeviceMarks
from feedrate.bench.timing.epoch_clock import EpochClock
from feedrate.bench.timing.ranges import span
from feedrate.loaders.errors import FeedrateError

if TYPE_CHECKING:
    from feedrate.loaders.base import Batch

STEPS = 2_000
ROUNDS = 5
BATCH_SIZE = 32_768


def measure(device: str = "cpu") -> HarnessRecord:
    """In a process of its own, as a trial is."""
    done = subprocess.run([sys.executable, "-m", __name__, device], capture_output=True, text=True, check=False)
    if done.returncode:
        raise FeedrateError(f"the harness cannot be calibrated: {last_words(done.stderr)}")
    return msgspec.json.decode(done.stdout, type=HarnessRecord)


def null_loader(batch: Batch, steps: int) -> Iterator[Batch]:
    """The same batch again and again: no work at all."""
    for _ in range(steps):
        yield batch


def harness_step_s(device: str, *, steps: int = STEPS, rounds: int = ROUNDS) -> float:
    """Host seconds a step of a trial's loop beyond an empty loop over the same iterator: the least of some rounds, for what
    adds to it comes from elsewhere."""
    import torch

    from feedrate.loaders.base import Batch

    batch = Batch({}, {}, {}, torch.zeros(1, device=device))
    marks = None if device == "cpu" else DeviceMarks(device)
    _through_harness(batch, device, steps, marks)
    costs = [_through_harness(batch, device, steps, marks) - _bare(batch, steps) for _ in range(rounds)]
    return max(min(costs), 0.0) / steps


def _through_harness(batch: Batch, device: str, steps: int, marks: DeviceMarks | None) -> float:
    """A trial's loop, ranges of a training step included."""
    from feedrate.bench.trial.context import reported

    clock = EpochClock(lambda: null_loader(batch, steps), device, marks)
    with span("epoch"):
        for _ in reported("calibrate", clock, steps, 1, lambda _phase, _done, _total: None):
            with span("step"), span("forward"):
                pass
            with span("backward"):
                pass
            with span("optimizer"):
                pass
    return clock.wall_s


def _bare(batch: Batch, steps: int) -> float:
    begin = now()
    for _ in null_loader(batch, steps):
        pass
    return now() - begin


if __name__ == "__main__":
    step_s = harness_step_s(sys.argv[1])
    found = HarnessRecord(step_s=step_s, steps=STEPS, null_rows_per_s=BATCH_SIZE / step_s)
    sys.stdout.buffer.write(msgspec.json.encode(found))
