"""The sentence on a faulty loader names the fault, in one line. Whole processes are in tests/bench/run."""

from __future__ import annotations

import re

import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.results.messages import Task
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.trial.child import attempt

MODULE = "tests.samples.reported_loaders"
STOPPED = r"an epoch does not end: it was stopped after [\d,]+ rows, but the split has 4,000"
TWICE = (
    "timed epoch 1: an epoch delivered 8,000 rows, 4,000 more than the 4,000 in the split; each row is delivered twice"
)
PARSE = r"cannot parse row 7: 'N/A' <b>\[red\]markup\[/red\]</b>"


def sentence(name: str, dataset: Dataset, batch_size: int = 256) -> tuple[str, str]:
    """Return the status and the sentence of a trial of the loader, in this process."""
    spec = TrialSpec(
        loader=f"{MODULE}:{name}", mode="load", repeat=0, seed=0, batch_size=batch_size, epochs=1, device="cpu"
    )
    result = attempt(Task(spec=spec, dataset=str(dataset.folder)), lambda *_progress: None).result
    assert result is not None
    assert result.detail.isprintable()
    assert len(result.detail) <= 300
    return result.status, result.detail


@pytest.mark.parametrize(
    ("name", "status", "pattern"),
    [
        ("Right", "ok", ""),
        ("Exits", "failed", r"it called sys\.exit\(3\)"),
        ("Endless", "void", STOPPED),
        ("LabelInt64", "void", r"the label's dtype is torch\.int64, but must be torch\.float32"),
        ("Tuples", "failed", "it yields a tuple, but must yield a feedrate.loaders.base.Batch"),
        ("ReturnsNone", "failed", r"its epoch\(\) returns None, but must return an iterator of batches"),
        ("OnlyIterable", "failed", r"the loader is an OnlyIterable, which has no method epoch\(index\)"),
        ("WorkerRaises", "failed", f"ValueError: {PARSE}"),
        ("WorkerRaisesOurError", "failed", PARSE),
    ],
)
def test_the_sentence_is_the_cause(name: str, status: str, pattern: str, small: Dataset) -> None:
    seen = sentence(name, small)
    assert seen[0] == status
    assert re.fullmatch(pattern, seen[1]), seen[1]


@pytest.mark.parametrize(
    ("name", "repeated"),
    [
        ("Unsharded", "its rows come more than once: batch 2 repeats batch 1"),
        ("UnshardedInOwnOrders", r"[\d,]+ rows are delivered more than once while [\d,]+ have not come at all"),
    ],
)
def test_workers_that_each_deliver_all_rows_are_named_as_the_reason(name: str, repeated: str, small: Dataset) -> None:
    hint = ": does each worker deliver all rows?"
    for batch_size, pattern in ((256, f"{STOPPED}; {repeated}"), (2000, TWICE)):  # the small batches do not end in time
        status, text = sentence(name, small, batch_size)
        assert status == "void"
        assert re.fullmatch(pattern + re.escape(hint), text), text


@pytest.mark.parametrize("name", ["WorkerRaises", "WorkerRaisesOurError"])
def test_the_log_has_the_worker_s_traceback(name: str, small: Dataset, capfd: pytest.CaptureFixture[str]) -> None:
    sentence(name, small)
    log = capfd.readouterr().err
    assert "Original Traceback" in log
    assert "in __getitem__" in log
