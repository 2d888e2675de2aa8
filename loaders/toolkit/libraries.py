"""Imports an adapter's library, or says how to install it."""

from __future__ import annotations

import importlib
from typing import Any

from feedrate.loaders.error_text import describe_import
from feedrate.loaders.errors import LoaderUnavailable


def import_library(module: str, loader: str) -> Any:
    """Import a library that is optional. loader: the adapter that needs it, after which its extra is called.

    Raises LoaderUnavailable with the command that installs the library, or with the reason if its import fails.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise LoaderUnavailable(f"{loader}: {module} cannot be imported: {describe_import(error)}") from error
        raise LoaderUnavailable(
            f"{loader} needs {module}, which is not installed: run `pip install 'feedrate[{loader}]'`"
        ) from error
    except Exception as error:  # another package's code may fail in any way
        raise LoaderUnavailable(f"{loader}: {module} cannot be imported: {describe_import(error)}") from error
