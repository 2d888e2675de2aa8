"""What a loader is doing, for whoever measures it: `with phase("copy"): ...` costs next to nothing while nobody listens.

Loaders mark here what cannot be told from outside. The harness listens; loaders know nothing of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Literal

Phase = Literal["copy", "decode", "shuffle", "wait"]
"""copy: host to device; decode: files to rows; shuffle: rows into their order; wait: for another thread or process."""
Listener = Callable[[Phase], contextlib.AbstractContextManager[object]]

_NOTHING: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
_listeners: list[Listener] = []


def phase(name: Phase) -> contextlib.AbstractContextManager[object]:
    """The innermost listener's context for this phase; in worker processes nobody listens."""
    return _listeners[-1](name) if _listeners else _NOTHING


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """While this context is open, `listener` is asked for a context manager at each phase of any thread."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
