"""Turns any exception into one printable line of at most 300 characters, even if its own code raises."""

from __future__ import annotations

import errno
import importlib
import itertools
import os
import re
import sysconfig
import traceback
from pathlib import Path

MAX_CHARACTERS = 300
"""Longest sentence about an error. Logs hold the rest."""
SHARED_MEMORY = "/dev/shm"
SHARED_MEMORY_FULL = (
    f"shared memory ({SHARED_MEMORY}) is full: use fewer workers or smaller batches, or enlarge it "
    "(in a container: docker run --shm-size=8g)"
)
FULL_FRACTION = 0.02
"""Share of free shared memory below which an error "no space left" without a file name is attributed to it."""
_TRACEBACK = "Traceback (most recent call last):\n"
_IN_A_WORKER = re.compile(r"Caught \S+ .+\.\nOriginal Traceback")
"""How torch begins the message of an error that a worker or a thread of DataLoader raised."""
_NO_SHARED_MEMORY = re.compile(
    r"unable to (write to|resize|allocate shared memory\(shm\) for) file </?torch|out of shared memory"
)
_ADDRESS = re.compile(r"([a-zA-Z][\w+.-]*://)(?:[^\s/?#'\"]*@)?([^\s?#'\"]*)(\?[^\s'\")>]*)?")
_SIGNED = re.compile(
    r"([?&][\w.-]*(?:sig|signature|token|credential|password|secret|key)[\w-]*=)[^&\s'\"]+", re.IGNORECASE
)
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_REGISTRY = str(Path(__file__).with_name("registry.py"))


def one_line(text: str, limit: int = MAX_CHARACTERS) -> str:
    """Join the lines of a text, escape control characters, and cut it in the middle to `limit` characters."""
    text = without_secrets("".join([text]))  # a plain str, even if the loader's own subclass of str is passed
    if len(text) > 20 * limit:
        text = text[: 10 * limit] + text[-10 * limit :]
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(text.split()))
    if len(text) <= limit:
        return text
    tail = limit // 3
    return f"{text[: limit - tail - 3]}...{text[-tail:]}"


def without_secrets(text: str) -> str:
    """Return the text with addresses that lack their user, password and query, which may be a signature."""
    if "://" in text:
        text = _ADDRESS.sub(r"\1\2", text)
    return _SIGNED.sub(r"\1...", text) if "=" in text else text


def describe(error: BaseException) -> str:
    """Say in one line what was raised: its type and message, or what it means if that is known."""
    try:
        return one_line(_meaning(error, _raised_in(error)))
    except BaseException:  # the exception's own code may raise anything
        return "an exception was raised that cannot be described"


def sentence_of(error: Exception) -> str:
    """Return an error's own sentence without its type, even if torch has put a worker's traceback around it."""
    text = str(error)
    return (_of_worker(text).partition(": ")[2] or describe(error)) if raised_in_worker(error) else text


def raised_in_worker(error: Exception) -> bool:
    """Return whether the error is one that torch made of an error of a worker or thread of DataLoader."""
    return _IN_A_WORKER.search(str(error)) is not None


def describe_import(error: BaseException) -> str:
    """Say in one line why a module cannot be imported, with the file and line in the user's code."""
    try:
        file, line = _place_of_import(error)
        message = error.msg if isinstance(error, SyntaxError) else None
        what = f"{type(error).__name__}: {message}" if message else _meaning(error, "")
        place = f" {one_line(f'({Path(file).name}, line {line})')}" if file else ""
        return one_line(what, MAX_CHARACTERS - len(place)) + place
    except BaseException:  # the exception's own code may raise anything
        return "an exception was raised that cannot be described"


def _meaning(error: BaseException, place: str) -> str:
    """What the error says. place: what to append if it says nothing."""
    name = type(error).__name__
    if isinstance(error, SystemExit):
        return f"it called sys.exit({'' if error.code is None else repr(error.code)})"
    try:
        text = str(error)
    except BaseException:  # the exception's own code may raise anything
        return f"{name} with a message that cannot be printed{place}"
    if _in_full_shared_memory(error, text):
        return SHARED_MEMORY_FULL
    if not text.strip():
        return f"{name} without a message{place}"
    return _of_worker(text) if _IN_A_WORKER.search(text) else f"{name}: {text}"


def _raised_in(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f", raised in {Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else ""


def _of_worker(text: str) -> str:
    """The error of a worker: what follows the frames of the last traceback in the text."""
    lines = text.rpartition(_TRACEBACK)[2].splitlines()
    frames = 0
    while frames < len(lines) and lines[frames].startswith(" "):
        frames += 1
    sentence = " ".join(lines[frames:])
    if sentence and not re.fullmatch(r"[\w.]+:?\s*", sentence):
        return sentence
    places = [re.match(r'  File "(.*)", line (\d+)', line) for line in lines]
    raised = [f", raised in {Path(place[1]).name} line {place[2]}" for place in places if place]
    return f"{sentence.rstrip(': ') or 'an error'} without a message{raised[-1] if raised else ''}"


def _in_full_shared_memory(error: BaseException, text: str) -> bool:
    if _NO_SHARED_MEMORY.search(text):
        return True
    number, file = getattr(error, "errno", None), getattr(error, "filename", None)
    if number != errno.ENOSPC and f"[Errno {errno.ENOSPC}]" not in text:
        return False
    return str(file).startswith(SHARED_MEMORY) if file else _shared_memory_is_full()


def _shared_memory_is_full() -> bool:
    try:
        state = os.statvfs(SHARED_MEMORY)
    except OSError:  # not Linux
        return False
    return state.f_bavail < FULL_FRACTION * state.f_blocks


def _place_of_import(error: BaseException) -> tuple[str, int | None]:
    """File and line of the innermost frame in the user's code, else of the innermost one. Empty if there is none."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno
    frames = itertools.dropwhile(lambda frame: _imports(frame.filename), traceback.extract_tb(error.__traceback__))
    inside = [frame for frame in frames if not frame.filename.startswith("<frozen")]
    of_user = [frame for frame in inside if not frame.filename.startswith(_LIBRARIES)]
    chosen = [*inside, *of_user][-1:]
    return (chosen[0].filename, chosen[0].lineno) if chosen else ("", None)


def _imports(file: str) -> bool:
    """Whether a file is a part of the import system, or feedrate's module that calls it."""
    return file.startswith("<frozen importlib") or file in (importlib.__file__, _REGISTRY)
