"""Datasets that many tests share, made once a session; and the reasons for which tests are skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.datasets.options import PrepareOptions
from feedrate.bench.datasets.synthetic import prepare_synthetic
from feedrate.bench.host import venvs
from feedrate.loaders.base import Split
from feedrate.loaders.conformance import planted_split
from feedrate.loaders.errors import LoaderUnavailable
from tests.samples.stores.local_s3 import LocalS3, local_s3, s3_server

# Tests run pytest and feedrate themselves, which must not take themselves for a worker of pytest-xdist.
os.environ.pop("PYTEST_XDIST_WORKER", None)
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device, and torch sees none"))
        if item.get_closest_marker("nvtabular") and (find_spec("nvtabular") is None or find_spec("merlin") is None):
            item.add_marker(
                pytest.mark.skip(reason="imports nvtabular: `make test` runs it in nvtabular's environment")
            )
        if item.get_closest_marker("realdata") and not _real_data().is_dir():
            item.add_marker(pytest.mark.skip(reason="needs MovieLens: FEEDRATE_DATA names no folder that exists"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with ml-1m/ and ml-25m/ as GroupLens publishes them."""
    return _real_data()


@pytest.fixture(scope="session")
def nvtabular_installed() -> None:
    """For tests that have nvtabular run in a process of its own."""
    try:
        venvs.interpreter("nvtabular")
    except LoaderUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Split:
    return planted_split(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """5,000 synthetic rows, 4,000 of them for training."""
    return prepare_synthetic(tmp_path_factory.mktemp("small") / "data", rows=5_000, options=PrepareOptions(seed=1))


@pytest.fixture(scope="session")
def server_of_s3() -> Iterator[tuple[str, int]]:
    with s3_server() as address:
        yield address


@pytest.fixture
def s3(server_of_s3: tuple[str, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalS3]:
    """A bucket of an S3 server on this machine, which fails on demand."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with local_s3(server_of_s3, monkeypatch) as store:
        yield store


def _real_data() -> Path:
    return Path(os.environ.get("FEEDRATE_DATA", "no folder named"))
