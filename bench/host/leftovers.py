"""Finds threads and processes that outlive a loader's close(), names them, and ends the processes.

A process of a trial calls `keeper.adopt_orphans` first. Then its descendants stay its descendants, in whatever session they
are and whatever their parents did. That works on Linux only. Elsewhere, processes that lost their parents are not found.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
from dataclasses import dataclass
from multiprocessing import active_children
from pathlib import Path
from time import monotonic, sleep

import psutil

from feedrate.loaders.error_text import one_line
from feedrate.loaders.stores.filesystems import THREADS

GRACE_S = 2.0
"""Seconds that threads and processes have to end after close()."""
TERM_S = 0.5
"""Seconds between the request to end and the signal that kills."""
SHOWN = 3
"""Names in a sentence."""
NAME_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Threads:
    """The threads of this process that run Python code, by their identifiers."""

    by_ident: dict[int, threading.Thread | None]
    """None for threads that were not started through `threading`."""

    @classmethod
    def now(cls) -> Threads:
        """Return the threads that run now."""
        known = {thread.ident: thread for thread in threading.enumerate()}
        return cls({ident: known.get(ident) for ident in sys._current_frames()})

    def started_since(self, before: Threads) -> dict[int, threading.Thread | None]:
        """Return those that did not run before, without the current one and those that read from object stores.

        An identifier may have been given anew.
        """
        own = threading.get_ident()
        return {
            ident: thread
            for ident, thread in self.by_ident.items()
            if ident != own
            and (ident not in before.by_ident or before.by_ident[ident] is not thread)
            and not (thread and thread.name.startswith(THREADS))
        }


def left_over(before: Threads, *, grace_s: float = GRACE_S) -> tuple[str, ...]:
    """Name what the loader left behind, a sentence for processes and one for threads, and end the processes.

    before: the threads that ran before the loader was opened. Call it after close().
    """
    deadline = monotonic() + grace_s
    while (processes := _processes()) or Threads.now().started_since(before):
        if monotonic() > deadline:
            break
        gc.collect()  # DataLoader's workers end when its iterator is collected
        sleep(0.02)
    sentences = []
    if processes:
        names = [_process_name(process) for process in processes]
        _end(processes)
        sentences.append(_sentence("process", "processes", names, "; it was ended", "; they were ended"))
    if threads := Threads.now().started_since(before):
        named = [repr(one_line(thread.name, NAME_CHARACTERS)) for thread in threads.values() if thread]
        names = [*named, *["(unnamed)"] * (len(threads) - len(named))]
        sentences.append(_sentence("thread", "threads", names, "", ""))
    return tuple(sentences)


def _sentence(singular: str, plural: str, names: list[str], ended: str, all_ended: str) -> str:
    shown = ", ".join([*names[:SHOWN], *([f"{len(names) - SHOWN} more"] if len(names) > SHOWN else [])])
    if len(names) == 1:
        return f"the {singular} {shown} still ran after close(){ended}"
    return f"{len(names)} {plural} still ran after close(): {shown}{all_ended}"


def _processes() -> list[psutil.Process]:
    """Living descendants of this process, without those that Python and torch keep for the whole process."""
    kept = _kept_pids()
    return [child for child in psutil.Process().children(recursive=True) if child.pid not in kept and _lives(child)]


def _kept_pids() -> set[int]:
    """Process ids of multiprocessing's resource tracker and fork server."""
    tracker = getattr(sys.modules.get("multiprocessing.resource_tracker"), "_resource_tracker", None)
    server = getattr(sys.modules.get("multiprocessing.forkserver"), "_forkserver", None)
    return {getattr(tracker, "_pid", None) or 0, getattr(server, "_forkserver_pid", None) or 0}


def _lives(process: psutil.Process) -> bool:
    try:
        # torch's manager of shared memory ends by itself some seconds after its last client
        return bool(process.status() != psutil.STATUS_ZOMBIE and process.name() != "torch_shm_manager")
    except psutil.NoSuchProcess:
        return False


def _process_name(process: psutil.Process) -> str:
    """Its command without folders, or what else tells it from this process, which it may be a fork of."""
    try:
        command = process.cmdline()
        if command and command != psutil.Process().cmdline():
            return one_line(" ".join([Path(command[0]).name, *command[1:]]), NAME_CHARACTERS)
        names = {child.pid: child.name for child in active_children()}
        return one_line(names.get(process.pid, "fork of the trial's process"), NAME_CHARACTERS)
    except psutil.Error:
        return "process that ended meanwhile"


def _end(processes: list[psutil.Process]) -> None:
    """Ask the processes to end, then kill them and what they have started meanwhile."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGTERM)
    deadline = monotonic() + TERM_S
    while (left := _processes()) and monotonic() < deadline:
        sleep(0.02)
    deadline = monotonic() + GRACE_S
    while left and monotonic() < deadline:
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        sleep(0.02)
        left = _processes()
    for process in processes:  # only those that this call ended, because others belong to whoever waits for them
        with contextlib.suppress(OSError):
            os.waitpid(process.pid, os.WNOHANG)
