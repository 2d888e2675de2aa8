"""The browser that the tests of pages open them in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.samples.chromium import open_browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One a file: a browser of the whole session breaks those of other files."""
    with open_browser() as chromium:
        yield chromium
