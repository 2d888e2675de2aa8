"""Fixtures of the pages' tests."""

from __future__ import annotations

import pytest

from tests.docs.given import Shelf


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"))
