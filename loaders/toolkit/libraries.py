"""Imports an adapter's library, or says how to install it."""

from __future__ import annotations

import importlib
from typing import Any

from feedrate.loaders.error_text import describe_import
from feedrate.loaders.errors import LoaderUnavailable


def import_library(module: str, loader: str, *, own_environment: bool = False) -> Any:
    """Import a library that is optional. loader: the adapter that needs it, after which its extra is called.

    own_environment: the library has no extra, but an environment of its own.
    Raises LoaderUnavailable with the command that installs the library, or with the reason if its import fails.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise LoaderUnavailable(f"{loader}: {module} cannot be imported: {describe_import(error)}") from error
        command = f"feedrate install {loader}" if own_environment else f"pip install 'feedrate[{loader}]'"
        raise LoaderUnavailable(f"{loader} needs {module}, which is not installed: run `{command}`") from error
    except Exception as error:  # another package's code may fail in any way
        raise LoaderUnavailable(f"{loader}: {module} cannot be imported: {describe_import(error)}") from error
