"""The prediction for a cluster, as plain data: the simulation makes it, and reports show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Cause = Literal["model", "loader", "storage", "network"]
"""What holds a cluster back: the model itself, the loader's work on the host, reading from storage, or averaging gradients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What the simulation of one cluster gave."""

    nodes: int
    ranks: int
    steps: int
    """Simulated steps that count. Those before them filled the queues."""
    rows_per_s: float
    """Rows of all ranks together."""
    wait_fraction: float
    """Share of a rank's time in next(): the loader works, or the rank waits for a batch. Mean over ranks."""
    straggler_fraction: float
    """Share of a rank's time in which it waits for slower ranks. Mean over ranks."""
    critical: Mapping[Cause, float]
    """Shares of the slowest rank's time, step by step. They sum to 1."""
    bottleneck: Cause
    """What to mend first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The simulations of one loader on clusters of several sizes."""

    loader: str
    dataset: str
    model_rows_per_s: float
    """Rows/s of one rank without a loader, as measured."""
    assumptions: tuple[str, ...]
    """Where the numbers come from, and what is simplified. A sentence each."""
    points: tuple[Point, ...]
    """In the order of the number of nodes, at least one."""

    def efficiency(self, point: Point) -> float:
        """Return the rows/s of a rank, relative to those of the smallest cluster."""
        first = self.points[0]
        return point.rows_per_s / point.ranks / (first.rows_per_s / first.ranks)

    @property
    def turns(self) -> tuple[Point, ...]:
        """The smallest cluster, and each one whose bottleneck is another than that of the one before."""
        before = (None, *(point.bottleneck for point in self.points))
        return tuple(point for point, last in zip(self.points, before, strict=False) if point.bottleneck != last)
