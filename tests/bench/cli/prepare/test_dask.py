"""`feedrate prepare --dask`: on a scheduler started by hand and on one of its own, with workers and commands that are killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from feedrate.bench.cli.prepare.writing import require_parts, writing
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.parts import cluster
from feedrate.bench.datasets.parts.cluster import require_dask
from feedrate.bench.datasets.parts.finished_part import digest, write_part
from feedrate.bench.datasets.parts.runner import InProcess
from feedrate.loaders.errors import FeedrateError
from tests.samples.clusters.by_hand import Cluster
from tests.samples.clusters.prepared_folders import contents_of
from tests.samples.movielens import random_ratings, write_csv
from tests.samples.processes.command import FEEDRATE, start, wait_until

SYNTHETIC = ("prepare", "synthetic-movielens", "--rows", "1100000")
RATINGS = ("--label", "rating", "--label-above", "3", "--categorify", "userId,movieId", "--drop", "timestamp", "--yes")


def test_a_workflow_of_nvtabular_is_refused() -> None:
    require_parts(None, "nvtabular")
    with pytest.raises(FeedrateError, match="--dask does not go with --etl nvtabular"):
        require_parts("local", "nvtabular")


def test_the_command_that_installs_dask_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(FeedrateError, match=r"not installed: run `pip install 'feedrate\[dask\]'`"):
        require_dask()


def test_finished_parts_stay_if_the_work_fails_and_go_if_it_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def runner(_where: str, folder: Path, _say: object) -> Iterator[InProcess]:
        (folder / "stage").mkdir(parents=True, exist_ok=True)
        write_part(folder / "stage" / f"{0:07}-{digest(b'item')}", [1])
        yield InProcess()

    monkeypatch.setattr(cluster, "dask_runner", runner)
    with pytest.raises(FeedrateError, match="full"), writing(tmp_path / "d", PrepareOptions(), "local"):
        raise FeedrateError("the disk is full")
    assert [path.name for path in tmp_path.iterdir()] == [".d.parts"]
    assert f"finished parts (1) stay in {tmp_path / '.d.parts'}: the same command" in capsys.readouterr().err
    with writing(tmp_path / "d", PrepareOptions(), "local"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def by_hand(tmp_path: Path) -> Iterator[Cluster]:
    pytest.importorskip("distributed")
    (tmp_path / "cluster").mkdir()
    dask = Cluster(tmp_path / "cluster")
    yield dask
    dask.close()


def whole(*words: object) -> str:
    """Run a command that succeeds, and return what it says on standard error."""
    ended = subprocess.run([*FEEDRATE, *map(str, words)], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


def parts(folder: Path) -> dict[str, int]:
    """The finished parts that lie beside a folder, and when each was written."""
    files = folder.with_name(f".{folder.name}.parts").glob(f"*/{'[0-9]' * 7}-{'?' * 24}")
    return {f"{file.parent.name}/{file.name}": file.stat().st_mtime_ns for file in files}


@pytest.fixture(scope="module")
def in_one_process(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files that SYNTHETIC makes without a cluster."""
    folder = tmp_path_factory.mktemp("one") / "d"
    whole(*SYNTHETIC, "-o", folder)
    return contents_of(folder)


@pytest.mark.slow
def test_a_worker_that_is_killed_changes_nothing(
    by_hand: Cluster, in_one_process: dict[str, bytes], tmp_path: Path
) -> None:
    workers = [by_hand.worker(), by_hand.worker()]
    command = start(*SYNTHETIC, "-o", tmp_path / "two", "--dask", by_hand.address)
    wait_until(lambda: len(parts(tmp_path / "two")) > 1 or command.poll() is not None)
    workers[0].kill()
    _, said = command.communicate()
    assert command.returncode == 0, said
    assert said.count("Dask's dashboard: http://") == 1
    assert contents_of(tmp_path / "two") == in_one_process
    assert {path.name for path in tmp_path.iterdir()} == {"cluster", "two"}


@pytest.mark.slow
def test_a_cluster_of_its_own_survives_the_death_of_a_worker(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    ratings = write_csv(tmp_path / "ml-25m", random_ratings(400_000)) / "ratings.csv"
    whole("prepare", "csv", ratings, *RATINGS, "-o", tmp_path / "one")
    command = start("prepare", "csv", ratings, *RATINGS, "-o", tmp_path / "two", "--dask", "local:2")
    wait_until(lambda: parts(tmp_path / "two") or command.poll() is not None)
    workers = [child for child in psutil.Process(command.pid).children() if "spawn_main" in " ".join(child.cmdline())]
    assert len(workers) == 2
    workers[0].kill()
    _, said = command.communicate()
    assert command.returncode == 0, said
    assert contents_of(tmp_path / "one") == contents_of(tmp_path / "two")


@pytest.mark.slow
def test_a_command_that_was_killed_goes_on_from_the_finished_parts(
    in_one_process: dict[str, bytes], tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    words = (*SYNTHETIC, "-o", tmp_path / "d", "--dask", "local:2")
    command = start(*words)
    wait_until(lambda: len(parts(tmp_path / "d")) > 1 or command.poll() is not None)
    command.kill()
    command.communicate()
    before, seen = parts(tmp_path / "d"), dict[str, int]()
    assert before
    again = start(*words)
    wait_until(lambda: seen.update(parts(tmp_path / "d")) or again.poll() is not None)
    assert again.returncode == 0
    assert before.items() <= seen.items()
    assert contents_of(tmp_path / "d") == in_one_process
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


@pytest.mark.slow
def test_a_cluster_that_cannot_be_used_is_said_in_a_sentence(by_hand: Cluster, tmp_path: Path) -> None:
    def sentence(address: str) -> str:
        ended = subprocess.run([*FEEDRATE, *words, "--dask", address], capture_output=True, text=True)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert len(ended.stderr.splitlines()) == 1
        return ended.stderr

    words = ("prepare", "synthetic-movielens", "--rows", "1000", "-o", str(tmp_path / "d"))
    assert "--dask is 'nowhere', where no Dask scheduler answers" in sentence("nowhere")
    bare = by_hand.worker(PYTHONPATH=str(bare_packages(tmp_path)))
    assert "cannot run feedrate (" in sentence(by_hand.address)
    bare.kill()
    bare.wait()
    assert not (tmp_path / "d").exists()


def bare_packages(folder: Path) -> Path:
    """A folder whose feedrate cannot be imported."""
    (folder / "packages" / "feedrate").mkdir(parents=True)
    (folder / "packages" / "feedrate" / "__init__.py").write_text("raise ImportError('another feedrate')\n")
    return folder / "packages"
