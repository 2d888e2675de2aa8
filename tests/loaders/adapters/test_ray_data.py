"""ray-data starts a Ray of its own and leaves nothing of it behind."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from feedrate.loaders.adapters.ray_data import ADAPTER, RayDataOptions
from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.errors import FeedrateError

pytest.importorskip("ray", reason="ray is missing: run `pip install 'feedrate[ray-data]'`")
OPTIONS = RayDataOptions(cpus=1, object_store_bytes=80 * 2**20)


def left() -> list[Callable[[], set[object]]]:
    """Functions that return what a process can leave behind."""
    return [
        lambda: {process.pid for process in psutil.Process().children(recursive=True)},
        lambda: set(Path(tempfile.gettempdir()).iterdir()) | set(Path("/dev/shm").glob("plasma*")),
        lambda: {Path.home() / ".ray"} if (Path.home() / ".ray").exists() else set(),
        lambda: set(threading.enumerate()),
        lambda: set(os.environ.items()),
    ]


@pytest.fixture
def short_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A temporary folder of the test's own. Its path is short enough for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.usefixtures("short_folder")
def test_two_loaders_share_a_ray_and_leave_nothing_in_the_middle_of_an_epoch(planted: Split) -> None:
    before = [look() for look in left()]
    first = ADAPTER.open(planted, LoaderConfig(batch_size=64), OPTIONS)
    assert left()[0]() - before[0]
    second = ADAPTER.open(planted, LoaderConfig(batch_size=64, shuffle=False), OPTIONS)
    batches = first.epoch(0)
    next(batches)
    first.close()
    assert sum(batch.rows for batch in second.epoch(0)) == planted.rows
    second.close()
    second.close()
    assert [look() - known for look, known in zip(left(), before, strict=True)] == [set()] * 5


def test_a_folder_whose_path_is_too_long_is_refused_before_ray_starts(
    planted: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(FeedrateError, match=f"shorter path than {tmp_path}: set TMPDIR"):
        ADAPTER.open(planted, LoaderConfig(), OPTIONS)
    assert list(tmp_path.iterdir()) == []
