"""A case is one command line with the files that it reads. Its oracle says what may come of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is run in a folder of its own."""

    argv: tuple[str, ...]
    outputs: tuple[str, ...] = ("out",)
    """Paths below the folder at which the command may write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a case."""

    code: object
    """Exit code, or the traceback of what was raised."""
    stdout: bytes
    stderr: bytes
    seconds: float
    """Of the processor: other processes of a busy machine do not count."""
    grown_bytes: int
    """Growth of the process's peak memory."""
    touched: tuple[str, ...]
    """Files outside the outputs that are new, gone or changed."""
