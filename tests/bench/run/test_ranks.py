"""Trials of two real ranks: their rows together are the dataset's, and a rank that fails ends the trial with its own sentence."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from feedrate.bench.datasets.canonical import Dataset, SplitName
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.sequence.synthetic import prepare_synthetic_sequence
from feedrate.bench.datasets.synthetic import prepare_synthetic
from feedrate.bench.host import venvs
from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import Mode, Task, TrialSpec, model_of
from feedrate.bench.run.suite import run_suite
from feedrate.loaders.errors import LoaderUnavailable

SPEC = TrialSpec(loader="cupy", mode="load", repeat=0, seed=0, batch_size=300, epochs=2, device="cpu", ranks=2)

THEIR_LOADERS = """
import os, time
from feedrate.loaders import registry

class Wraps:
    def __init__(self, split, config):
        self.loader, self.rank = registry.choose("fake").open(split, config), config.rank
    def epoch(self, index):
        for number, batch in enumerate(self.loader.epoch(index)):
            if number == 1 and self.rank == 1:
                batch = self.fault(batch)
            if batch is not None:
                yield batch
    def close(self):
        self.loader.close()

class Crashes(Wraps):
    def fault(self, batch):
        os.abort()

class Raises(Wraps):
    def fault(self, batch):
        raise ValueError("file 17 is missing")

class Hangs(Wraps):
    def fault(self, batch):
        time.sleep(3600)

class DropsABatch(Wraps):
    def fault(self, batch):
        return None

class SameRows(Wraps):
    def __init__(self, split, config):
        from dataclasses import replace
        super().__init__(split, replace(config, rank=0, world_size=config.world_size))
        self.rank = 0
"""


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "their_ranks.py").write_text(THEIR_LOADERS)
    monkeypatch.chdir(tmp_path)
    return "their_ranks"


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Neither 2 nor 4 divides its training rows."""
    folder = tmp_path_factory.mktemp("uneven") / "data"
    dataset = prepare_synthetic(folder, rows=5_003, options=PrepareOptions(seed=1, row_group_rows=700))
    assert dataset.info.splits["train"].rows % 2
    return dataset


def run(spec: TrialSpec, dataset: Dataset, **options: float) -> TrialResult:
    [result] = run_suite([spec], dataset.folder, **options)  # type: ignore[arg-type]
    return result


def test_two_ranks_deliver_the_dataset_once(small: Dataset) -> None:
    result = run(replace(SPEC, check="every"), small)
    assert (result.status, result.detail) == ("ok", "")
    assert result.rows == 2 * small.info.splits["train"].rows
    assert result.ranks is not None
    assert (result.ranks.backend, len(result.ranks.ranks)) == ("gloo", 2)
    qualities = [rank.shuffle_quality for rank in result.ranks.ranks]
    assert result.shuffle is not None
    assert 0.9 < result.shuffle.quality == min(quality for quality in qualities if quality)
    for number, epoch in enumerate(result.epochs or ()):
        parts = [rank.epochs[number] for rank in result.ranks.ranks]
        assert [part.rows for part in parts] == [2000, 2000]
        assert epoch.wall_s == max(part.wall_s for part in parts)
        assert epoch.allreduce_s is None


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_train_one_model_on_uneven_shards(small: Dataset, ranks: int) -> None:
    """4,000 rows on 4 ranks in batches of 333: three full ones and a row."""
    spec = replace(SPEC, mode="train", loader="native-batched", ranks=ranks, batch_size=667 if ranks == 2 else 333)
    result = run(spec, small)
    assert (result.status, result.detail) == ("ok", "")
    assert result.ranks is not None
    assert "weight 0" in result.ranks.uneven_ends
    assert all(epoch.allreduce_s for rank in result.ranks.ranks for epoch in rank.epochs)
    assert result.auc is not None
    assert len(result.auc) == 2


@pytest.mark.gpu
@pytest.mark.slow
def test_ranks_on_gpus_train_through_nccl(small: Dataset) -> None:
    ranks = torch.cuda.device_count()
    if ranks < 2:
        pytest.skip("needs two GPUs, because each rank takes one")
    result = run(replace(SPEC, mode="train", device="cuda", ranks=ranks), small)
    assert (result.status, result.detail) == ("ok", "")
    assert result.ranks is not None
    assert (result.ranks.backend, len(result.ranks.ranks)) == ("nccl", ranks)
    assert [rank.device for rank in result.ranks.ranks] == [f"cuda:{number}" for number in range(ranks)]
    assert all(epoch.allreduce_s for rank in result.ranks.ranks for epoch in rank.epochs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loader", "mode", "ranks"),
    [
        ("native-batched", "load", 4),
        ("cupy", "train", 4),
        ("arrow", "train", 2),
        ("nvtabular", "load", 2),
        ("litdata", "load", 4),
        ("mosaic-streaming", "load", 4),
        ("tf-data", "load", 4),
    ],
)
def test_timed_epochs_of_uneven_shards_have_every_row_once(
    loader: str, mode: Mode, ranks: int, uneven: Dataset
) -> None:
    """All other loaders are read in this process, by tests/loaders/adapters/test_shards.py."""
    try:
        venvs.interpreter(loader)
    except LoaderUnavailable as error:
        pytest.skip(str(error))
    result = run(replace(SPEC, loader=loader, mode=mode, ranks=ranks, check="every"), uneven)
    assert (result.status, result.detail) == ("ok", "")
    assert result.rows_checked == "every"
    assert result.ranks is not None
    for number, epoch in enumerate(result.epochs or ()):
        rows = [rank.epochs[number].rows for rank in result.ranks.ranks]
        assert sum(rows) == epoch.rows == uneven.info.splits["train"].rows
        assert len(set(rows)) > 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "status", "sentence"),
    [
        ("Crashes", "failed", "rank 1: its process was killed by SIGABRT"),
        ("Raises", "failed", "rank 1: ValueError: file 17 is missing"),
        ("Hangs", "failed", "rank 1 reported nothing for 30 s and was stopped"),
        ("DropsABatch", "void", "an epoch delivered 3,700 rows, 300 fewer than the 4,000 in the split"),
        ("SameRows", "void", "rows come more often than in the train split"),
    ],
)
def test_a_rank_that_fails_ends_the_trial_with_its_sentence(
    theirs: str, name: str, status: str, sentence: str, small: Dataset
) -> None:
    hangs = name == "Hangs"  # in training, the others wait for its next step, and none of them gives a sign of life
    mode: Mode = "train" if hangs else "load"
    spec = replace(SPEC, loader=f"{theirs}:{name}", mode=mode, check="every" if name == "SameRows" else "sample")
    result = run(spec, small, timeout_s=30 if hangs else 120)
    assert result.status == status
    assert sentence in result.detail
    assert not _ranks_alive()


def _ranks_alive() -> list[str]:
    """Return the command lines of ranks of this test's process."""
    import psutil

    children = psutil.Process(os.getpid()).children(recursive=True)
    lines = [" ".join(child.cmdline()) for child in children if child.status() != psutil.STATUS_ZOMBIE]
    return [line for line in lines if "feedrate.bench.trial.rank" in line]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "uneven_split"), [("mlp", "train"), ("dlrm", "valid"), ("sequence", "train")])
def test_tables_shared_row_by_row_learn_what_whole_ones_do(task: Task, uneven_split: SplitName, tmp_path: Path) -> None:
    """One of the ranks has a batch more of the split, which has one row."""
    prepare = prepare_synthetic_sequence if task == "sequence" else prepare_synthetic
    dataset = prepare(tmp_path / "data", rows=5_006, options=PrepareOptions(seed=1))
    rows = dataset.info.splits[uneven_split].rows
    batch_size = {"train": 1_001, "valid": 500}[uneven_split]
    assert rows % 2
    assert rows // 2 % batch_size == 0
    spec = replace(
        SPEC, mode="train", loader="native-batched", batch_size=batch_size, epochs=3, model=model_of(task, {})
    )
    whole = run(spec, dataset)
    shared = run(replace(spec, model=model_of(task, {"embeddings": "row-wise"})), dataset)
    assert (shared.status, shared.detail) == ("ok", "")
    assert shared.train_loss == pytest.approx(whole.train_loss, rel=1e-4)
    assert shared.auc == pytest.approx(whole.auc, abs=1e-3)
    assert shared.ranks is not None
    assert "weight 0" in shared.ranks.uneven_ends
    assert all(epoch.exchange_s and epoch.allreduce_s for rank in shared.ranks.ranks for epoch in rank.epochs)
