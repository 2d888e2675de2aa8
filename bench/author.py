"""What the pytest fixture `feedrate` does for a loader's author: conformance, timed rounds, and gates against a saved run."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from feedrate.bench.auc import auc
from feedrate.bench.consume import reader
from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.datasets.synthetic import prepare_synthetic
from feedrate.bench.gate import wrong_count
from feedrate.bench.model import build_model
from feedrate.bench.spec import ModelSpec
from feedrate.bench.steps import make_step
from feedrate.bench.timing import EpochClock
from feedrate.loaders import conformance, registry
from feedrate.loaders.base import Loader, LoaderConfig
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.registry import LoaderChoice
from feedrate.reports.versus import Gate, read_gates

SYNTHETIC = "synthetic-movielens"
MODES = ("load", "train")
GATED = ("rows_per_s", "wait_fraction", "auc")


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


def refuse_shared_cores() -> None:
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        pytest.skip(
            f"its rules hold; timed rounds are refused in pytest-xdist's worker {worker}, where tests share the cores: run with -n 0"
        )


def prepared(asked: Asked, config: pytest.Config) -> Dataset:
    """Made once, and kept in pytest's cache folder."""
    try:
        if asked.dataset != SYNTHETIC:
            return read_dataset(Path(asked.dataset))
        cache = config.cache
        assert cache is not None
        folder = cache.mkdir("feedrate") / f"{SYNTHETIC}-{asked.rows}-{asked.seed}"
        if not (folder / "dataset.json").exists():
            return prepare_synthetic(folder, rows=asked.rows, seed=asked.seed)
        return read_dataset(folder)
    except (FeedrateError, OSError) as error:
        sentence = (
            f"dataset is {asked.dataset!r}, but must be {SYNTHETIC} or a folder that `feedrate prepare` made: {error}"
        )
        pytest.fail(sentence, pytrace=False)


def timed(asked: Asked, benchmark: Any, dataset: Dataset) -> dict[str, Any]:
    """Rounds of whole epochs through pytest-benchmark; what they came to, which its extra_info has, too."""
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

    try:
        benchmark.pedantic(epoch, rounds=asked.rounds, warmup_rounds=1)
    finally:
        loader.close()
    for clock in clocks:
        if sentence := wrong_count(clock.rows, dataset.info.splits["train"].rows, asked.batch_size):
            pytest.fail(f"{asked.name}: {sentence}", pytrace=False)
    found = _described(asked, clocks[1:] or clocks)
    if asked.mode == "train":
        found["auc"] = _auc(asked, dataset, model)
    benchmark.group = benchmark.group or f"feedrate {asked.mode}"
    benchmark.extra_info |= found
    return found


def gates_of(config: pytest.Config) -> list[Gate]:
    try:
        gates = read_gates(config.getoption("--feedrate-fail-if"))
        for one in gates:
            if one.metric not in GATED:
                raise FeedrateError(f"--feedrate-fail-if has {one.metric!r}, but must be one of {', '.join(GATED)}")
    except FeedrateError as error:
        raise pytest.UsageError(str(error)) from error
    return gates


def gate(config: pytest.Config, test: str, found: dict[str, Any]) -> None:
    """Fail where a condition is met, by each of the rounds where there are several: so little is chance."""
    gates = gates_of(config)
    if not gates:
        return
    path = _baseline(config)
    base = _saved(path, test)
    met = [sentence for one in gates if (sentence := _met(one, base, found))]
    if met:
        pytest.fail("\n".join([f"against {path.name}", *met]), pytrace=False)


def _met(one: Gate, base: dict[str, Any], found: dict[str, Any]) -> str:
    before, after = base.get(one.metric), found.get(one.metric)
    if before is None or after is None:
        return ""
    rounds: Sequence[float] = found.get(f"{one.metric}_rounds") or [after]
    if not all(_beyond(one, before, value) for value in (after, *rounds)):
        return ""
    change = f"{after / before - 1:+.1%}" if one.relative else f"{after - before:+.4g}"
    return f"{one.metric} is {after:.6g}, and was {before:.6g}: {change}, beyond {one.text}, in each of {len(rounds)} rounds"


def _beyond(one: Gate, before: float, after: float) -> bool:
    change = after / before - 1 if one.relative and before else after - before
    return change < one.limit if one.sign == "<" else change > one.limit


def _baseline(config: pytest.Config) -> Path:
    named = config.getoption("--feedrate-baseline")
    if named:
        return Path(named)
    saved = sorted(Path(config.rootpath, ".benchmarks").glob("*/*.json"), key=lambda path: path.stat().st_mtime)
    if not saved:
        raise pytest.UsageError(
            "--feedrate-fail-if needs a saved run: make one with --benchmark-save=NAME, or name one with --feedrate-baseline"
        )
    return saved[-1]


def _saved(path: Path, test: str) -> dict[str, Any]:
    """The extra_info of the same test. Raises UsageError."""
    try:
        benchmarks = json.loads(path.read_text())["benchmarks"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise pytest.UsageError(
            f"--feedrate-baseline is {str(path)!r}, which is no file of pytest-benchmark: --benchmark-json=FILE makes one"
        ) from error
    for one in benchmarks:
        if one.get("fullname") == test:
            info: dict[str, Any] = one.get("extra_info", {})
            return info
    raise pytest.UsageError(f"{path} has no benchmark {test!r}: save a run that has it with --benchmark-save=NAME")


def _open(asked: Asked, dataset: Dataset, split: Any, *, shuffle: bool) -> Loader:
    config = LoaderConfig(batch_size=asked.batch_size, device=asked.device, shuffle=shuffle, seed=asked.seed)
    return asked.choice.open(dataset.split(split), config)


def _described(asked: Asked, clocks: Sequence[EpochClock]) -> dict[str, Any]:
    wall_s = sum(clock.wall_s for clock in clocks)
    return {
        "loader": asked.name,
        "mode": asked.mode,
        "dataset": asked.dataset,
        "batch_size": asked.batch_size,
        "device": asked.device,
        "rows_per_s": sum(clock.rows for clock in clocks) / wall_s,
        "rows_per_s_rounds": [clock.rows / clock.wall_s for clock in clocks],
        "wait_fraction": sum(clock.wait_s for clock in clocks) / wall_s,
        "wait_fraction_rounds": [clock.wait_s / clock.wall_s for clock in clocks],
    }


def _auc(asked: Asked, dataset: Dataset, model: torch.nn.Module) -> float:
    """On the whole valid split, after all rounds."""
    valid = _open(asked, dataset, "valid", shuffle=False)
    model.eval()
    with torch.no_grad():
        outputs = [(model(batch), batch.label) for batch in valid.epoch(0)]
    valid.close()
    return auc(torch.cat([output for output, _ in outputs]), torch.cat([label for _, label in outputs]))
