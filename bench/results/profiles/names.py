"""Bounds the names of kernels and functions in a record. Those of C++ templates can have thousands of characters."""

from __future__ import annotations

MAX_NAME = 160
"""Characters of a name that a record keeps."""


def shortened(name: str) -> str:
    """Return the name, cut in the middle if it is longer than MAX_NAME characters."""
    if len(name) <= MAX_NAME:
        return name
    head = MAX_NAME * 2 // 3
    return f"{name[:head]}…{name[head + 1 - MAX_NAME :]}"
