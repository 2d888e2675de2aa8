"""The work of the pytest fixture `feedrate`: check a loader's conformance and rows, and time rounds of epochs."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from feedrate.bench.consumer.auc import auc
from feedrate.bench.consumer.model import build_model
from feedrate.bench.consumer.reading import reader
from feedrate.bench.consumer.steps import make_step
from feedrate.bench.datasets.canonical import Dataset, SplitName, read_dataset
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.synthetic import prepare_synthetic
from feedrate.bench.gate.epoch import GateFailed, WrongRows, check_epoch, wrong_count
from feedrate.bench.host.environment import collect
from feedrate.bench.results.spec import ModelSpec
from feedrate.bench.run.check import check_loader
from feedrate.bench.timing.epoch_clock import EpochClock
from feedrate.loaders import conformance, registry
from feedrate.loaders.base import Adapter, Loader, LoaderConfig
from feedrate.loaders.errors import FeedrateError, require_choice
from feedrate.loaders.form import FormBroken
from feedrate.loaders.registry import LoaderChoice
from feedrate.loaders.rule_result import RuleResult

SYNTHETIC = "synthetic-movielens"
"""Name of the dataset that is generated on demand."""
CONFORMANCE_ROWS = 10_007
"""Rows on which the rules are checked."""
MODES = ("load", "train")
"""load: the loader only. train: the loader drives the reference model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkRequest:
    """What a test asks the fixture to benchmark."""

    name: str
    """Name of the loader, for messages and results."""
    choice: LoaderChoice
    """The loader with its options."""
    target: str | None
    """The loader as on the command line. None: another process cannot import it."""
    dataset: str
    """synthetic-movielens, or a folder made by `feedrate prepare`."""
    rows: int
    """Rows of synthetic-movielens, train and valid together. Ignored for a folder."""
    mode: str
    """One of MODES."""
    batch_size: int
    """Rows per batch."""
    device: str
    """cpu, cuda or cuda:N."""
    rounds: int
    """Number of timed epochs. One epoch of warm-up comes before them."""
    seed: int
    """Seed for synthetic data, row order and weight initialization."""


def benchmark_request(
    loader: Any,
    *,
    dataset: str = SYNTHETIC,
    rows: int = 200_000,
    mode: str = "train",
    batch_size: int = 4096,
    device: str = "auto",
    rounds: int = 5,
    seed: int = 0,
) -> BenchmarkRequest:
    """Check the fixture's arguments and complete them. A wrong one fails the test with a message.

    loader: a class or function that takes (split, config), an Adapter, or a registered name with its options.
    device: "auto" means cuda if there is a GPU, and cpu otherwise.
    """
    try:
        require_choice("mode", mode, MODES)
        if rounds < 1:
            raise FeedrateError(f"rounds is {rounds}, but must be at least 1")
        choice = registry.choose(loader) if isinstance(loader, str) else registry.choice_of(loader)
    except FeedrateError as error:
        pytest.fail(str(error), pytrace=False)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    target = _target(loader)
    named = target if isinstance(loader, Adapter) and target else getattr(loader, "__name__", type(loader).__name__)
    return BenchmarkRequest(
        name=loader if isinstance(loader, str) else named, choice=choice, target=target, dataset=str(dataset), rows=rows, mode=mode, batch_size=batch_size, device=device,
        rounds=rounds, seed=seed,
    )  # fmt: skip


def conform(request: BenchmarkRequest, folder: Path) -> None:
    """Check every conformance rule on generated rows. Fails the test if an undeclared rule is broken.

    The loader runs in a process of its own, as in `feedrate check`, if another process can import it by name. Otherwise
    it runs in this one, in which a crash ends pytest, and a warning says so. folder: for the files in that case.
    """
    config = LoaderConfig(batch_size=512, device=request.device)
    if request.target is not None:
        results = check_loader(request.target, config, rows=CONFORMANCE_ROWS, import_path=sys.path)
    else:
        warnings.warn(
            pytest.PytestWarning(
                f"{request.name} cannot be imported by name, so feedrate checks its rules in pytest's own process: define "
                "it at the top level of a module"
            ),
            stacklevel=2,
        )
        split = conformance.planted_split(folder, rows=CONFORMANCE_ROWS)
        results = conformance.check(conformance.Case(request.choice, split, config))
    try:
        broken = [_mistake(result) for result in results if result.outcome == "failed"]
    except FeedrateError as error:
        pytest.fail(str(error), pytrace=False)
    if broken:
        pytest.fail("\n".join([f"{request.name} violates the loader contract", *broken]), pytrace=False)


def _mistake(result: RuleResult) -> str:
    spoilt = f" (also spoils: {', '.join(result.spoilt)})" if result.spoilt else ""
    return f"{result.rule}: {result.detail}{spoilt}"


def _target(loader: Any) -> str | None:
    """Return the text by which another process can choose the loader, or None if it cannot import it."""
    if isinstance(loader, str):
        return loader
    if isinstance(loader, Adapter):
        places = _places_of(loader)
    else:
        places = iter([(getattr(loader, "__module__", None), getattr(loader, "__qualname__", ""))])
    return next((f"{module}:{name}" for module, name in places if module and _finds(module, name, loader)), None)


def _places_of(adapter: Adapter[Any]) -> Iterator[tuple[str | None, str]]:
    """Yield each module that has the adapter as a global, and its name there. A test module follows those it imports."""
    for module, content in reversed(list(sys.modules.items())):
        for name, value in list(getattr(content, "__dict__", {}).items()):
            if value is adapter:
                yield module, name


def _finds(module: str, name: str, loader: object) -> bool:
    """Return whether another process that imports this module from the same file has the loader under this name."""
    if not name.isidentifier() or getattr(sys.modules.get(module), name, None) is not loader:
        return False
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):  # __main__, or a parent package that is not there
        return False
    here = getattr(sys.modules[module], "__file__", None)
    return spec is not None and spec.origin is not None and spec.origin == here


def refuse_shared_cores(*, gated: bool) -> None:
    """Skip the test in a worker of pytest-xdist. With a gate, fail it, because skipping would bypass the gate."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        reason = (
            f"the loader keeps the contract, but timed rounds are refused in pytest-xdist's worker {worker}, "
            "because tests share the cores: run with -n 0"
        )
        if gated:
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


def prepared(request: BenchmarkRequest, folder: Path) -> Dataset:
    """Return the dataset. Synthetic data is made in `folder`, unless an earlier run left it there."""
    try:
        if request.dataset != SYNTHETIC:
            return read_dataset(Path(request.dataset))
        folder = folder / f"{SYNTHETIC}-{request.rows}-{request.seed}"
        if not (folder / "dataset.json").exists():
            return prepare_synthetic(folder, rows=request.rows, options=PrepareOptions(seed=request.seed))
        return read_dataset(folder)
    except (FeedrateError, OSError) as error:
        message = (
            f"dataset is {request.dataset!r}, but must be {SYNTHETIC} or a folder made by `feedrate prepare`: {error}"
        )
        pytest.fail(message, pytrace=False)


def settings(request: BenchmarkRequest, dataset: Dataset) -> dict[str, Any]:
    """Return what the numbers depend on, ready for extra_info: loader, data, settings and machine."""
    return {
        "loader": request.name,
        "mode": request.mode,
        "dataset": dataset.info.name,
        "dataset_fingerprint": dataset.info.fingerprint[:12],
        "rows": sum(split.rows for split in dataset.info.splits.values()),
        "seed": request.seed,
        "batch_size": request.batch_size,
        "rounds": request.rounds,
        "device": request.device,
        "machine": _machine(request.device),
    }


def timed(request: BenchmarkRequest, benchmark: Any, dataset: Dataset) -> dict[str, Any]:
    """Time rounds of whole epochs with pytest-benchmark. Returns settings and numbers, and adds them to its extra_info.

    Before timing, one epoch's rows are checked against the dataset. Of timed epochs only the number of rows is checked.
    """
    loader = _open(request, dataset, "train", shuffle=True)
    clocks: list[EpochClock] = []
    spec = ModelSpec()
    model = build_model(dataset.info.schema, spec, seed=request.seed, device=request.device)
    batches = -(-dataset.info.splits["train"].rows // request.batch_size)
    read = reader(request.device, dataset.info.schema.tensors, batches)
    consume: Any = make_step(model, spec) if request.mode == "train" else read

    def epoch() -> None:
        read.begin(batches)
        clock = EpochClock(lambda: loader.epoch(len(clocks)), request.device)
        for batch in clock:
            consume(batch)
        clocks.append(clock)

    benchmark.group = benchmark.group or f"feedrate {request.mode}"
    try:
        _check_rows(request, loader, dataset, "train", epoch=request.rounds + 1)
        benchmark.pedantic(epoch, rounds=request.rounds, warmup_rounds=1)
    finally:
        loader.close()
    for clock in clocks:
        if message := wrong_count(clock.rows, dataset.info.splits["train"].rows, request.batch_size):
            pytest.fail(f"{request.name}: {message}", pytrace=False)
    result = settings(request, dataset) | _rates(clocks[1:] or clocks)
    if request.mode == "train":
        result["auc"] = _auc(request, dataset, model)
    benchmark.extra_info |= result
    return result


@cache
def _machine(device: str) -> str:
    environment = collect()
    cpu = f"{environment.cpu}, {environment.cores} cores"
    return cpu if device == "cpu" else f"{environment.gpu}, {cpu}"


def _open(request: BenchmarkRequest, dataset: Dataset, split: SplitName, *, shuffle: bool) -> Loader:
    config = LoaderConfig(batch_size=request.batch_size, device=request.device, shuffle=shuffle, seed=request.seed)
    return request.choice.open(dataset.split(split), config)


def _check_rows(request: BenchmarkRequest, loader: Loader, dataset: Dataset, split: SplitName, *, epoch: int) -> None:
    try:
        check_epoch(
            loader.epoch(epoch),
            dataset.info.splits[split],
            dataset.info.schema,
            order_sample=None,
            batch_size=request.batch_size,
            device=request.device,
        )
    except (FormBroken, GateFailed, WrongRows) as error:
        pytest.fail(f"{request.name}, on the {split} split of {request.dataset}: {error}", pytrace=False)


def _rates(clocks: Sequence[EpochClock]) -> dict[str, Any]:
    wall_s = sum(clock.wall_s for clock in clocks)
    return {
        "rows_per_s": sum(clock.rows for clock in clocks) / wall_s,
        "rows_per_s_rounds": [clock.rows / clock.wall_s for clock in clocks],
        "wait_fraction": sum(clock.wait_s for clock in clocks) / wall_s,
        "wait_fraction_rounds": [clock.wait_s / clock.wall_s for clock in clocks],
    }


def _auc(request: BenchmarkRequest, dataset: Dataset, model: torch.nn.Module) -> float:
    """Return the AUC on the whole valid split. Called after all rounds."""
    valid = _open(request, dataset, "valid", shuffle=False)
    model.eval()
    try:
        _check_rows(request, valid, dataset, "valid", epoch=0)
        with torch.no_grad():
            outputs = [(model(batch), batch.label) for batch in valid.epoch(0)]
    finally:
        valid.close()
    return auc(torch.cat([output for output, _ in outputs]), torch.cat([label for _, label in outputs]))
