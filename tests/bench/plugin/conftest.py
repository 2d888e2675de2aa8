"""The plugin's tests run pytest themselves. These runs must not take themselves for a worker of pytest-xdist."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin refuses timed rounds in a worker. A test that wants one sets the variable again."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
