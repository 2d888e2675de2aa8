"""The settings of a trial and of its model. They are written into its record, so they are plain data without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from math import inf
from typing import Any, Literal, get_args

from feedrate.loaders.base import LoaderSettings
from feedrate.loaders.errors import FeedrateError, require_choice, require_over_zero, require_whole

Mode = Literal["load", "replay", "train"]
Cache = Literal["warm", "cold"]
Task = Literal["mlp", "dlrm", "sequence"]
History = Literal["pooled", "attention"]
Loss = Literal["mse", "bce"]
Optimizer = Literal["adam", "sgd", "adagrad"]
StepKind = Literal["eager", "fast"]
Embeddings = Literal["replicated", "row-wise"]
Check = Literal["sample", "every"]
PARAMETER_TRANSFERS: Mapping[str, int] = {"adam": 7, "sgd": 3, "adagrad": 5}
"""Reads and writes of each optimizer per parameter, in units of its size: two of the weight, one of the gradient, two of each moment."""
DEFAULT_LOADERS = ("native", "native-batched", "nvtabular", "cupy")
"""What `feedrate run` compares if its command names no loaders."""
MAX_LEARNING_RATE = 1_000_000
"""No training takes longer steps. A weight would be infinite after a few of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """The model of a task and how it learns. The defaults are the reference notebook's; `model_of` has those of each task.

    Raises FeedrateError for an invalid value, or for one that belongs to another task.
    """

    hidden: tuple[int, ...] = (128, 128, 128)
    """Units of each hidden layer; of dlrm's top MLP."""
    embedding_width: int | None = None
    """Width of every embedding table. None, for mlp only: NVTabular's rule computes each width from the cardinality."""
    dropout: float = 0.0
    """Probability of dropping a unit, after each hidden layer."""
    loss: Loss = "mse"
    """mse on the raw output, as in the notebook, or binary cross-entropy (bce) on it as log-odds."""
    optimizer: Optimizer = "adam"
    learning_rate: float = 0.01
    step: StepKind = "eager"
    """eager: the notebook's step. fast: the same mathematics, fused and without work on untouched rows (bench/consumer/steps.py)."""
    embeddings: Embeddings = "replicated"
    """replicated: every rank holds the tables. row-wise: each holds some of their rows (bench/consumer/row_wise.py)."""
    task: Task = "mlp"
    """mlp: the notebook's embedding MLP. dlrm: dot products of embeddings. sequence: a history of ids and a target item."""
    bottom: tuple[int, ...] = ()
    """dlrm: units of the bottom MLP's layers before its last one, which has embedding_width units."""
    history: History | None = None
    """sequence: how a history becomes one vector. pooled: its mean. attention: weighted by how well ids match the target."""
    target: str | None = None
    """sequence: single-hot column of the target item. None: the one that has as many ids as a history."""

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise FeedrateError(f"hidden is {list(self.hidden)}, but needs at least one layer of at least 1 unit each")
        if self.embedding_width is not None:
            require_whole("embedding_width", self.embedding_width, 1)
        require_choice("loss", self.loss, get_args(Loss))
        require_choice("optimizer", self.optimizer, get_args(Optimizer))
        require_choice("step", self.step, get_args(StepKind))
        require_choice("embeddings", self.embeddings, get_args(Embeddings))
        require_choice("task", self.task, get_args(Task))
        if self.embeddings == "row-wise" and (self.step == "fast" or self.history == "attention"):
            other = "step fast" if self.step == "fast" else "history attention"
            raise FeedrateError(f"embeddings is row-wise, but {other} needs all rows of a table on one device")
        if not 0 <= self.dropout < 1:
            raise FeedrateError(f"dropout is {self.dropout}, but must be at least 0 and less than 1")
        require_over_zero("learning_rate", self.learning_rate, MAX_LEARNING_RATE)
        self._require_task_fields()

    def _require_task_fields(self) -> None:
        """Raise FeedrateError for a setting that the task lacks or does not have."""
        if self.bottom and min(self.bottom) < 1:
            raise FeedrateError(f"bottom is {list(self.bottom)}, but each layer needs at least 1 unit")
        if self.history is not None:
            require_choice("history", self.history, get_args(History))
        own = {"bottom": "dlrm", "history": "sequence", "target": "sequence"}
        for name, task in own.items():
            value = getattr(self, name)
            if value not in (None, ()) and self.task != task:
                raise FeedrateError(f"{name} is {value!r}, but only --task {task} has it, and the task is {self.task}")
        if self.task != "mlp" and self.embedding_width is None:
            raise FeedrateError(f"embedding_width is not set, but task {self.task} needs one width for all tables")
        if self.task == "sequence" and self.history is None:
            raise FeedrateError(f"history is not set, but must be one of {', '.join(get_args(History))}")


TASKS: Mapping[Task, ModelSpec] = {
    "mlp": ModelSpec(),
    "dlrm": ModelSpec(task="dlrm", hidden=(128, 64), embedding_width=16, loss="bce", bottom=(64,)),
    "sequence": ModelSpec(task="sequence", hidden=(128, 64), embedding_width=16, loss="bce", history="pooled"),
}
"""The default model of each task."""


def model_of(task: Task, given: Mapping[str, Any]) -> ModelSpec:
    """Return the task's default model with these fields changed. A field that is None keeps its default.

    Raises FeedrateError for an invalid value, or for one that belongs to another task.
    """
    require_choice("task", task, get_args(Task))
    return replace(TASKS[task], **{name: value for name, value in given.items() if value is not None})


def require_ranks(ranks: int, model: ModelSpec) -> None:
    """Raise FeedrateError if so many ranks cannot train the model together."""
    if ranks > 1 and model.step == "fast":
        raise FeedrateError(
            f"ranks is {ranks}, but the fast step adds gradients of tables outside of autograd, where "
            "DistributedDataParallel cannot average them: use --step eager"
        )


def shared_fields(source: Any, target: type) -> dict[str, Any]:
    """Return the values of the fields of a dataclass instance that another dataclass has, too, as keyword arguments for it."""
    names = {field.name for field in fields(source)}
    return {field.name: getattr(source, field.name) for field in fields(target) if field.name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSpec(LoaderSettings):
    """One trial. Two trials with the same settings are repeats of each other and differ in `repeat`.

    Raises FeedrateError for an invalid value.
    """

    loader: str
    """The loader as the user wrote it, options included."""
    mode: Mode
    repeat: int
    seed: int
    """Seed of the row order and of the model's first weights, at least 0."""
    batch_size: int
    """Rows per batch."""
    epochs: int
    """Timed epochs, each over the whole train split. With timed_s, the least number of steady ones."""
    device: str
    """cpu, cuda or cuda:N."""
    cache: Cache = "warm"
    """State of the page cache before the loader is opened; if cold, before each timed epoch, too."""
    model: ModelSpec = field(default_factory=ModelSpec)
    timed_s: float = 0.0
    """Seconds that the steady epochs must last in all, before no further epoch is timed. 0: exactly `epochs` epochs."""
    check: Check = "sample"
    """Rows of the timed epochs to compare with the dataset: those of some batches, or every row, which costs speed."""
    ranks: int = 1
    """Processes that run the trial together, each with a shard of the rows and a device of its own."""
    memory_limit_bytes: int | None = None
    """Host memory for all processes of the trial, and what they bring into the page cache. The kernel ends what needs more."""

    def __post_init__(self) -> None:
        LoaderSettings.__post_init__(self)  # super() does not know the class that slots=True makes
        require_choice("mode", self.mode, get_args(Mode))
        require_choice("cache", self.cache, get_args(Cache))
        require_choice("check", self.check, get_args(Check))
        if not 0 <= self.timed_s < inf:
            raise FeedrateError(f"timed_s is {self.timed_s:g}, but must be at least 0 and finite")
        counts = (("batch_size", 1), ("epochs", 1), ("seed", 0), ("repeat", 0), ("ranks", 1))
        for name, minimum in counts:
            require_whole(name, getattr(self, name), minimum)
        if self.memory_limit_bytes is not None:
            require_whole("memory_limit_bytes", self.memory_limit_bytes, 1)

    @property
    def repeat_of(self) -> tuple[str, str, int, int]:
        """Loader, mode, batch size and ranks, which are the same for all repeats of a trial within a run."""
        return self.loader, self.mode, self.batch_size, self.ranks
