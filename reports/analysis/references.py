"""What a loader's rate is compared with: the ceiling, the baseline or the loader that replaces it, and the same loader on one rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from feedrate.bench.results.record import RunRecord, TrialResult
from feedrate.bench.results.spec import Mode
from feedrate.bench.results.stats import Estimate, ratio

RoundKey = tuple[str | None, int, int]
"""Identifies a round: start time of its `feedrate run`, repeat, seed."""
Share = tuple[tuple[float, ...], Estimate]
"""Samples of a ratio, and the ratio with its 95 % interval."""


def ceiling_share(train: Sequence[TrialResult], replay: Sequence[TrialResult]) -> Share | None:
    """Return samples of training / replay, and their ratio with its 95 % interval; None if one of them was not measured.

    The ratio is that of geometric means, like every other ratio. If at least two rounds have both modes, it is paired by round,
    and each of these rounds is a sample. Otherwise each training trial is one, divided by the mean of replay.
    """
    heads, bases = _by_round(train), _by_round(replay)
    if not heads or not bases:
        return None
    rounds = [key for key in heads if key in bases]
    if len(rounds) > 1:
        pairs = [(heads[key], bases[key]) for key in rounds]
        share = ratio([head for head, _ in pairs], [base for _, base in pairs], paired=True)
        return tuple(head / base for head, base in pairs), share
    share = ratio(list(heads.values()), list(bases.values()), paired=False)
    return tuple(head / fmean(bases.values()) for head in heads.values()), share


def by_ranks(record: RunRecord) -> list[RunRecord]:
    """Return a record for each number of ranks that its trials had, the smallest first: they are not compared with each other."""
    numbers = sorted({trial.spec.ranks for trial in record.trials})
    if len(numbers) < 2:
        return [record]
    return [replace(record, trials=tuple(t for t in record.trials if t.spec.ranks == number)) for number in numbers]


def scaling_by_mode(record: RunRecord, part: RunRecord, loader: str, size: int) -> dict[Mode, Share]:
    """Return how a loader scales to the ranks of a part of its record, by mode. See `scaling_efficiency`."""
    modes: tuple[Mode, ...] = ("load", "train")
    shares: dict[Mode, Share] = {}
    for mode in modes:
        several, one = (
            [trial for trial in trials if trial.status == "ok" and trial.spec.repeat_of[:3] == (loader, mode, size)]
            for trials in (part.trials, [trial for trial in record.trials if trial.spec.ranks == 1])
        )
        if share := scaling_efficiency(several, one):
            shares[mode] = share
    return shares


def scaling_efficiency(several: Sequence[TrialResult], one: Sequence[TrialResult]) -> Share | None:
    """Return samples of a loader's rate on N ranks over N times its rate on one, and their ratio with its 95 % interval.

    Rounds are paired as for `ceiling_share`. None without trials of both, or if `several` ran on one rank.
    """
    ranks = several[0].spec.ranks if several else 1
    share = ceiling_share(several, one)
    if share is None or ranks == 1:
        return None
    samples, total = share
    low, high = (None if bound is None else bound / ranks for bound in (total.low, total.high))
    return tuple(sample / ranks for sample in samples), Estimate(total.mean / ranks, low, high, total.n)


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


def _by_round(trials: Sequence[TrialResult]) -> dict[RoundKey, float]:
    return {
        (trial.run_at, trial.spec.repeat, trial.spec.seed): rows_per_s
        for trial in trials
        if (rows_per_s := trial.rows_per_s)
    }
