"""Keeps what measuring relies on, before a loader's module is imported, and finds what was replaced afterwards.

Kept are functions and classes of time, builtins, torch and feedrate itself, and torch's settings. A loader that replaces
one of them could stop the clock, skip the optimizer's step or compute in another precision.
"""

from __future__ import annotations

import builtins
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import torch

from feedrate.bench.gate.epoch import GateFailed

OF_TORCH = (
    torch, torch.Tensor, torch.autograd, torch.cuda, torch.cuda.Event, torch.cuda.Stream, torch.nn.functional,
    torch.nn.Module, torch.nn.Linear, torch.nn.Embedding, torch.nn.EmbeddingBag, torch.nn.BatchNorm1d, torch.nn.ReLU,
    torch.nn.Dropout, torch.nn.ModuleDict, torch.nn.Sequential, torch.optim.Optimizer,
    torch.optim.Adam, torch.optim.SGD, torch.optim.Adagrad,
)  # fmt: skip
"""Modules and classes of torch that a trial calls."""
NAMES_OF_TORCH = {
    "Tensor", "arange", "bincount", "cat", "cumsum", "empty", "empty_like", "from_numpy", "get_num_threads", "no_grad",
    "ones", "repeat_interleave", "searchsorted", "set_num_threads", "split", "stack", "tensor", "unique", "where",
    "zeros", "zeros_like",
}  # fmt: skip
"""Names of the module torch itself that a trial calls. Torch replaces others when it imports its compiler."""
OF_LOADERS = ("feedrate.loaders.form", "feedrate.loaders.base", "feedrate.loaders.batch.batch")
"""Modules of feedrate.loaders that a trial calls, beside the loader's own."""
VOIDING: dict[str, Callable[[], object]] = {
    "torch's grad mode": torch.is_grad_enabled,
    "torch's inference mode": torch.is_inference_mode_enabled,
    "torch's autocast": lambda: torch.is_autocast_enabled("cuda") or torch.is_autocast_enabled("cpu"),
    "torch's default dtype": torch.get_default_dtype,
    "torch's float32 matmul precision": torch.get_float32_matmul_precision,
}
"""Settings of torch that change what is computed."""
FLAGGED: dict[str, Callable[[], object]] = {
    "torch's number of threads": torch.get_num_threads,
    "torch's deterministic algorithms": torch.are_deterministic_algorithms_enabled,
    "cuDNN's benchmark mode": lambda: torch.backends.cudnn.benchmark,
    "Python's thread switch interval": sys.getswitchinterval,
}
"""Settings that change how fast it is computed."""


class Guard:
    """What there was before a loader's module was imported."""

    def __init__(self) -> None:
        for optimizer in (torch.optim.Adam, torch.optim.SGD, torch.optim.Adagrad):
            _hook(optimizer)
        self._kept = {name: dict(_callables(space)) for name, space in _spaces().items()}
        self._settings = _settings()

    def settle(self) -> None:
        """Keep torch's settings as they are now: the harness has made its own."""
        self._settings = _settings()

    def replaced(self) -> list[str]:
        """Return the names of all functions and classes that are not the kept ones, and of settings that spoil the trial."""
        now = _spaces()
        names = [
            f"{space}.{name}"
            for space, kept in self._kept.items()
            for name, value in kept.items()
            if _get(now.get(space), name) is not value
        ]
        return [*(f"it replaced {name}" for name in names), *self._changed(VOIDING)]

    def require_untouched(self) -> None:
        """Raise GateFailed if something was replaced."""
        if names := self.replaced():
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise GateFailed(f"{names[0]}{more}: a loader must not change what measures it")

    def changed(self) -> list[str]:
        """Return a sentence for each setting that the trial must be flagged for."""
        return self._changed(FLAGGED)

    def _changed(self, settings: Mapping[str, Callable[[], object]]) -> list[str]:
        now = _settings()
        return [
            f"it changed {name} from {self._settings[name]} to {now[name]}"
            for name in settings
            if self._settings[name] != now[name]
        ]


def _hook(optimizer: type[torch.optim.Optimizer]) -> None:
    """Wrap the class's step as its first instance would: building one imports torch's compiler, which takes seconds."""
    step: Any = optimizer.step
    if not getattr(step, "hooked", False):
        hooked: Any = torch.optim.Optimizer.profile_hook_step(step)
        hooked.hooked = True
        optimizer.step = hooked  # type: ignore[method-assign]


def _settings() -> dict[str, object]:
    return {name: read() for name, read in {**VOIDING, **FLAGGED}.items()}


def _spaces() -> dict[str, ModuleType | type]:
    """Return the guarded modules and classes, by name."""
    own = {name: module for name, module in sys.modules.items() if name.startswith("feedrate.bench.")}
    own |= {name: sys.modules[name] for name in OF_LOADERS if name in sys.modules}
    spaces: dict[str, ModuleType | type] = {"time": time, "builtins": builtins, **own}
    for module in own.values():
        classes = (value for value in vars(module).values() if isinstance(value, type))
        spaces |= {f"{c.__module__}.{c.__qualname__}": c for c in classes if c.__module__ == module.__name__}
    spaces |= {f"{s.__module__}.{s.__qualname__}" if isinstance(s, type) else s.__name__: s for s in OF_TORCH}
    return spaces


def _callables(space: ModuleType | type) -> Iterator[tuple[str, Any]]:
    """Yield every function, class and property that the module or class itself holds."""
    for name, value in list(vars(space).items()):
        if space is torch and name not in NAMES_OF_TORCH:
            continue
        if callable(value) or isinstance(value, property | classmethod | staticmethod):
            yield name, value


def _get(space: ModuleType | type | None, name: str) -> Any:
    return None if space is None else vars(space).get(name)
