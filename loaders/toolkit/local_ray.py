"""Starts Ray on this machine alone, for as long as a loader needs it, and leaves nothing of it behind."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
from typing import Any, ClassVar

from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.scratch.temporary_folder import TemporaryFolder
from feedrate.loaders.toolkit.libraries import import_library

MAX_FOLDER = 42
"""Characters of the temporary folder's path that leave room for the names of Ray's sockets, of 107 together."""
ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
"""What is set while Ray runs, so that it collects no usage, and writes no token into the home folder."""


class LocalRay:
    """Keeps Ray running until close(). All open ones share it, because a process can have only one Ray.

    The first one starts it, unless it runs already, and the last one stops it and removes its folder. If the process is
    killed, Ray's processes end with it.
    """

    _users: ClassVar[int] = 0
    _stop: ClassVar[contextlib.ExitStack] = contextlib.ExitStack()

    def __init__(self, cpus: int, object_store_bytes: int) -> None:
        """cpus: tasks that run at the same time. object_store_bytes: size of its part of /dev/shm.

        Raises LoaderUnavailable without Ray, and FeedrateError if the folder for temporary files has too long a path.
        """
        ray = import_library("ray", "ray-data")
        if not LocalRay._users:
            with contextlib.ExitStack() as stack:
                _start(ray, stack, num_cpus=cpus, object_store_memory=object_store_bytes)
                LocalRay._stop = stack.pop_all()
        LocalRay._users += 1

    def close(self) -> None:
        """Stop Ray if nobody else uses it. Call it once."""
        LocalRay._users -= 1
        if not LocalRay._users:
            LocalRay._stop.close()


def error_of_task(error: Exception) -> Exception:
    """Return feedrate's own error that a task raised, which Ray gives as a line of a traceback. Any other error stays."""
    lines = re.findall(r"^feedrate\.[\w.]+: (.+)$", str(error), re.MULTILINE)
    return FeedrateError(lines[-1]) if lines else error


def _start(ray: Any, stack: contextlib.ExitStack, **resources: int) -> None:
    """Start Ray unless it runs already. The stack stops it and removes its folder."""
    for name in ("ray", "ray.data"):
        logger = logging.getLogger(name)
        stack.callback(logger.setLevel, logger.level)
        logger.setLevel(logging.ERROR)
    if ray.is_initialized():
        return
    folder = stack.enter_context(TemporaryFolder()).path
    if len(str(folder)) > MAX_FOLDER:
        raise FeedrateError(
            f"Ray needs a folder for temporary files with a shorter path than {folder.parent}: set TMPDIR"
        )
    before = dict(os.environ)
    stack.callback(_restore_environment, before)
    os.environ.update({**ENVIRONMENT, **before})
    stack.callback(ray.shutdown)
    ray.init(
        address="local",
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _temp_dir=str(folder),
        **resources,
    )


def _restore_environment(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        if name.startswith(("RAY_", "PYTHONBREAKPOINT")):  # which Ray sets
            del os.environ[name]
