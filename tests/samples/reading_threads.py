"""The threads of a streaming loader, and waiting for what they do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


def reading_threads() -> set[threading.Thread]:
    """Return the live threads that read or mix row groups."""
    return {thread for thread in threading.enumerate() if thread.name.startswith(("decode", "mix"))}


def wait_until(holds: Callable[[], bool]) -> bool:
    """Wait up to 20 s until the condition holds. Return whether it does."""
    end = time.monotonic() + 20
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()
