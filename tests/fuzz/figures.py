"""What came of many cases, as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

MAX_SHOWN = 20


def figures(answers: Sequence[dict[str, Any]]) -> str:
    """Return a line for each target: cases, exit codes and processor time."""
    return "\n".join(
        _line(target, [answer for answer in answers if answer["target"] == target])
        for target in dict.fromkeys(answer["target"] for answer in answers)
    )


def replays(failures: Sequence[dict[str, Any]]) -> str:
    """Return the command that runs each failed case again, with what was wrong."""
    lines = [
        f"python -m tests.fuzz {answer['target']} {answer['seed']}: {answer['violations'][0][-1000:]}"
        for answer in failures[:MAX_SHOWN]
    ]
    return "\n".join([f"{len(failures)} cases failed", *lines])


def _line(target: str, answers: Sequence[dict[str, Any]]) -> str:
    codes = Counter(answer["code"] if isinstance(answer["code"], int) else "none" for answer in answers)
    split = ", ".join(f"{number:,} with {code}" for code, number in sorted(codes.items(), key=str))
    failed = sum(bool(answer["violations"]) for answer in answers)
    stopped = sum(answer["stopped"] for answer in answers)
    seconds = sum(answer["seconds"] for answer in answers)
    slowest = max(answers, key=lambda answer: float(answer["seconds"]))
    return (
        f"{target}: {len(answers):,} cases ended {split}, {failed} failed, {stopped:,} stopped before their first process, "
        f"{seconds:.0f} s of a processor, at most {slowest['seconds']:.1f} s (seed {slowest['seed']})"
    )
