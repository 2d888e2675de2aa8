"""A loader's share of the ceiling: its training's rows/s divided by those of the model only, with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.stats import Estimate, ratio

RoundKey = tuple[str | None, int, int]
"""Identifies a round: start time of its `feedrate run`, repeat, seed."""


def ceiling_share(
    train: Sequence[TrialResult], replay: Sequence[TrialResult]
) -> tuple[tuple[float, ...], Estimate] | None:
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


def _by_round(trials: Sequence[TrialResult]) -> dict[RoundKey, float]:
    return {
        (trial.run_at, trial.spec.repeat, trial.spec.seed): rows_per_s
        for trial in trials
        if (rows_per_s := trial.rows_per_s)
    }
