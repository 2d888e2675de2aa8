"""A large record grows in place, and neither a crash nor a full disk loses a trial of it."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from feedrate.bench.results import store
from feedrate.bench.results.record import RunRecord
from feedrate.loaders.errors import FeedrateError
from tests.samples.long_records import long_record

TRIALS = long_record(310, steps=20).trials
LARGE = replace(long_record(1), trials=TRIALS[:300])
LINE_BYTES = len(msgspec.json.encode(TRIALS[300]))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    store.write(tmp_path, LARGE)
    assert (tmp_path / "run.json").stat().st_size > store.REPLACED_BYTES
    return tmp_path


def written_bytes() -> int:
    """Bytes that this process has passed to write calls."""
    return int(Path("/proc/self/io").read_text().split("wchar: ")[1].split()[0])


def test_each_trial_costs_its_own_bytes_only(run: Path) -> None:
    record, before = LARGE, written_bytes()
    for trial in TRIALS[300:]:
        record = store.append(run, record, trial)
    assert written_bytes() - before < 11 * 1.5 * LINE_BYTES
    assert store.read(run) == record
    assert record.trials == TRIALS
    store.write(run / "whole", record)
    assert (run / "run.json").read_bytes() == (run / "whole" / "run.json").read_bytes()


@pytest.mark.parametrize("lost", [1, 4, 5, 6, 100, LINE_BYTES, LINE_BYTES + 3, LINE_BYTES + 5])
def test_a_crash_while_a_trial_is_written_costs_that_trial_only(run: Path, lost: int) -> None:
    store.append(run, LARGE, TRIALS[300])
    os.truncate(run / "run.json", (run / "run.json").stat().st_size - lost)
    kept = store.read(run).trials
    assert kept[:299] == TRIALS[:299]
    assert len(kept) >= 300 - (lost > LINE_BYTES + 3)
    store.write(run, replace(LARGE, trials=kept))  # as --resume does
    assert store.read(run).trials == kept


@contextmanager
def no_file_over(size: int) -> Iterator[None]:
    """A real limit of the system for the files of this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [0, 2, 1000])
def test_a_full_disk_is_named_and_leaves_the_record_as_it_was(run: Path, room: int) -> None:
    file = run / "run.json"
    before = file.read_bytes()
    with (
        no_file_over(len(before) + room),
        pytest.raises(FeedrateError, match=r"run\.json cannot be written: File too large"),
    ):
        store.append(run, LARGE, TRIALS[300])
    assert file.read_bytes() == before
    assert store.append(run, LARGE, TRIALS[300]) == store.read(run)


def test_a_large_file_of_another_form_is_replaced(run: Path) -> None:
    file = run / "run.json"
    file.write_bytes(msgspec.json.format(file.read_bytes()))
    grown: RunRecord = store.append(run, LARGE, TRIALS[300])
    assert store.read(run) == grown
