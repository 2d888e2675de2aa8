"""Profiles several loaders, one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from feedrate.bench.consumer.models.task_columns import require_columns
from feedrate.bench.datasets.canonical import read_dataset
from feedrate.bench.host.device import choose_device_here
from feedrate.bench.profiling import nsys
from feedrate.bench.profiling.run import profile_loader
from feedrate.bench.results.profiles import files
from feedrate.bench.results.profiles.explained import Explained, explain
from feedrate.bench.results.profiles.record import Profiler
from feedrate.bench.results.spec import ModelSpec, TrialSpec, require_ranks
from feedrate.bench.run.loader_lookup import check_texts
from feedrate.loaders.errors import (
    FeedrateError,
    require_choice,
    require_distinct,
    require_no_file,
    require_over_zero,
    require_whole,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRequest:
    """The options of `feedrate profile`, unchecked."""

    steps: int
    profiler: str
    """"auto", "nsys" or "torch"."""
    batch_size: int
    device: str
    model: ModelSpec
    memory_budget_bytes: int | None
    timeout_s: float
    ranks: int = 1
    """Processes that train together."""
    profiled_ranks: tuple[int, ...] = (0,)
    """The ranks to record, one after the other."""


def run(loaders: Sequence[str], data: Path, output: Path, request: ProfileRequest) -> Iterator[Explained]:
    """Profile each loader into its own folder below `output`. The iterator yields each result as soon as it is ready.

    Raises FeedrateError at once if an option is invalid or the dataset lacks what the task needs, and from the iterator if a
    profile fails.
    """
    require_whole("--steps", request.steps, 1)
    require_over_zero("--timeout", request.timeout_s)
    require_no_file("-o", output)
    for name, values in (("loaders", loaders), ("--profile-ranks", request.profiled_ranks)):
        if not values:
            raise FeedrateError(f"{name} is empty: name at least one")
        require_distinct(name, values)
    require_choice("--profiler", request.profiler, ("auto", *get_args(Profiler)))
    check_texts(loaders)
    require_ranks(request.ranks, request.model)
    if max(request.profiled_ranks) >= request.ranks:
        raise FeedrateError(
            f"--profile-ranks names rank {max(request.profiled_ranks)}, but the ranks are 0 to {request.ranks - 1}: raise --ranks"
        )
    device = choose_device_here(request.device)
    profiler = _profiler(request.profiler, device)
    require_columns(read_dataset(data).info.schema, request.model)
    return _profiles(loaders, data, output, replace(request, device=device), profiler)


def _profiles(
    loaders: Sequence[str], data: Path, output: Path, request: ProfileRequest, profiler: Profiler
) -> Iterator[Explained]:
    trials = files.trials_of(output)
    for loader in loaders:
        spec = TrialSpec(
            loader=loader, mode="train", repeat=0, seed=0, batch_size=request.batch_size, epochs=1, device=request.device,
            memory_budget_bytes=request.memory_budget_bytes, model=request.model,
            ranks=request.ranks,
        )  # fmt: skip
        folder = output / re.sub(r"[^A-Za-z0-9._=-]+", "-", loader)
        for rank in request.profiled_ranks:
            profile = profile_loader(
                spec,
                data,
                folder.with_name(f"{folder.name}-rank-{rank}") if rank else folder,
                steps=request.steps,
                profiler=profiler,
                timeout_s=request.timeout_s,
                rank=rank,
            )
            yield explain(profile, files.trial_for(profile, trials))


def _profiler(name: str, device: str) -> Profiler:
    """Choose the profiler. "auto" is nsys if it is installed and there is a GPU, otherwise torch."""
    if name == "nsys" and device == "cpu":
        raise FeedrateError("--profiler is nsys, but on the CPU there is no device to record: pass --profiler torch")
    if name == "auto":
        return "nsys" if device != "cpu" and _has_nsys() else "torch"
    return "nsys" if name == "nsys" else "torch"


def _has_nsys() -> bool:
    try:
        nsys.find_nsys()
    except FeedrateError:
        return False
    return True
