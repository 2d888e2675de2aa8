"""What the pytest fixture `feedrate` does for a loader's author: conformance, the rows of an epoch, and timed rounds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from feedrate.bench.consumer.auc import auc
from feedrate.bench.consumer.model import build_model
from feedrate.bench.consumer.reading import reader
from feedrate.bench.consumer.steps import make_step
from feedrate.bench.datasets.canonical import Dataset, SplitName, read_dataset
from feedrate.bench.datasets.synthetic import prepare_synthetic
from feedrate.bench.gate.epoch import GateFailed, WrongRows, check_epoch, wrong_count
from feedrate.bench.host.environment import collect
from feedrate.bench.results.spec import ModelSpec
from feedrate.bench.timing.epoch_clock import EpochClock
from feedrate.loaders import conformance, registry
from feedrate.loaders.base import Loader, LoaderConfig
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.registry import LoaderChoice

SYNTHETIC = "synthetic-movielens"
MODES = ("load", "train")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    name: str
    choice: LoaderChoice
    dataset: str
    """synthetic-movielens, or a folder that `feedrate prepare` made."""
    rows: int
    """synthetic: train and valid together."""
    mode: str
    batch_size: int
    device: str
    rounds: int
    """Timed epochs, after one that is not."""
    seed: int


def asked(
    loader: Any,
    *,
    dataset: str = SYNTHETIC,
    rows: int = 200_000,
    mode: str = "train",
    batch_size: int = 4096,
    device: str = "auto",
    rounds: int = 5,
    seed: int = 0,
) -> Asked:
    """loader: a class or function of (split, config), an Adapter, or a registered name with its options."""
    try:
        if mode not in MODES:
            raise FeedrateError(f"mode is {mode!r}, but must be one of {', '.join(MODES)}")
        if rounds < 1:
            raise FeedrateError(f"rounds is {rounds}, but must be at least 1")
        choice = registry.choose(loader) if isinstance(loader, str) else registry.choice_of(loader)
    except FeedrateError as error:
        pytest.fail(str(error), pytrace=False)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    name = loader if isinstance(loader, str) else getattr(loader, "__name__", type(loader).__name__)
    return Asked(
        name=name, choice=choice, dataset=str(dataset), rows=rows, mode=mode, batch_size=batch_size, device=device,
        rounds=rounds, seed=seed,
    )  # fmt: skip


def conform(asked: Asked, folder: Path) -> None:
    """Fail with the sentence of each rule that is broken and not declared."""
    config = LoaderConfig(batch_size=512, device=asked.device)
    case = conformance.Case(asked.choice, conformance.planted_split(folder), config)
    broken = [f"{result.rule}: {result.detail}" for result in conformance.check(case) if result.outcome == "failed"]
    if broken:
        pytest.fail("\n".join([f"{asked.name} breaks the contract of a loader", *broken]), pytrace=False)


def refuse_shared_cores(*, gated: bool) -> None:
    """Skip there; fail where a gate would be left out by that."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        sentence = f"its rules hold; timed rounds are refused in pytest-xdist's worker {worker}, where tests share the cores: run with -n 0"
        if gated:
            pytest.fail(sentence, pytrace=False)
        pytest.skip(sentence)


def prepared(asked: Asked, folder: Path) -> Dataset:
    """What lies in `folder` from an earlier run is used again."""
    try:
        if asked.dataset != SYNTHETIC:
            return read_dataset(Path(asked.dataset))
        folder = folder / f"{SYNTHETIC}-{asked.rows}-{asked.seed}"
        if not (folder / "dataset.json").exists():
            return prepare_synthetic(folder, rows=asked.rows, seed=asked.seed)
        return read_dataset(folder)
    except (FeedrateError, OSError) as error:
        sentence = (
            f"dataset is {asked.dataset!r}, but must be {SYNTHETIC} or a folder that `feedrate prepare` made: {error}"
        )
        pytest.fail(sentence, pytrace=False)


def settings(asked: Asked, dataset: Dataset) -> dict[str, Any]:
    """What the numbers depend on, beside the loader."""
    return {
        "loader": asked.name,
        "mode": asked.mode,
        "dataset": dataset.info.name,
        "dataset_fingerprint": dataset.info.fingerprint[:12],
        "rows": sum(split.rows for split in dataset.info.splits.values()),
        "seed": asked.seed,
        "batch_size": asked.batch_size,
        "rounds": asked.rounds,
        "device": asked.device,
        "machine": _machine(asked.device),
    }


def timed(asked: Asked, benchmark: Any, dataset: Dataset) -> dict[str, Any]:
    """Rounds of whole epochs through pytest-benchmark; what they came to, which its extra_info has, too.

    Before them an epoch's rows are checked against the dataset's; of the timed ones only their number is.
    """
    loader = _open(asked, dataset, "train", shuffle=True)
    clocks: list[EpochClock] = []
    spec = ModelSpec()
    model = build_model(dataset.info.schema, spec, seed=asked.seed, device=asked.device)
    use: Any = make_step(model, spec) if asked.mode == "train" else reader(asked.device)

    def epoch() -> None:
        clock = EpochClock(lambda: loader.epoch(len(clocks)), asked.device)
        for batch in clock:
            use(batch)
        clocks.append(clock)

    benchmark.group = benchmark.group or f"feedrate {asked.mode}"
    try:
        _check_rows(asked, loader, dataset, "train", epoch=asked.rounds + 1)
        benchmark.pedantic(epoch, rounds=asked.rounds, warmup_rounds=1)
    finally:
        loader.close()
    for clock in clocks:
        if sentence := wrong_count(clock.rows, dataset.info.splits["train"].rows, asked.batch_size):
            pytest.fail(f"{asked.name}: {sentence}", pytrace=False)
    found = settings(asked, dataset) | _rates(clocks[1:] or clocks)
    if asked.mode == "train":
        found["auc"] = _auc(asked, dataset, model)
    benchmark.extra_info |= found
    return found


@cache
def _machine(device: str) -> str:
    here = collect()
    cpu = f"{here.cpu}, {here.cores} cores"
    return cpu if device == "cpu" else f"{here.gpu}, {cpu}"


def _open(asked: Asked, dataset: Dataset, split: SplitName, *, shuffle: bool) -> Loader:
    config = LoaderConfig(batch_size=asked.batch_size, device=asked.device, shuffle=shuffle, seed=asked.seed)
    return asked.choice.open(dataset.split(split), config)


def _check_rows(asked: Asked, loader: Loader, dataset: Dataset, split: SplitName, *, epoch: int) -> None:
    try:
        check_epoch(
            loader.epoch(epoch),
            dataset.info.splits[split],
            order_sample=None,
            batch_size=asked.batch_size,
            device=asked.device,
        )
    except (GateFailed, WrongRows) as error:
        pytest.fail(f"{asked.name}, on the {split} split of {asked.dataset}: {error}", pytrace=False)


def _rates(clocks: Sequence[EpochClock]) -> dict[str, Any]:
    wall_s = sum(clock.wall_s for clock in clocks)
    return {
        "rows_per_s": sum(clock.rows for clock in clocks) / wall_s,
        "rows_per_s_rounds": [clock.rows / clock.wall_s for clock in clocks],
        "wait_fraction": sum(clock.wait_s for clock in clocks) / wall_s,
        "wait_fraction_rounds": [clock.wait_s / clock.wall_s for clock in clocks],
    }


def _auc(asked: Asked, dataset: Dataset, model: torch.nn.Module) -> float:
    """On the whole valid split, after all rounds."""
    valid = _open(asked, dataset, "valid", shuffle=False)
    model.eval()
    try:
        _check_rows(asked, valid, dataset, "valid", epoch=0)
        with torch.no_grad():
            outputs = [(model(batch), batch.label) for batch in valid.epoch(0)]
    finally:
        valid.close()
    return auc(torch.cat([output for output, _ in outputs]), torch.cat([label for _, label in outputs]))
