"""Loaders of tabular data for training with PyTorch. CupyLoader is for use in anybody's training script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feedrate.loaders.cupy import CupyLoader

__all__ = ["CupyLoader"]


def __getattr__(name: str) -> Any:
    """Late: the command line imports this package, and must not wait for torch."""
    if name in __all__:
        from feedrate.loaders import cupy

        return getattr(cupy, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
