"""Checks the contract, speed and AUC of MyLoader."""

from __future__ import annotations

import pytest
from my_loader import MyLoader


@pytest.mark.parametrize("mode", ["load", "train"])
def test_my_loader(feedrate, mode):  # type: ignore[no-untyped-def]
    result = feedrate(MyLoader, dataset="synthetic-movielens", rows=20_000, mode=mode, batch_size=1024, rounds=3)
    assert result["rows_per_s"] > 0
