"""Records that may be published: those of clean commits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feedrate.bench.cli import app
from feedrate.bench.results import store
from tests.samples.sample_record import RUN


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "valid"),
        ({"dirty": True}, "environment.dirty is true: make records to publish from a clean checkout"),
        ({"dirty": None}, "environment.dirty is null"),
        ({"commit": None}, "environment.commit is null"),
    ],
)
def test_only_records_of_clean_commits_are_published(
    changes: dict[str, Any], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.write(tmp_path, replace(RUN, environment=replace(RUN.environment, **changes), trials=()))
    assert app.app(["validate", str(tmp_path)], standalone_mode=False) is None
    assert app.app(["validate", "--publish", str(tmp_path)], standalone_mode=False) == (2 if changes else None)
    assert sentence in capsys.readouterr().out.splitlines()[-1]
