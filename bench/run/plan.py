"""From what the user asks for to rounds of trials: axes expanded, and each round in a random order of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from feedrate.bench.results.spec import Cache, Mode, ModelSpec, TrialSpec
from feedrate.loaders import registry
from feedrate.loaders.errors import FeedrateError, require_distinct

CEILING = "replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    loaders: tuple[str, ...]
    modes: tuple[Mode, ...] = ("load", "replay", "train")
    repeats: int | None = None
    """Rounds with each seed; None: until a StopRule says that it is enough."""
    batch_sizes: tuple[int, ...] = (32768,)
    seeds: tuple[int, ...] = (0, 1, 2)
    """Each round has the next one of them."""
    epochs: int = 5
    device: str = "cpu"
    workers: int = 0
    prefetch: int = 2
    shuffle: bool = True
    memory_budget_bytes: int | None = None
    cache: Cache = "warm"
    baseline: str = ""
    """The loader that ratios are taken to; empty: the first one."""
    model: ModelSpec = field(default_factory=ModelSpec)

    def __post_init__(self) -> None:
        if self.repeats is not None and self.repeats < 1:
            raise FeedrateError(f"repeats is {self.repeats}, but must be at least 1")
        for name in ("loaders", "modes", "batch_sizes", "seeds"):
            values = getattr(self, name)
            if not values:
                raise FeedrateError(f"{name} is empty: name at least one")
            require_distinct(name, values)
        for loader in self.loaders:
            registry.check_text(loader)
        if self.baseline and self.baseline not in self.loaders:
            raise FeedrateError(
                f"baseline is {self.baseline!r}, but must be one of the loaders: {', '.join(self.loaders)}"
            )
        for number in range(len(self.seeds)):
            self.round(number)  # refuses what no trial can be

    @property
    def compared_to(self) -> str:
        """The baseline."""
        return self.baseline or next((loader for loader in self.loaders if not _is_ceiling(loader)), self.loaders[0])

    @property
    def rounds(self) -> int | None:
        """None: as many as the StopRule wants."""
        return None if self.repeats is None else self.repeats * len(self.seeds)

    def round(self, number: int) -> list[TrialSpec]:
        """All loaders, modes and batch sizes once, with one seed, in a random order that is the same for the same number.

        A fixed order would give what drifts (temperature, neighbours) always to the same loader; Google Benchmark found
        about 40 % less variance with random interleaving.
        """
        specs = [
            TrialSpec(
                loader=loader,
                mode=mode,
                repeat=number // len(self.seeds),
                seed=self.seeds[number % len(self.seeds)],
                batch_size=batch_size,
                epochs=self.epochs,
                device=self.device,
                workers=self.workers,
                prefetch=self.prefetch,
                shuffle=self.shuffle,
                memory_budget_bytes=self.memory_budget_bytes,
                cache=self.cache,
                model=self.model,
            )
            for batch_size in self.batch_sizes
            for mode, loader in self._mode_loaders()
        ]
        Random(number).shuffle(specs)
        return specs

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
