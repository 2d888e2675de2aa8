"""A run's plan: its axes, expanded to rounds of trials, each round in a random order of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from feedrate.bench.results.spec import Cache, Check, Mode, ModelSpec, TrialSpec, require_ranks, shared_fields
from feedrate.bench.run.loader_lookup import check_texts
from feedrate.loaders.base import LoaderSettings
from feedrate.loaders.errors import FeedrateError, require_distinct, require_whole

CEILING = "replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(LoaderSettings):
    """What a run measures. Fields that a TrialSpec has, too, are the same for all of its trials.

    Raises FeedrateError for an invalid value.
    """

    loaders: tuple[str, ...]
    """As the user wrote them, options included."""
    modes: tuple[Mode, ...] = ("load", "replay", "train")
    repeats: int | None = None
    """Rounds with each seed. None: a StopRule decides."""
    batch_sizes: tuple[int, ...] = (32768,)
    """Rows per batch; several are an axis."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Rounds cycle through them."""
    epochs: int = 5
    """Timed epochs in a trial."""
    timed_s: float = 0.0
    """Loader-only trials: seconds that the epochs after the first must last in all. 0: exactly `epochs` epochs are timed."""
    check: Check = "sample"
    """Rows of the timed epochs that are compared with the dataset."""
    ranks: tuple[int, ...] = (1,)
    """Processes that run a trial together; several numbers are an axis."""
    memory_limit_bytes: int | None = None
    """Host memory for all processes of a trial. None: no limit."""
    device: str = "cpu"
    """cpu, cuda or cuda:N."""
    cache: Cache = "warm"
    """State of the page cache that trials start from."""
    baseline: str = ""
    """The loader to compute ratios against. Empty: the first one."""
    model: ModelSpec = field(default_factory=ModelSpec)

    def __post_init__(self) -> None:
        LoaderSettings.__post_init__(self)  # super() does not know the class that slots=True makes
        if self.repeats is not None:
            require_whole("repeats", self.repeats, 1)
        for name in ("loaders", "modes", "batch_sizes", "seeds", "ranks"):
            values = getattr(self, name)
            if not values:
                raise FeedrateError(f"{name} is empty: name at least one")
            require_distinct(name, values)
        check_texts(self.loaders)
        if self.baseline and self.baseline not in self.loaders:
            raise FeedrateError(
                f"baseline is {self.baseline!r}, but must be one of the loaders: {', '.join(self.loaders)}"
            )
        require_ranks(max(self.ranks), self.model)
        for number in range(len(self.seeds)):
            self.round(number)  # a TrialSpec refuses invalid settings

    @property
    def compared_to(self) -> str:
        """The loader to compute ratios against."""
        return self.baseline or next((loader for loader in self.loaders if not _is_ceiling(loader)), self.loaders[0])

    @property
    def rounds(self) -> int | None:
        """Rounds in all; None if a StopRule decides."""
        return None if self.repeats is None else self.repeats * len(self.seeds)

    def round(self, number: int) -> list[TrialSpec]:
        """Return each loader, mode, batch size and number of ranks once, with one seed, in a random order that depends on `number` alone.

        A fixed order would let drift (temperature, neighbours) always hit the same loader. Google Benchmark measured about
        40 % less variance with random interleaving.
        """
        shared = {name: value for name, value in shared_fields(self, TrialSpec).items() if name != "ranks"}
        specs = [
            TrialSpec(
                **{**shared, "timed_s": self.timed_s if mode == "load" else 0.0},
                loader=loader,
                mode=mode,
                repeat=number // len(self.seeds),
                seed=self.seeds[number % len(self.seeds)],
                batch_size=batch_size,
                ranks=ranks,
            )
            for ranks in self.ranks
            for batch_size in self.batch_sizes
            for mode, loader in self._mode_loaders()
        ]
        Random(number).shuffle(specs)
        return specs

    def _mode_loaders(self) -> Iterator[tuple[Mode, str]]:
        """Yield each mode with each loader. Replay is a mode and a loader in one, needed once for all the others."""
        ceiling = next((loader for loader in self.loaders if _is_ceiling(loader)), CEILING)
        for mode in self.modes:
            if mode == "replay":
                yield mode, ceiling
            else:
                yield from ((mode, loader) for loader in self.loaders if not _is_ceiling(loader))


def _is_ceiling(loader: str) -> bool:
    return loader.partition(":")[0] == CEILING
