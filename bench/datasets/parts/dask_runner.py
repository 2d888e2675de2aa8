"""Does the parts of a dataset on the workers of a Dask cluster.

Each part is a file in a folder that the client and all workers see. A part whose file is there is not done again, whoever made it.
"""

from __future__ import annotations

import pickle
import secrets
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feedrate.bench.datasets.part_files import RowFiles
from feedrate.bench.datasets.parts.files_of_parts import FilesOfParts
from feedrate.bench.datasets.parts.finished_part import digest, read_part
from feedrate.bench.datasets.parts.runner import Item, Made, Shared, Work
from feedrate.bench.datasets.parts.versions import versions
from feedrate.bench.datasets.parts.worker import PartTask, do_part, first_invisible
from feedrate.loaders.errors import Faults, FeedrateError

if TYPE_CHECKING:
    import pyarrow as pa
    from distributed import Client, Future

WAITING_PARTS = 4
"""Parts for each thread of the workers that are handed out, done or not, before the first of them is read."""
POLL_S = 1.0
"""Seconds between two looks at the cluster while a part is waited for."""
NO_WORKERS_S = 60.0
"""Seconds without any worker after which the preparation ends."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A part that was handed out, or was done before."""

    file: Path
    future: Future | None


class DaskRunner:
    """Hands parts to workers, and reads their files in the order of the parts."""

    def __init__(self, client: Client, address: str, folder: Path, say: Callable[[str], None]) -> None:
        """address: of the scheduler, for messages. folder: of the parts' files. say: shows a sentence to the user."""
        self._client, self._address, self._folder, self._say = client, address, folder, say
        self._workers = frozenset[str]()
        self._looked_s = self._last_worker_s = time.monotonic()

    def run(self, work: Work[Shared, Item, Made], shared: Shared, items: Iterable[Item]) -> Iterator[Made]:
        """Yield what the work makes of each item, in the order of the items.

        Raises FeedrateError if the work does, or if the cluster fails.
        """
        content = pickle.dumps(shared, pickle.HIGHEST_PROTOCOL)
        stage = self._stage(work, content)
        finished = {path.name for path in stage.iterdir()}
        numbered = enumerate(items)
        parts: deque[_Part] = deque()
        most = WAITING_PARTS * max(2, sum(self._ask(self._client.nthreads).values()))
        try:
            while True:
                while len(parts) < most and (item := next(numbered, None)) is not None:
                    parts.append(self._hand_out(work, stage, item, finished))
                if not parts:
                    return
                part = parts.popleft()
                if part.future is not None:
                    self._wait(part.future)
                yield from read_part(part.file)
        finally:
            for part in parts:
                if part.future is not None:
                    part.future.release()

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Yield a folder that lies beside the parts' files, and stays as long as they do."""
        folder = self._folder / "scratch"
        folder.mkdir(exist_ok=True)
        yield folder

    def row_files(self, folder: Path, schema: pa.Schema, group_rows: int) -> RowFiles:
        """Return what has workers write the rows."""
        return FilesOfParts(folder, schema, group_rows, self)

    def require_visible(self, files: Sequence[Path]) -> None:
        """Raise FeedrateError with the first file that a worker does not see as this process does."""
        known = [(file.absolute(), file.stat().st_size) for file in files]
        for worker, file in self._ask(self._client.run, first_invisible, known).items():
            if file is not None:
                raise FeedrateError(
                    f"worker {worker} does not see {file} as it is here: put it where all workers have it under this path"
                )

    def _stage(self, work: Work[Any, Any, Any], shared: bytes) -> Path:
        """Return the folder of a stage, with the file `shared`. It differs for any other work, shared content or version."""
        name = f"{work.__module__}.{work.__qualname__}"
        stage = self._folder / f"{work.__name__.strip('_')}-{digest(name.encode(), repr(versions()).encode(), shared)}"
        stage.mkdir(exist_ok=True)
        for left in stage.glob("*.*"):  # of workers that were killed
            left.unlink(missing_ok=True)
        partial = stage / f"shared.{secrets.token_hex(4)}"
        partial.write_bytes(shared)
        partial.rename(stage / "shared")
        return stage

    def _hand_out(self, work: Work[Any, Any, Any], stage: Path, item: tuple[int, Any], finished: set[str]) -> _Part:
        number, content = item[0], pickle.dumps(item[1], pickle.HIGHEST_PROTOCOL)
        file = stage / f"{number:07}-{digest(content)}"
        if file.name in finished:
            return _Part(file, None)
        task = PartTask(work=work, shared=stage / "shared", item=content, file=file, versions=versions())
        key = f"{stage.name.partition('-')[0]}-{number}-{secrets.token_hex(4)}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Dask finds a part's rows large
            return _Part(file, self._ask(self._client.submit, do_part, task, key=key, pure=False))

    def _wait(self, future: Future) -> None:
        """Wait until a part is done. Raises FeedrateError for what is wrong with it, or if nobody does it any more."""
        from distributed import KilledWorker

        while True:
            if time.monotonic() - self._looked_s > POLL_S:
                self._look_at_workers()
            try:
                sentences = self._ask(future.result, timeout=POLL_S)
            except TimeoutError:
                continue
            except KilledWorker as error:
                raise FeedrateError(
                    f"a part has ended {error.allowed_failures + 1} workers, the last one at {error.last_worker.address}: "
                    "give each worker more memory, or start fewer on a machine"
                ) from error
            except ModuleNotFoundError as error:
                raise FeedrateError(f"a worker has no module {error.name}: install feedrate[dask] there") from error
            if sentences:
                raise Faults(sentences)
            return

    def _look_at_workers(self) -> None:
        """Say which workers have gone. Raises FeedrateError if there has been none for long."""
        now = time.monotonic()
        workers = frozenset(self._ask(self._client.nthreads))
        for gone in sorted(self._workers - workers):
            self._say(f"worker {gone} has gone: the parts that it had not finished are done again")
        if workers:
            self._last_worker_s = now
        elif now - self._last_worker_s > NO_WORKERS_S:
            raise FeedrateError(
                f"the scheduler at {self._address} has had no workers for {NO_WORKERS_S:.0f} seconds: "
                "start some and repeat the command, which goes on from the finished parts"
            )
        self._workers, self._looked_s = workers, now

    def _ask(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call a function of Dask. Raises FeedrateError if the scheduler has gone, TimeoutError after a timeout that is given."""
        from concurrent.futures import CancelledError

        try:
            return call(*arguments, **named)
        except (CancelledError, OSError) as error:
            if isinstance(error, TimeoutError) and "timeout" in named:
                raise
            raise FeedrateError(
                f"the scheduler at {self._address} has gone: start it again and repeat the command, which goes on from the "
                "finished parts"
            ) from error
