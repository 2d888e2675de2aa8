"""The least time a training step can take on a device: what its optimizer must move, at the speed of a copy.

Adam reads weight, gradient and two moments and writes weight and moments: 28 bytes for a parameter of 4. What forward and backward
move comes on top, so the floor is a bound and no aim. For the eager step it is all parameters, for the fast one those of the rows
that a batch touches.
"""

from __future__ import annotations

import torch

from feedrate.bench.timing.clock import device_seconds

MOVED = {"adam": 7, "sgd": 3, "adagrad": 5}
"""Times its own size that a parameter is read or written: itself twice, its gradient once, its moments twice each."""
COPIED_BYTES = 1 << 28
COPIES = 10


def optimizer_bytes(parameter_bytes: float, optimizer: str) -> float:
    return parameter_bytes * MOVED[optimizer]


def copy_bytes_per_s(device: str) -> float | None:
    """Read and written by a copy within the device's memory; None on the CPU."""
    if device == "cpu":
        return None
    source = torch.zeros(COPIED_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    target.copy_(source)

    def copy() -> None:
        for _ in range(COPIES):
            target.copy_(source)

    return 2 * COPIED_BYTES * COPIES / device_seconds(copy, device)
