"""From what the user asks for to the list of trials: axes expanded, loaders interleaved (A B C A B C)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

from feedrate.bench.spec import Mode, ModelSpec, TrialSpec
from feedrate.loaders import registry
from feedrate.loaders.errors import FeedrateError

CEILING = "replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    loaders: tuple[str, ...]
    modes: tuple[Mode, ...] = ("load", "replay", "train")
    repeats: int = 3
    batch_sizes: tuple[int, ...] = (32768,)
    seeds: tuple[int, ...] = (0,)
    epochs: int = 5
    device: str = "cpu"
    workers: int = 0
    prefetch: int = 2
    shuffle: bool = True
    memory_budget_bytes: int | None = None
    model: ModelSpec = field(default_factory=ModelSpec)

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise FeedrateError(f"repeats is {self.repeats}, but must be at least 1")
        for name in ("loaders", "modes", "batch_sizes", "seeds"):
            values = getattr(self, name)
            if not values:
                raise FeedrateError(f"{name} is empty: name at least one")
            if len(set(values)) < len(values):
                raise FeedrateError(f"{name} names one twice: {', '.join(map(str, values))}")
        for loader in self.loaders:
            registry.check_text(loader)

    def trials(self) -> Iterator[TrialSpec]:
        """Every repeat visits all axes and loaders before the next repeat starts."""
        for repeat, seed, batch_size in product(range(self.repeats), self.seeds, self.batch_sizes):
            for mode, loader in self._mode_loaders():
                yield TrialSpec(
                    loader=loader,
                    mode=mode,
                    repeat=repeat,
                    seed=seed,
                    batch_size=batch_size,
                    epochs=self.epochs,
                    device=self.device,
                    workers=self.workers,
                    prefetch=self.prefetch,
                    shuffle=self.shuffle,
                    memory_budget_bytes=self.memory_budget_bytes,
                    model=self.model,
                )

    def _mode_loaders(self) -> Iterator[tuple[Mode, str]]:
        """Replay is the model's ceiling: a mode and a loader in one, needed once for all the others."""
        ceiling = next((loader for loader in self.loaders if _is_ceiling(loader)), CEILING)
        for mode in self.modes:
            if mode == "replay":
                yield mode, ceiling
            else:
                yield from ((mode, loader) for loader in self.loaders if not _is_ceiling(loader))


def _is_ceiling(loader: str) -> bool:
    return loader.partition(":")[0] == CEILING
