"""What a trial is asked to do: written into its record, so plain data without torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from feedrate.loaders.errors import FeedrateError, require_over_zero, require_whole

Mode = Literal["load", "replay", "train"]
Cache = Literal["warm", "cold"]
Loss = Literal["mse", "bce"]
Optimizer = Literal["adam", "sgd", "adagrad"]
StepKind = Literal["eager", "fast"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """The embedding MLP and how it learns; the defaults are the reference notebook's."""

    hidden: tuple[int, ...] = (128, 128, 128)
    """Units of each layer."""
    embedding_width: int | None = None
    """None: by NVTabular's rule from the cardinality."""
    dropout: float = 0.0
    loss: Loss = "mse"
    """mse on the raw output, as in the notebook, or binary cross-entropy on it as log-odds."""
    optimizer: Optimizer = "adam"
    learning_rate: float = 0.01
    step: StepKind = "eager"
    """eager: as the notebook's; fast: the same mathematics, fused and without work on untouched rows. See bench/consumer/steps.py."""

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise FeedrateError(
                f"hidden layers are {list(self.hidden)}, but there must be one or more, each of at least 1 unit"
            )
        if self.embedding_width is not None and self.embedding_width < 1:
            raise FeedrateError(f"embedding_width is {self.embedding_width}, but must be at least 1")
        for name, accepted in (
            ("loss", get_args(Loss)),
            ("optimizer", get_args(Optimizer)),
            ("step", get_args(StepKind)),
        ):
            if getattr(self, name) not in accepted:
                raise FeedrateError(f"{name} is {getattr(self, name)!r}, but must be one of {', '.join(accepted)}")
        if not 0 <= self.dropout < 1:
            raise FeedrateError(f"dropout is {self.dropout}, but must be at least 0 and under 1")
        require_over_zero("learning_rate", self.learning_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSpec:
    """One trial. Two trials with equal specs are repeats only if `repeat` differs."""

    loader: str
    """As the user wrote it, options included."""
    mode: Mode
    repeat: int
    seed: int
    """Of the rows' order and of the model's first weights."""
    batch_size: int
    epochs: int
    """Timed epochs, each over the whole train split."""
    device: str
    workers: int = 0
    prefetch: int = 2
    shuffle: bool = True
    memory_budget_bytes: int | None = None
    cache: Cache = "warm"
    """State of the page cache before the loader is opened; cold: before each timed epoch, too."""
    model: ModelSpec = field(default_factory=ModelSpec)

    @property
    def repeat_of(self) -> tuple[str, str, int]:
        """What it has in common with its repeats within a run: loader, mode, batch size."""
        return self.loader, self.mode, self.batch_size

    def __post_init__(self) -> None:
        for name, accepted in (("mode", get_args(Mode)), ("cache", get_args(Cache))):
            if getattr(self, name) not in accepted:
                raise FeedrateError(f"{name} is {getattr(self, name)!r}, but must be one of {', '.join(accepted)}")
        for name, least in (("batch_size", 1), ("epochs", 1), ("prefetch", 1), ("workers", 0), ("seed", 0)):
            require_whole(name, getattr(self, name), least)
        if self.memory_budget_bytes is not None:
            require_whole("memory_budget_bytes", self.memory_budget_bytes, 1)
