from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from feedrate.bench.timing import ranges


class Domain:
    """Of nvtx, while a tool records."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def get_event_attributes(self, **attributes: Any) -> dict[str, Any]:
        return attributes

    def push_range(self, attributes: dict[str, Any]) -> None:
        self.seen.append(attributes)

    def pop_range(self) -> None:
        self.seen.append("end")


def test_ranges_have_colour_category_and_payload(monkeypatch: pytest.MonkeyPatch) -> None:
    domain = Domain()
    monkeypatch.setitem(sys.modules, "nvtx", types.SimpleNamespace(get_domain=lambda _name: domain))
    make = ranges.nvtx_ranges()
    with make("step", 3), make("decode", None):
        pass
    assert domain.seen == [
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
def test_without_the_package_or_a_tool_that_records_a_range_is_nothing(
    nvtx: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nvtx", nvtx)
    make = ranges.nvtx_ranges()
    assert make("step", 3) is make("decode", None)
