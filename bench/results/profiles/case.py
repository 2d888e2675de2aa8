"""Derives the quantities that the rules of a diagnosis judge from a profile and, if there is one, a trial."""

from __future__ import annotations

from dataclasses import dataclass

from feedrate.bench.results.profiles.record import Profile
from feedrate.bench.results.range_names import CATEGORIES
from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.wait_causes import wait_causes

LOADER_RANGES = tuple(name for name, category in CATEGORIES.items() if category == "loader")
"""Ranges of the loader's work."""
STEP_RANGES = ("forward", "backward", "optimizer", "step")
"""Ranges of the model's own step."""
MIN_WAITING = 0.05
"""Fraction of the time from which waiting counts as a cause."""


@dataclass(frozen=True, slots=True)
class Case:
    """A profile, and a trial of the same loader if there is one."""

    profile: Profile
    trial: TrialResult | None = None

    @property
    def step_s(self) -> float:
        """Mean seconds per step."""
        return self.profile.window_s / max(self.profile.steps, 1)

    @property
    def waiting(self) -> float:
        """Fraction of the time in which the consumer waited for the loader and the device was idle.

        It comes from the trace if there is a device, otherwise from the harness's clocks.
        """
        if self.profile.kernel_busy_fraction is not None:
            waited = self.idle_in(*LOADER_RANGES)
            # a device that ran out of work in next() stays idle into the step, until launches are ahead of it again
            return waited + (0.0 if self.launches_late else self.idle_in(*STEP_RANGES)) * (waited >= MIN_WAITING)
        epoch = self.profile.epoch
        return (epoch.stall_s or 0.0) / epoch.wall_s if epoch and epoch.wall_s else 0.0

    def waited_for(self, part: str) -> float:
        """Fraction of the time spent waiting for one part of the loader's work: "fetch", "network", "decode" or "copy".

        The waiting time is split in the proportion that the harness's clocks measured.
        """
        causes = wait_causes([self.profile.epoch]) if self.profile.epoch else None
        if causes is None:
            return 0.0
        total_s = sum(getattr(causes, f"{name}_s") for name in ("fetch", "network", "decode", "copy", "device"))
        return self.waiting * getattr(causes, f"{part}_s") / total_s if total_s else 0.0

    @property
    def launches_late(self) -> bool:
        """Whether launching a step takes the host longer than computing it takes the device.

        In that case the step itself, not the loader, causes the idle time within it.
        """
        rows = [row for row in self.profile.ranges if row.name == "step" and row.device_s]
        return all(row.seconds > (row.device_s or 0.0) for row in rows)

    def idle_in(self, *names: str) -> float:
        """Fraction of the window in which the device was idle and the consumer was in one of the named ranges."""
        seconds = sum(row.seconds for row in self.profile.gaps if row.within in names)
        return seconds / self.profile.window_s if self.profile.window_s else 0.0

    @property
    def computing_in_next(self) -> float:
        """Fraction of the time in which the model waited because the consumer's own thread computed in next()."""
        epoch = self.profile.epoch
        return self.waiting * min((epoch.wait_cpu_s or 0.0) / epoch.wait_s, 1.0) if epoch and epoch.wait_s else 0.0
