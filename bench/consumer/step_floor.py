"""A lower bound on the time of a training step: the bytes its optimizer must move, at the speed of a device copy.

Adam reads the weight, the gradient and two moments, and writes the weight and both moments: 28 bytes per 4-byte
parameter. The forward and backward passes move more bytes on top, so the floor is a bound and not a target. It covers
all parameters for the eager step, but only the rows that a batch touches for the fast one.
"""

from __future__ import annotations

import torch

from feedrate.bench.results.spec import PARAMETER_TRANSFERS
from feedrate.bench.timing.clock import device_seconds

COPIED_BYTES = 1 << 28
"""Size of the buffer that is copied to measure the speed."""
COPIES = 10
"""Copies that are timed together."""


def optimizer_bytes(parameter_bytes: float, optimizer: str) -> float:
    """Return the bytes that the optimizer must read and write in a step for parameters of this total size."""
    return parameter_bytes * PARAMETER_TRANSFERS[optimizer]


def copy_bytes_per_s(device: str) -> float | None:
    """Measure the bytes/s that a copy within the device's memory reads and writes. Returns None on the CPU."""
    if device == "cpu":
        return None
    source = torch.zeros(COPIED_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    target.copy_(source)

    def copy() -> None:
        for _ in range(COPIES):
            target.copy_(source)

    return 2 * COPIED_BYTES * COPIES / device_seconds(copy, device)
