"""What a limit for the memory of its trials cost a loader, in a sentence."""

from __future__ import annotations

from collections.abc import Iterable

from feedrate.bench.results.record import TrialResult
from feedrate.reports import units


def memory_limit(trials: Iterable[TrialResult]) -> str:
    """Return the sentence, or an empty one if no successful trial had a limit."""
    records = [trial.memory_limit for trial in trials if trial.memory_limit is not None and trial.status == "ok"]
    if not records:
        return ""
    limits = " and ".join(units.format_size(limit) for limit in sorted({record.limit_bytes for record in records}))
    again = max(record.refault_bytes for record in records)
    sentence = f"it kept within {limits} of host memory"
    return (
        f"{sentence}, and {units.format_size(again)} of files were read again for lack of page cache"
        if again
        else sentence
    )
