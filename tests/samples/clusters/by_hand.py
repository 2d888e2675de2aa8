"""A Dask cluster as users start one by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.samples.processes.command import wait_until


class Cluster:
    """A scheduler and workers, each started by hand as `dask scheduler` and `dask worker`."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._processes = folder, list[subprocess.Popen[bytes]]()
        self.file = folder / "scheduler.json"
        self.scheduler = self._start(
            "scheduler", "--port", "0", "--dashboard-address", "127.0.0.1:0", "--scheduler-file"
        )

    def worker(self, **variables: str) -> subprocess.Popen[bytes]:
        """Start a worker with one thread."""
        return self._start("worker", "--no-nanny", "--nthreads", "1", "--scheduler-file", **variables)

    @property
    def address(self) -> str:
        """The scheduler's address."""
        from distributed import Client

        wait_until(self.file.exists)
        with Client(scheduler_file=str(self.file)) as client:
            return str(client.scheduler.address)

    def close(self) -> None:
        """End all that still runs."""
        for process in self._processes:
            process.kill()
            process.wait()

    def _start(self, *words: str, **variables: str) -> subprocess.Popen[bytes]:
        root = str(Path(__file__).parents[3])
        environment = {**os.environ, "PYTHONPATH": root, **variables}
        command = [sys.executable, "-m", "dask", *words, str(self.file)]
        with (self._folder / "log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(command, cwd=self._folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
            )
        return self._processes[-1]
