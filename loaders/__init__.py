"""Data loaders for training recommenders with PyTorch. CupyLoader can be used directly in any training script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feedrate.loaders.cupy import CupyLoader

__all__ = ["CupyLoader"]


def __getattr__(name: str) -> Any:
    """Import CupyLoader on first use: the command line imports this package and must not wait for torch."""
    if name in __all__:
        from feedrate.loaders import cupy

        return getattr(cupy, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
