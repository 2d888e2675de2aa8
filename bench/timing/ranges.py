"""Named ranges on threads, for a profiler to record: NVTX in the domain `feedrate`, or those of another profiler.

A range costs about 200 ns while no tool records it, and nothing without the package nvtx.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

from feedrate.bench.results.range_names import CATEGORIES, COLOURS, DOMAIN

RangeFactory = Callable[[str, int | None], contextlib.AbstractContextManager[object]]
_NOTHING: contextlib.AbstractContextManager[object] = contextlib.nullcontext()


def span(name: str, payload: int | None = None) -> contextlib.AbstractContextManager[object]:
    """Return a context manager that marks a range of this name on the current thread. payload: an integer to attach."""
    return _new_range(name, payload)


def listen(new_range: RangeFactory) -> None:
    """Replace how ranges are created, for the whole process: span(name, payload) returns new_range(name, payload)."""
    global _new_range
    _new_range = new_range


class NvtxRange:
    """An NVTX range that is pushed on entry to the context and popped on exit."""

    __slots__ = ("_attributes", "_domain")

    def __init__(self, domain: Any, attributes: Any) -> None:
        self._domain, self._attributes = domain, attributes

    def __enter__(self) -> None:
        self._domain.push_range(self._attributes)

    def __exit__(self, *_exception: object) -> None:
        self._domain.pop_range()


def nvtx_ranges() -> RangeFactory:
    """Return a factory of NVTX ranges, or of empty contexts if nvtx is missing or no tool records this process."""
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
    def without_payload(name: str) -> NvtxRange:
        return NvtxRange(domain, attributes(name, None))

    def new_range(name: str, payload: int | None) -> NvtxRange:
        return without_payload(name) if payload is None else NvtxRange(domain, attributes(name, payload))

    return new_range


_new_range = nvtx_ranges()
