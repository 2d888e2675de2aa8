"""Lets users' loaders be imported from the current folder, after the standard library and everything that is installed."""

from __future__ import annotations

import os
import sys
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)

LIBRARIES = frozenset(
    (
        *(
            "cuda",
            "cudf",
            "cupy",
            "cupyx",
            "cutlass",
            "dask",
            "dask_cudf",
            "datasets",
            "distributed",
            "duckdb",
            "feedrate",
        ),
        *(
            "jinja2",
            "kaleido",
            "lance",
            "merlin",
            "msgspec",
            "numba",
            "numpy",
            "nvtabular",
            "nvtx",
            "pandas",
            "platformdirs",
        ),
        *(
            "plotly",
            "polars",
            "psutil",
            "pyarrow",
            "pylibcudf",
            "pynvml",
            "rich",
            "rmm",
            "ruptures",
            "scipy",
            "tensordict",
        ),
        *("torch", "torchdata", "torchrec", "triton", "typer", "grain", "jax", "ray", "spdl", "vortex"),
        *("litdata", "streaming", "tensorflow"),
    )
)
"""What feedrate and the libraries of its loaders import if it is installed. A file of the user's never stands in for it."""


def add_current_folder() -> None:
    """Put the current folder last on the search path, unless it is on it already.

    Modules of the standard library and LIBRARIES are never taken from it, even if they are missing elsewhere.
    """
    folder = os.getcwd()
    if folder in sys.path or "" in sys.path:
        return
    details = ((ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceFileLoader, SOURCE_SUFFIXES))
    sys.path_importer_cache[folder] = _UserModules(FileFinder(folder, *details))
    sys.path.append(folder)


class _UserModules:
    """A folder's finder that does not see the names of libraries."""

    def __init__(self, finder: FileFinder) -> None:
        self._finder = finder

    def find_spec(self, name: str, _target: object = None) -> ModuleSpec | None:
        """Return where a module of the user's is; None if there is none."""
        if name in LIBRARIES or name in sys.stdlib_module_names:
            return None
        return self._finder.find_spec(name)

    def invalidate_caches(self) -> None:
        """Forget what the folder held."""
        self._finder.invalidate_caches()
