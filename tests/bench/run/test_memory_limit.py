"""Real trials under a memory limit, on data of five times the loaders' budget: those that stream finish, the others are named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.criteo.synthetic import prepare_synthetic_criteo
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.host.memory.limit import require_limits
from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.run.suite import run_suite
from feedrate.loaders.errors import FeedrateError

pytestmark = pytest.mark.slow
BUDGET_BYTES = 60_000_000
SPEC = TrialSpec(
    loader="native", mode="load", repeat=0, seed=0, batch_size=8192, epochs=1, device="cpu", memory_budget_bytes=BUDGET_BYTES,
    memory_limit_bytes=480_000_000,
)  # fmt: skip
STREAMING = ("cupy:decode=pyarrow", "arrow:window_rows=65536", "hf-datasets:streaming=True")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Rows of 160 bytes, in row groups of 5 MB."""
    try:
        require_limits(SPEC.memory_limit_bytes)
    except FeedrateError as error:
        pytest.skip(f"needs control groups: {error}")
    folder = tmp_path_factory.mktemp("data") / "criteo"
    rows = 5 * BUDGET_BYTES // 160 * 5 // 4  # a fifth is the valid split
    return prepare_synthetic_criteo(folder, PrepareOptions(row_group_rows=32_768), rows=rows)


def _trial(loader: str, data: Dataset, folder: Path) -> TrialResult:
    [result] = run_suite([replace(SPEC, loader=loader)], data.folder, timeout_s=120, logs=folder / "logs")
    assert result.memory_limit is not None
    return result


@pytest.mark.parametrize("loader", STREAMING)
def test_a_loader_that_streams_finishes(loader: str, data: Dataset, tmp_path: Path) -> None:
    result = _trial(loader, data, tmp_path)
    assert result.status == "ok", result.detail
    assert result.memory_limit.kills == 0


def test_a_loader_that_holds_all_rows_is_ended_and_that_is_said(data: Dataset, tmp_path: Path) -> None:
    result = _trial("native-batched", data, tmp_path)
    assert result.status == "failed"
    assert "it needed more than its limit of 480 MB, so the kernel killed a process of it" in result.detail
