"""Marks for the phases of a loader's work: `with phase("copy"): ...`. Without a listener, a mark is almost free.

Loaders mark phases that the harness cannot see from outside. The harness listens. Loaders know nothing about it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Literal

Phase = Literal["copy", "decode", "shuffle", "wait"]
"""copy: host to device. decode: files to rows. shuffle: rows into their order. wait: for another thread or process."""
Listener = Callable[[Phase, int | None], contextlib.AbstractContextManager[object]]
"""Takes the phase and its amount (see `phase`), and returns a context manager that is entered for the phase."""

_NOTHING: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
_listeners: list[Listener] = []


def phase(name: Phase, amount: int | None = None) -> contextlib.AbstractContextManager[object]:
    """Return the innermost listener's context manager for this phase. Worker processes have no listener.

    amount: rows for decode and shuffle, bytes for copy, None if unknown.
    """
    return _listeners[-1](name, amount) if _listeners else _NOTHING


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """While this context is open, call `listener` for a context manager at each phase of any thread."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
