"""Keeps a case from starting processes, from the network, and from drawing more rows than there is time for."""

from __future__ import annotations

import subprocess
import urllib.request
from typing import Any, NoReturn
from urllib.error import URLError

from feedrate.bench.datasets import sources
from feedrate.bench.host import environment
from feedrate.loaders.errors import FeedrateError
from feedrate.reports.formats import images

NO_PROCESS = "this case would start a process here"
MAX_ROWS = 20_000


def stand_in() -> None:
    """Replace what starts processes. A case ends there with exit code 2 and a sentence, before the first trial.

    `subprocess.Popen` is the only way in which feedrate starts a process, trials included. The others are kaleido's
    browser and what asks git for the commit.
    """
    subprocess.Popen.__init__ = _no_process  # type: ignore[method-assign]
    environment.observe = _no_process
    images.write_images = _no_process  # type: ignore[assignment]
    urllib.request.OpenerDirector.open = _offline  # type: ignore[method-assign,assignment]
    sources.SYNTHETIC = {name: _limited(draw) for name, draw in sources.SYNTHETIC.items()}
    sources.prepare_synthetic_criteo = _limited(sources.prepare_synthetic_criteo)


def _no_process(*_arguments: Any, **_named: Any) -> NoReturn:
    raise FeedrateError(NO_PROCESS)


def _offline(*_arguments: Any, **_named: Any) -> NoReturn:
    raise URLError("offline")


def _limited(draw: Any) -> Any:
    def limited(folder: Any, options: Any, *, rows: int, **named: Any) -> Any:
        if rows > MAX_ROWS:
            raise FeedrateError("this case would draw more rows than there is time for")
        return draw(folder, options, rows=rows, **named)

    return limited
