from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from feedrate.bench.timing import ranges


class Domain:
    """A fake nvtx domain while a tool records."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def get_event_attributes(self, **attributes: Any) -> dict[str, Any]:
        return attributes

    def push_range(self, attributes: dict[str, Any]) -> None:
        self.calls.append(attributes)

    def pop_range(self) -> None:
        self.calls.append("end")


def test_ranges_have_colour_category_and_payload(monkeypatch: pytest.MonkeyPatch) -> None:
    domain = Domain()
    monkeypatch.setitem(sys.modules, "nvtx", types.SimpleNamespace(get_domain=lambda _name: domain))
    new_range = ranges.nvtx_ranges()
    with new_range("step", 3), new_range("decode", None):
        pass
    assert domain.calls == [
        {"message": "step", "color": "silver", "category": "harness", "payload": 3},
        {"message": "decode", "color": "yellow", "category": "loader", "payload": None},
        "end",
        "end",
    ]


@pytest.mark.parametrize(
    "nvtx",
    [
        None,
        types.SimpleNamespace(
            get_domain=lambda _name: types.SimpleNamespace(get_event_attributes=lambda **_attributes: None)
        ),
    ],
)
def test_without_nvtx_or_a_recording_tool_a_range_does_nothing(nvtx: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nvtx", nvtx)
    new_range = ranges.nvtx_ranges()
    assert new_range("step", 3) is new_range("decode", None)
