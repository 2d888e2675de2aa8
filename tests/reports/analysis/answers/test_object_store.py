"""The sentence on an object store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from feedrate.bench.results.parts.network import NetworkRecord
from feedrate.reports.analysis.answers.object_store import object_store
from tests.samples.sample_record import trial


@pytest.mark.parametrize(
    ("retries", "again"), [(0, ""), (3, ", of which 3 in all were sent again")], ids=["all went well", "some failed"]
)
def test_requests_bytes_and_waits_are_said(retries: int, again: str) -> None:
    sample = trial("cupy", "load", 70)
    assert sample.epochs is not None
    last = sample.epochs[-1]
    network = NetworkRecord(requests=1200, retries=retries, bytes=2_500_000, wait_s=last.wall_s / 4)
    stored = replace(sample, epochs=(*sample.epochs[:-1], replace(last, network=network)))
    assert object_store([stored]) == (
        f"it asked the object store for 2.50 MB in 1,200 requests an epoch{again}, and waited for answers 25.0 % of the time"
    )


def test_a_local_dataset_has_no_sentence() -> None:
    assert object_store([trial("cupy", "load", 70)]) == ""
