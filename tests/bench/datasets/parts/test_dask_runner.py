"""Parts on a Dask cluster: in order, each done once, and again only if its worker died."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedrate.bench.datasets.parts import cluster
from feedrate.bench.datasets.parts.cluster import dask_runner
from feedrate.bench.datasets.parts.dask_runner import DaskRunner
from feedrate.bench.datasets.parts.runner import IN_PROCESS
from feedrate.loaders.errors import Faults, FeedrateError

distributed = pytest.importorskip("distributed")


def squares(folder: Path, number: int) -> Iterator[int]:
    """Note in the folder that the part was done, and yield two numbers."""
    with (folder / f"{number}").open("a") as note:
        note.write("x")
    yield number * number
    yield -number


def refuse(_shared: None, number: int) -> Iterator[int]:
    if number == 1:
        raise Faults(["the first is wrong", "so is the second"])
    yield number


def die_once(folder: Path, number: int) -> Iterator[int]:
    if number == 3 and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    yield from squares(folder, number)


def die(_shared: None, number: int) -> Iterator[int]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield number


@pytest.fixture
def in_threads(tmp_path: Path) -> Iterator[DaskRunner]:
    """A cluster of threads, which starts in no time."""
    folder = tmp_path / "parts"
    folder.mkdir()
    with (
        distributed.LocalCluster(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as threads,
        distributed.Client(threads) as client,
    ):
        yield DaskRunner(client, "inproc", folder, print)


def test_parts_are_done_once_in_order_and_errors_pass(in_threads: DaskRunner, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    expected = list(IN_PROCESS.run(squares, tmp_path / "notes", range(20)))
    for _ in range(2):
        assert list(in_threads.run(squares, tmp_path / "notes", range(20))) == expected
    assert {note.read_text() for note in (tmp_path / "notes").iterdir()} == {"xx"}  # one of them in process
    (tmp_path / "other").mkdir()
    assert list(in_threads.run(squares, tmp_path / "other", range(2))) == expected[:4]
    results = in_threads.run(refuse, None, range(3))
    assert next(results) == 0
    with pytest.raises(Faults) as caught:
        next(results)
    assert caught.value.sentences == ("the first is wrong", "so is the second")


def test_a_file_that_a_worker_does_not_see_is_named(in_threads: DaskRunner, tmp_path: Path) -> None:
    (tmp_path / "seen").write_text("here")
    in_threads.require_visible([tmp_path / "seen"])
    assert cluster.look_around(tmp_path / "nowhere", "token")[1].endswith(
        "cannot be written there: No such file or directory"
    )


def test_the_number_of_local_workers_may_be_given() -> None:
    assert (cluster.local_workers("local:3"), cluster.local_workers("tcp://local:8786")) == (3, None)
    assert cluster.local_workers("local") == len(os.sched_getaffinity(0))
    for wrong in ("local:", "local:0", "local:x", "local:-1"):
        with pytest.raises(FeedrateError, match=f"--dask is '{wrong}', but N of local:N must be"):
            cluster.local_workers(wrong)


@pytest.mark.slow
def test_a_dead_worker_costs_its_part_alone(tmp_path: Path) -> None:
    notes, said = tmp_path / "notes", []
    notes.mkdir()
    with dask_runner("local:2", tmp_path / "parts", said.append) as runner:
        assert list(runner.run(die_once, notes, range(20))) == [x for n in range(20) for x in (n * n, -n)]
        done = {note.name: note.read_text() for note in notes.iterdir()}
        assert done.pop("died") == ""
        assert set(done.values()) == {"x"}
        with pytest.raises(FeedrateError, match="a part has ended 4 workers, the last one at tcp://127"):
            list(runner.run(die, None, range(1)))
    assert "dashboard: http://127.0.0.1:" in said[0]
