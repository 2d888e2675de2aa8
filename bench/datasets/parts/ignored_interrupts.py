"""Loaded by the workers of a cluster that feedrate starts: Ctrl-C reaches them, too, but their client decides when they end."""

from __future__ import annotations

import signal


def dask_setup(_worker: object) -> None:
    """Ignore SIGINT. Dask calls this in the main thread of a worker that starts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
