"""How fast can a data loader feed this GPU, what holds it back, and which loader should I use?

The names below are imported when they are first used, so `import feedrate` loads neither torch nor pandas.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
"""As in `typing`, which is not imported: `python -m feedrate` would take it from a typing.py in the current folder."""
if TYPE_CHECKING:
    from typing import Any

    from feedrate.loaders.base import Adapter, Batch, Loader, LoaderConfig, Schema, Split
    from feedrate.loaders.cupy import CupyLoader
    from feedrate.loaders.errors import FeedrateError, LoaderUnavailable
    from feedrate.loaders.toolkit.from_dataloader import from_dataloader
    from feedrate.reports import load, show

_HOMES = {
    "Adapter": "feedrate.loaders.base",
    "Batch": "feedrate.loaders.base",
    "CupyLoader": "feedrate.loaders.cupy",
    "FeedrateError": "feedrate.loaders.errors",
    "Loader": "feedrate.loaders.base",
    "LoaderConfig": "feedrate.loaders.base",
    "LoaderUnavailable": "feedrate.loaders.errors",
    "Schema": "feedrate.loaders.base",
    "Split": "feedrate.loaders.base",
    "from_dataloader": "feedrate.loaders.toolkit.from_dataloader",
    "load": "feedrate.reports",
    "show": "feedrate.reports",
}

__all__ = [
    "Adapter",
    "Batch",
    "CupyLoader",
    "FeedrateError",
    "Loader",
    "LoaderConfig",
    "LoaderUnavailable",
    "Schema",
    "Split",
    "__version__",
    "from_dataloader",
    "load",
    "show",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use; __version__ is the installed distribution's."""
    if name == "__version__":
        return _version()
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("feedrate")
    except metadata.PackageNotFoundError:
        return "0+unknown"
