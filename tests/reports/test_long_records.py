"""Reports of records with many trials, and of many records, do work in proportion. Calls are counted, not seconds."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from feedrate.bench.cli.app import app
from feedrate.bench.results import store
from tests.samples.long_records import long_record

SIZES = (25, 50, 100)
MOST = 2.6
"""Growth from the last but one size to the last over the growth before. It is 2 if work is in proportion, and 4 if it is its square."""


def one_record(folder: Path, size: int) -> None:
    store.write(folder, long_record(size, steps=20))


def many_records(folder: Path, size: int) -> None:
    record = long_record(5, steps=20)
    for number in range(size):
        started_at = f"2026-01-{1 + number // 24:02}T{number % 24:02}:00:00+00:00"
        store.write(
            folder / str(number), replace(record, environment=replace(record.environment, started_at=started_at))
        )


def work(words: list[str]) -> tuple[int, int]:
    """Return (calls of functions, peak of allocated bytes) of a command."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    tracemalloc.start()
    sys.setprofile(count)
    try:
        result = CliRunner().invoke(app, words)
    finally:
        sys.setprofile(None)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert result.exit_code == 0, result.output
    return calls, peak


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (one_record, "validate RUNS"),
        (one_record, "report RUNS -o OUT.html"),
        (one_record, "report RUNS --format parquet -o OUT.parquet"),
        (one_record, "compare RUNS RUNS"),
        (many_records, "history RUNS -o OUT.html"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_calls_and_memory_grow_in_proportion(make: Callable[[Path, int], None], words: str, tmp_path: Path) -> None:
    seen = []
    for size in (SIZES[0], *SIZES):  # the first time imports modules
        runs = tmp_path / f"{len(seen)}"
        make(runs, size)
        seen.append(work([word.replace("RUNS", str(runs)).replace("OUT", f"{runs}-out") for word in words.split()]))
    for small, middle, large in zip(*seen[1:], strict=True):
        assert large - middle < MOST * max(middle - small, small // 20)
