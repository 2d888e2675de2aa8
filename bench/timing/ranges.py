"""Named ranges of threads for whoever records them: NVTX in the domain `feedrate`, or a profiler that does not know NVTX.

They cost some 200 ns while nobody listens, and nothing without the package nvtx.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

from feedrate.bench.results.range_names import CATEGORIES, COLOURS, DOMAIN

Make = Callable[[str, int | None], contextlib.AbstractContextManager[object]]
_NOTHING: contextlib.AbstractContextManager[object] = contextlib.nullcontext()


def span(name: str, payload: int | None = None) -> contextlib.AbstractContextManager[object]:
    """A range of this name on this thread."""
    return _make(name, payload)


def listen(make: Make) -> None:
    """From now on ranges are what `make` makes of their names and payloads."""
    global _make
    _make = make


class NvtxRange:
    """Pushed where the context is entered, popped where it is left."""

    __slots__ = ("_attributes", "_domain")

    def __init__(self, domain: Any, attributes: Any) -> None:
        self._domain, self._attributes = domain, attributes

    def __enter__(self) -> None:
        self._domain.push_range(self._attributes)

    def __exit__(self, *_exception: object) -> None:
        self._domain.pop_range()


def nvtx_ranges() -> Make:
    try:
        import nvtx
    except ImportError:
        return lambda _name, _payload: _NOTHING
    domain = nvtx.get_domain(DOMAIN)
    if domain.get_event_attributes(message="step") is None:  # no tool records this process
        return lambda _name, _payload: _NOTHING

    def attributes(name: str, payload: int | None) -> Any:
        category, color = CATEGORIES.get(name, "harness"), COLOURS.get(name, "white")
        return domain.get_event_attributes(message=name, color=color, category=category, payload=payload)

    @functools.cache
    def plain(name: str) -> NvtxRange:
        return NvtxRange(domain, attributes(name, None))

    def make(name: str, payload: int | None) -> NvtxRange:
        return plain(name) if payload is None else NvtxRange(domain, attributes(name, payload))

    return make


_make = nvtx_ranges()
