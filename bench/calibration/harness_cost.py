"""Measures what the harness itself costs per step, with a loader and a model that do nothing.

Run as a module, it prints the result as JSON.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from feedrate.bench.host.lifecycle.run_to_end import run_to_end
from feedrate.bench.host.lifecycle.search_path import module_command
from feedrate.bench.results.record import HarnessRecord
from feedrate.bench.timing.clock import now
from feedrate.bench.timing.ranges import span
from feedrate.loaders.errors import FeedrateError

if TYPE_CHECKING:
    from feedrate.bench.timing.device_marks import DeviceMarks
    from feedrate.loaders.base import Batch

STEPS = 2_000
"""Steps per round."""
ROUNDS = 5
BATCH_SIZE = 32_768
"""Batch size that the cost is converted to rows per second with."""


def measure(device: str = "cpu") -> HarnessRecord:
    """Measure the cost in a fresh process, like a trial. Raises FeedrateError if that process fails."""
    completed = run_to_end(module_command(sys.executable, __name__, device))
    if completed.code != 0:
        raise FeedrateError(f"the harness cannot be calibrated on {device}: {completed.why()}")
    return msgspec.json.decode(completed.stdout, type=HarnessRecord)


def null_loader(batch: Batch, steps: int) -> Iterator[Batch]:
    """Yield the same batch `steps` times, without any work."""
    for _ in range(steps):
        yield batch


def harness_step_s(device: str, *, steps: int = STEPS, rounds: int = ROUNDS) -> float:
    """Return the host seconds that a trial's loop adds per step, compared with an empty loop over the same iterator.

    The minimum of several rounds counts, because disturbances only add time.
    """
    import torch

    from feedrate.bench.timing.device_marks import DeviceMarks
    from feedrate.loaders.base import Batch

    batch = Batch({}, {}, {}, torch.zeros(1, device=device))
    marks = None if device == "cpu" else DeviceMarks(device)
    _through_harness(batch, device, steps, marks)
    costs = [_through_harness(batch, device, steps, marks) - _empty_loop(batch, steps) for _ in range(rounds)]
    return max(min(costs), 0.0) / steps


def _through_harness(batch: Batch, device: str, steps: int, marks: DeviceMarks | None) -> float:
    """Run a trial's loop, including the ranges of a training step, and return its seconds."""
    from feedrate.bench.timing.epoch_clock import EpochClock
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


def _empty_loop(batch: Batch, steps: int) -> float:
    """Return the seconds of an empty loop over the same iterator."""
    begin = now()
    for _ in null_loader(batch, steps):
        pass
    return now() - begin


def record_of(step_s: float) -> HarnessRecord:
    """Return the record of a cost per step, with the ceiling that follows from it."""
    return HarnessRecord(step_s=step_s, steps=STEPS, null_rows_per_s=BATCH_SIZE / step_s)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(record_of(harness_step_s(sys.argv[1]))))
