"""What a loader is doing, for whoever measures it: `with phase("copy"): ...` costs next to nothing while nobody listens.

Loaders mark here what cannot be told from outside. The harness listens; loaders know nothing of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Literal

Phase = Literal["copy", "decode", "shuffle", "wait"]
"""copy: host to device; decode: files to rows; shuffle: rows into their order; wait: for another thread or process."""
Listener = Callable[[Phase, int | None], contextlib.AbstractContextManager[object]]

_NOTHING: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
_listeners: list[Listener] = []


def phase(name: Phase, amount: int | None = None) -> contextlib.AbstractContextManager[object]:
    """The innermost listener's context for this phase; in worker processes nobody listens.

    amount: rows of decode and shuffle, bytes of copy, where they are known.
    """
    return _listeners[-1](name, amount) if _listeners else _NOTHING


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """While this context is open, `listener` is asked for a context manager at each phase of any thread."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
