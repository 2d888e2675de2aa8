"""The sentence on a memory limit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from feedrate.bench.results.parts.memory import LimitRecord
from feedrate.reports.analysis.answers.memory_limit import memory_limit
from tests.samples.sample_record import trial


@pytest.mark.parametrize(
    ("refault_bytes", "sentence"),
    [
        (0, "it kept within 500 MB of host memory"),
        (
            2_000_000_000,
            "it kept within 500 MB of host memory, and 2.00 GB of files were read again for lack of page cache",
        ),
    ],
)
def test_what_was_read_again_is_said(refault_bytes: int, sentence: str) -> None:
    record = LimitRecord(limit_bytes=500_000_000, peak_bytes=500_000_000, kills=0, refault_bytes=refault_bytes)
    assert memory_limit([replace(trial("cupy", "load", 70), memory_limit=record)]) == sentence


def test_a_trial_without_a_limit_has_no_sentence() -> None:
    assert memory_limit([trial("cupy", "load", 70)]) == ""
