"""`python -m feedrate.rank`: processes that torchrun or a user started run the trials together, and end together."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from feedrate.bench.cli.app import app
from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.host.lifecycle.search_path import ROOT
from feedrate.bench.host.ranks.group import Launched
from feedrate.bench.host.ranks.outer_group import OuterGroup
from feedrate.bench.results import store
from feedrate.bench.results.record import TrialResult
from feedrate.bench.run.ranks.outer import OuterRanks
from feedrate.loaders.errors import FeedrateError

THEIR_LOADERS = """
import os, time
from feedrate.loaders import registry

class Crashes:
    def __init__(self, split, config):
        self.loader, self.rank = registry.choose("fake").open(split, config), config.rank
    def epoch(self, index):
        for batch in self.loader.epoch(index):
            if self.rank == 1:
                self.fault()
            yield batch
    def fault(self):
        os.abort()
    def close(self):
        self.loader.close()

class Hangs(Crashes):
    def fault(self):
        open("hangs", "w").close()
        time.sleep(3600)
"""
RUN = ("--modes", "load", "--batch-size", "300", "--epochs", "2", "--repeats", "1", "--seeds", "0", "--device", "cpu")
Started = subprocess.Popen[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with their loaders and a folder for temporary files. Nothing of feedrate's may be left in it."""
    (tmp_path / "their_ranks.py").write_text(THEIR_LOADERS)
    (tmp_path / "tmp").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("PYTHONPATH", ROOT)
    yield tmp_path
    assert not _ranks_alive()
    assert not list((tmp_path / "tmp").glob("feedrate*"))


@pytest.mark.slow
def test_two_hosts_run_one_plan_and_a_rank_that_dies_fails_its_trial_only(folder: Path, small: Dataset) -> None:
    agent = ["--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d", "--rdzv-id", "run"]
    agent += ["--rdzv-endpoint", f"localhost:{free_port()}", "-m", "feedrate.rank"]
    arguments = run_arguments(small, "their_ranks:Crashes,native-batched")
    hosts = [start([sys.executable, "-m", "torch.distributed.run", *agent, *arguments]) for _ in range(2)]
    outputs = [host.communicate(timeout=120) for host in hosts]
    assert [host.returncode for host in hosts] == [1, 1], outputs
    results = trials(folder)
    failed, sound = results["their_ranks:Crashes"], results["native-batched"]
    assert failed.detail.startswith("rank 1: its process was killed by SIGABRT (see logs/")
    assert sound.status == "ok"
    assert sound.ranks is not None
    assert (sound.ranks.hosts, len(sound.ranks.ranks)) == (2, 2)
    assert store.read(folder / "run").environment.command.startswith("python -m feedrate.rank run ")


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_one_rank_trains_as_many_do_and_as_well_as_a_process_of_its_own(
    device: str, folder: Path, small: Dataset
) -> None:
    options = ("--modes", "load,train", "--seeds", "0", "--device", device)
    agent = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "1",
        "-m",
        "feedrate.rank",
    ]
    alone = [sys.executable, "-m", "feedrate"]
    for command, name in ((agent, "rank"), (alone, "alone")):
        started = start([*command, *run_arguments(small, "native-batched", *options, folder=name)])
        output = started.communicate(timeout=120)
        assert started.returncode == 0, output
    rank, alone_trials = (
        {trial.spec.mode: trial for trial in store.read(folder / name).trials} for name in ("rank", "alone")
    )
    assert {mode: trial.ranks for mode, trial in alone_trials.items()} == {"load": None, "train": None}
    for trial in rank.values():
        assert trial.ranks is not None
        assert (trial.ranks.backend, len(trial.ranks.ranks)) == ("gloo" if device == "cpu" else "nccl", 1)
    assert all(epoch.allreduce_s for epoch in rank["train"].epochs or ())
    assert rank["train"].auc == pytest.approx(alone_trials["train"].auc, abs=0.005)
    assert rank["train"].train_loss == pytest.approx(alone_trials["train"].train_loss, rel=1e-3)


@pytest.mark.slow
def test_variables_set_by_hand_are_enough_and_a_rank_that_hangs_is_named(folder: Path, small: Dataset) -> None:
    arguments = run_arguments(small, "their_ranks:Hangs", "--timeout", "10")
    processes = by_hand(arguments)
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [1, 1], outputs
    assert "rank 1 reported nothing for 10 s and was stopped" in trials(folder)["their_ranks:Hangs"].detail
    assert outputs[1] == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_the_death_of_a_process_ends_the_others_with_a_sentence(killed: int, folder: Path, small: Dataset) -> None:
    processes = by_hand(run_arguments(small, "their_ranks:Hangs"))
    wait_for(folder / "hangs")
    processes[killed].kill()
    output = processes[1 - killed].communicate(timeout=60)[1]
    assert processes[1 - killed].returncode == 2
    assert output.splitlines()[-1].startswith("feedrate: another rank has ended or does not answer (")
    assert "Traceback" not in output
    processes[killed].communicate(timeout=10)
    for left in (folder / "tmp").glob("feedrate*"):  # what the killed process could not remove
        left.rename(folder / left.name)


@pytest.mark.slow
def test_an_error_of_the_users_ends_all_processes(folder: Path, small: Dataset) -> None:
    processes = by_hand(run_arguments(small, "native-batched", "--ranks", "3"))
    outputs = [process.communicate(timeout=60)[1].splitlines()[-1:] for process in processes]
    assert outputs == [["feedrate: --ranks is 3, but WORLD_SIZE is 2: leave out --ranks"], []]
    assert [process.returncode for process in processes] == [2, 2]
    assert not (folder / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "variables", "sentence"),
    [
        (("run", "data"), {}, "feedrate: RANK is '', but must be a whole number: start the ranks with torchrun"),
        (
            ("run", "data"),
            {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"},
            "feedrate: MASTER_ADDR is not set: start the ranks with torchrun, or set its variables",
        ),
        (("check", "cupy"), {}, "feedrate: feedrate.rank starts ranks of `run` only: python -m feedrate.rank run DATA -o DIR"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(
    arguments: Sequence[str], variables: Mapping[str, str], sentence: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from feedrate.bench.cli.run import ranks

    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["rank.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        ranks.take_part()
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"{sentence}\n"


def test_a_memory_limit_is_refused_because_ranks_start_apart() -> None:
    group = OuterGroup(Launched(rank=0, local_rank=0, size=2, size_here=2), group=None, processes=None)  # type: ignore[arg-type]
    arguments = ["run", "data", "-o", "run", "--device", "cpu", "--limit-memory", "1GB"]
    with pytest.raises(FeedrateError, match="--limit-memory is for all ranks of a trial together"):
        app(arguments, standalone_mode=False, obj=OuterRanks(group))


def run_arguments(data: Dataset, loaders: str, *options: str, folder: str = "run") -> list[str]:
    return ["run", str(data.folder), "-o", folder, "--loaders", loaders, *RUN, *options]


def by_hand(arguments: Sequence[str]) -> list[Started]:
    """Start two processes with torchrun's variables, as a script for Slurm does."""
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    command = [sys.executable, "-m", "feedrate.rank", *arguments]
    return [start(command, {**common, "RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(2)]


def start(command: Sequence[str], variables: Mapping[str, str] | None = None) -> Started:
    environment = {**os.environ, **(variables or {})}
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def trials(folder: Path) -> dict[str, TrialResult]:
    return {trial.spec.loader: trial for trial in store.read(folder / "run").trials}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline, f"{file.name} was not written"
        time.sleep(0.1)


def _ranks_alive() -> list[int]:
    """Return the process ids of ranks that this test's processes started."""
    alive = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        words, variables = process.info["cmdline"] or [], process.info["environ"] or {}
        if "feedrate.bench.trial.rank" in words and variables.get("TMPDIR", "").startswith(os.environ["TMPDIR"]):
            alive.append(process.pid)
    return alive
