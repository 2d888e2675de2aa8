"""Folded stacks become bounded trees of the consumer, its threads and the workers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.profiling import flames, sampler, session
from feedrate.bench.results.spec import ModelSpec
from feedrate.loaders.errors import FeedrateError

FOLDED = """\
process 7:"python -c a;b;thread (x)";thread (7): MainThread;main (trial.py:1);step (steps.py:4);forward (model.py:9) 30
process 7:"python -c a;b;thread (x)";thread (7): MainThread;main (trial.py:1);step (steps.py:4) 10
process 7:"python -c a;b;thread (x)";thread (7): MainThread;main (trial.py:1);next (loader.py:2) 60
process 7:"python -c a;b;thread (x)";thread (8): reader;read (parquet.py:3) 5
process 7:"python -c a;b;thread (x)";process 30:"python /home/me/x.py";thread (30): MainThread;fetch (fetch.py:1) 20
process 7:"python -c a;b;thread (x)";process 30:"python /home/me/x.py";thread (31): feeder;feed (queues.py:1) 2
process 7:"python -c a;b;thread (x)";process 21:"python /home/me/x.py";thread (21): MainThread;fetch (fetch.py:1) 9
not a stack
"""


def test_the_consumer_its_threads_and_each_worker_have_a_tree() -> None:
    trees = flames.flames_of(FOLDED, consumer=7)
    assert [(tree.who, tree.samples[0]) for tree in trees] == [
        ("consumer", 100), ("worker 2", 22), ("worker 1", 9), ("reader", 5),
    ]  # fmt: skip
    assert not any("/home/me" in name for tree in trees for name in tree.names)


def test_a_tree_is_depth_first_with_the_samples_of_callees_included() -> None:
    tree = flames.flames_of(FOLDED, consumer=7)[0]
    nodes = [
        (depth, tree.names[name], samples)
        for depth, name, samples in zip(tree.depth, tree.name, tree.samples, strict=True)
    ]
    assert nodes == [
        (0, "", 100), (1, "main (trial.py)", 100), (2, "next (loader.py)", 60), (2, "step (steps.py)", 40),
        (3, "forward (model.py)", 30),
    ]  # fmt: skip


def test_functions_with_few_samples_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flames, "MAX_NODES", 3)
    tree = flames.flames_of(FOLDED, consumer=7)[0]
    assert (len(tree.name), tree.left_out) == (3, 2)
    assert tree.samples == (100, 100, 60)


def test_a_sampler_that_cannot_attach_is_one_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "py-spy"
    broken.write_text("#!/bin/sh\necho 'Error: Permission Denied: Try again with sudo' >&2; exit 1\n")
    broken.chmod(0o755)
    with (
        pytest.raises(FeedrateError, match="^py-spy wrote no samples: Error: Permission Denied"),
        sampler.sampled(str(broken), tmp_path / "stacks.txt"),
    ):
        pass


needs_py_spy = pytest.mark.skipif(not sampler.find_sampler(), reason="needs py-spy: `pip install 'feedrate[flames]'`")


@needs_py_spy
def test_py_spy_finds_the_function_that_is_busy(tmp_path: Path) -> None:
    def busy_with_it() -> None:
        end_s = time.monotonic() + 1
        while time.monotonic() < end_s:
            pass

    stacks = tmp_path / "stacks.txt"
    _sample(stacks, busy_with_it)
    tree = flames.flames_of(stacks.read_text(), os.getpid())[0]
    busy = [name for name in range(len(tree.names)) if "busy_with_it" in tree.names[name]]
    assert tree.who == "consumer"
    assert max(samples for name, samples in zip(tree.name, tree.samples, strict=True) if name in busy) > 10


def _sample(stacks: Path, work: Callable[[], None]) -> None:
    try:
        with sampler.sampled(sampler.find_sampler(), stacks):
            work()
    except FeedrateError as error:
        if "ermission" in str(error):
            pytest.skip(f"the system forbids sampling: {error}")
        raise


@needs_py_spy
@pytest.mark.slow
def test_a_real_profile_has_trees_of_the_consumer_and_the_worker(small: Dataset, tmp_path: Path) -> None:
    request = session.ProfileRequest(
        steps=3, profiler="torch", batch_size=256, device="cpu", model=ModelSpec(), memory_budget_bytes=None, timeout_s=500.0
    )  # fmt: skip
    [result] = session.run(["slow:delay_s=0.02:kind=burn:place=worker"], small.folder, tmp_path, request)
    if result.profile.notes:
        pytest.skip(result.profile.notes[0])
    trees = {tree.who: tree for tree in result.profile.flames}
    assert any("EagerStep" in name for name in trees["consumer"].names)
    assert any(name.startswith("delay ") for name in trees["worker 1"].names)
    assert result.profile.sample_hz == sampler.SAMPLE_HZ
