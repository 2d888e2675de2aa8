"""The side of NVTabular's environment: reads a task from standard input and prints the result as the last line."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import TypeVar

import msgspec

Task = TypeVar("Task")


def answer(task_type: type[Task], run: Callable[[Task], object]) -> None:
    """Run the task on standard input and print the result as the last line. process.py starts it and reads that line."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=task_type)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = run(task)
    sys.stdout.buffer.write(b"\n" + msgspec.json.encode(done) + b"\n")
