"""Checks the adapters of libraries against every rule. An adapter whose library is missing is skipped with the remedy."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

from feedrate.loaders import registry
from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.conformance import Case, RuleResult, check, planted_split
from feedrate.loaders.errors import LoaderUnavailable
from feedrate.loaders.toolkit.local_ray import LocalRay

CPU = LoaderConfig(batch_size=256)
LOADERS = [
    "torch-resident",
    "arrow",
    "arrow:window_rows=1500:read_ahead=false",
    "arrow:window_rows=1500:workers=2",
    "cudf",
    "cudf:window_rows=1500",
    "polars",
    "polars:block_rows=1000",
    "duckdb",
    "duckdb:threads=1:block_rows=1000",
    "hf-datasets",
    "hf-datasets:streaming:buffer_size=1500",
    pytest.param("hf-datasets:format=torch", marks=pytest.mark.slow),
    "torchdata",
    "torchdata:workers=2",
    "torchdata:stateful",
    "tensordict",
    "tensordict:workers=2",
    "lance",
    "lance:window_rows=1500:fragment_rows=300",
    "lance:random",
    "grain",
    "grain:block_rows=700:threads=0",
    "grain:rows",
    "spdl",
    "spdl:window_rows=1500:readers=1",
    "vortex",
    "vortex:window_rows=1500:range_rows=300:memory_map=false",
    "vortex:random",
    pytest.param("ray-data", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Split:
    """Fewer rows than other conformance tests have, because there are many loaders."""
    return planted_split(tmp_path_factory.mktemp("few"), rows=4_001)


@pytest.mark.parametrize("loader", LOADERS)
def test_adapters_break_only_declared_rules(loader: str, few: Split) -> None:
    assert undeclared(loader, few, CPU) == []


@pytest.mark.gpu
@pytest.mark.parametrize("loader", LOADERS)
def test_adapters_break_only_declared_rules_on_a_gpu(loader: str, few: Split) -> None:
    assert undeclared(loader, few, replace(CPU, device="cuda")) == []


def undeclared(loader: str, split: Split, config: LoaderConfig) -> list[RuleResult]:
    """The rules that are broken, and those that are declared as deviations but hold."""
    choice = registry.choose(loader)
    try:
        choice.adapter.backend(config.device)
    except LoaderUnavailable as error:
        pytest.skip(str(error))
    with contextlib.ExitStack() as stack:
        if loader.startswith("ray-data"):  # starting Ray for each loader that is opened would take minutes
            stack.enter_context(contextlib.closing(LocalRay(1, 80 * 2**20)))
        return [result for result in check(Case(choice, split, config)) if not as_declared(result)]


def as_declared(result: RuleResult) -> bool:
    return result.outcome == "deviates" or (result.outcome == "passed" and not result.detail)
