"""The loader that ratios are computed against: the run's baseline, or the next loader if the baseline has no valid result."""

from __future__ import annotations

from feedrate.bench.results.record import RunRecord


def valid_baseline(record: RunRecord, size: int) -> str | None:
    """Return the baseline at a batch size, or the first loader of the record with a valid result if the baseline has none.

    Returns None if the record names no baseline, or if no loader has a valid result. A result is that of training, or of the
    loader only if nothing was trained.
    """
    trials = [trial for trial in record.trials if trial.spec.batch_size == size and trial.spec.mode != "replay"]
    if record.baseline is None or not trials:
        return None
    mode = "train" if any(trial.spec.mode == "train" for trial in trials) else "load"
    valid = dict.fromkeys(
        trial.spec.loader for trial in trials if trial.spec.mode == mode and trial.status == "ok" and trial.rows_per_s
    )
    return record.baseline if record.baseline in valid else next(iter(valid), None)


def replaced_baseline(record: RunRecord, size: int) -> str:
    """Return a sentence that says by which loader the baseline was replaced, and why; empty if it was not."""
    baseline = record.baseline
    used = valid_baseline(record, size)
    if baseline is None or used == baseline:
        return ""
    states = {
        trial.status: trial.detail
        for trial in record.trials
        if (trial.spec.loader, trial.spec.batch_size) == (baseline, size) and trial.status != "ok"
    }
    state = " and ".join(sorted(states)) or "missing"
    if used is None:
        return f"the baseline {baseline} is {state}, and no other loader has a valid result"
    return f"the baseline {baseline} is {state}: ratios are to {used} instead"
