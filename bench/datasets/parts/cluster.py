"""Connects to a Dask cluster, or starts one on this machine, and looks whether its workers can prepare a dataset."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feedrate.bench.datasets.parts import ignored_interrupts
from feedrate.bench.datasets.parts.dask_runner import DaskRunner
from feedrate.bench.datasets.parts.finished_part import own_folder
from feedrate.bench.datasets.parts.versions import difference, versions
from feedrate.bench.datasets.parts.worker import look_around
from feedrate.loaders.error_text import one_line
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.scratch.temporary_folder import TemporaryFolder

if TYPE_CHECKING:
    from distributed import Client

CONNECT_S = 10
"""Seconds in which a scheduler must answer."""
MAX_LOCAL_WORKERS = 1024
WORKERS_S = 60
"""Seconds in which a scheduler must have a worker."""


@contextmanager
def dask_runner(where: str, folder: Path, say: Callable[[str], None]) -> Iterator[DaskRunner]:
    """Yield a runner on the cluster, after a look at every worker. say: shows a sentence to the user.

    where: "local" for a cluster on this machine, with a worker for each core, "local:N" for N workers, or the address of a scheduler.
    folder: for the files of the parts. Raises FeedrateError if the cluster cannot be used.
    """
    require_dask()
    workers = local_workers(where)
    own_folder(folder)
    with _client(where, workers) as client:
        address = client.scheduler.address
        _wait_for_workers(client, address)
        _check_workers(client, folder)
        if "dashboard" in client.scheduler_info()["services"]:
            say(f"Dask's dashboard: {client.dashboard_link}")
        yield DaskRunner(client, address, folder, say)


def require_dask() -> None:
    """Raise FeedrateError if Dask is not installed."""
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise FeedrateError("--dask needs Dask, which is not installed: run `pip install 'feedrate[dask]'`") from error


def local_workers(where: str) -> int | None:
    """Return how many workers to start on this machine; None for an address. Raises FeedrateError for local:N without a number."""
    name, colon, count = where.partition(":")
    if name != "local":
        return None
    if not colon:
        return len(os.sched_getaffinity(0))
    if not count.isdecimal() or not 1 <= int(count) <= MAX_LOCAL_WORKERS:
        raise FeedrateError(
            f"--dask is {where!r}, but N of local:N must be a whole number from 1 to {MAX_LOCAL_WORKERS}"
        )
    return int(count)


@contextmanager
def _client(where: str, workers: int | None) -> Iterator[Client]:
    from distributed import Client

    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # feedrate says what matters
    if workers:
        with _local_cluster(workers) as cluster, Client(cluster) as client:
            yield client
        return
    try:
        client = Client(where, timeout=CONNECT_S)
    except (OSError, ValueError, TypeError, ImportError) as error:
        raise FeedrateError(
            f"--dask is {where!r}, where no Dask scheduler answers: pass local, or the address that `dask scheduler` prints, "
            "such as tcp://10.0.0.1:8786"
        ) from error
    with client:
        yield client


@contextmanager
def _local_cluster(workers: int) -> Iterator[Any]:
    from distributed import LocalCluster

    with (
        TemporaryFolder() as scratch,
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            env={"POLARS_MAX_THREADS": "1"},  # Dask limits NumPy, Arrow and torch in the same way
            dashboard_address="127.0.0.1:0",
            local_directory=str(scratch.path),
            silence_logs=logging.CRITICAL,
            preload=ignored_interrupts.__name__,
        ) as cluster,
    ):
        yield cluster


def _wait_for_workers(client: Client, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=WORKERS_S)
    except TimeoutError as error:
        raise FeedrateError(
            f"the scheduler at {address} has no workers: start some with `dask worker {address}`"
        ) from error


def _check_workers(client: Client, folder: Path) -> None:
    """Raise FeedrateError for a worker with other versions, and for one that does not see the folder."""
    token = f"token-{secrets.token_hex(4)}"
    (folder / token).touch()
    try:
        answers = client.run(look_around, folder, token, on_error="return")
        for worker, answer in answers.items():
            if isinstance(answer, BaseException):
                raise FeedrateError(
                    f"worker {worker} cannot run feedrate ({one_line(str(answer), 100) or type(answer).__name__}): install feedrate[dask] there, "
                    "in the same version"
                ) from answer
            theirs, fault = answer
            if other := difference(versions(), theirs):
                raise FeedrateError(f"worker {worker} has {other}: install the same versions there")
            if fault:
                raise FeedrateError(
                    f"worker {worker} cannot use the folder of -o ({fault}): choose one that all workers see under the same path"
                )
    finally:
        for file in folder.glob(f"{token}*"):
            with contextlib.suppress(OSError):
                file.unlink()
