"""How evenly the ranks of a loader's trials worked, how long they averaged gradients, and how it scales: a sentence each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import fmean

from feedrate.bench.results.ranks_record import RankEpoch, RankRecord
from feedrate.bench.results.record import TrialResult
from feedrate.reports import units
from feedrate.reports.analysis import verdicts
from feedrate.reports.analysis.summarize import Row


def rank_spread(trials: Iterable[TrialResult]) -> str:
    """Return the sentence, or an empty one if no trial had several ranks. Only steady epochs count."""
    parts = [(trial, trial.ranks) for trial in trials if trial.ranks is not None and trial.status == "ok"]
    if not parts:
        return ""
    counts = sorted({len(record.ranks) for _, record in parts})
    backends = sorted({record.backend for _, record in parts})
    behind = fmean(_behind(record.ranks, trial.first_epochs) for trial, record in parts)
    sentence = (
        f"{' and '.join(map(str, counts))} ranks through {' and '.join(backends)}: the slowest took "
        f"{units.format_percent(behind)} longer than the fastest"
    )
    trained = [(record.ranks, trial.first_epochs) for trial, record in parts if trial.spec.mode == "train"]
    if trained:
        share = fmean(_share(*ranks, lambda epoch: epoch.allreduce_s) for ranks in trained)
        sentence += f", and gradients were averaged for {units.format_percent(share)} of the training time"
    exchanged = fmean(_share(*ranks, lambda epoch: epoch.exchange_s) for ranks in trained) if trained else 0.0
    if exchanged:
        sentence += f", rows of shared tables exchanged for {units.format_percent(exchanged)}"
    return sentence


def scaling(row: Row) -> str:
    """Return how close N ranks come to N times the rate of one, or an empty sentence if the run did not measure both."""
    parts = []
    for mode, share in sorted(row.scaling.items(), reverse=True):  # training first
        words = "training" if mode == "train" else "mode load"
        parts.append(f"{verdicts.figure(share.estimate, units.format_percent)} in {words}")
    if not parts:
        return ""
    ranks = max(trial.spec.ranks for trials in row.trials.values() for trial in trials)
    return f"scaling efficiency of {ranks} ranks, against {ranks} times the rate of one: {', '.join(parts)}"


def _behind(ranks: Iterable[RankRecord], first: int) -> float:
    """Return how much longer the slowest rank's epochs took than the fastest one's, as a fraction."""
    walls = [sum(epoch.wall_s for epoch in rank.epochs[first:]) for rank in ranks]
    return max(walls) / min(walls) - 1 if min(walls, default=0.0) else 0.0


def _share(ranks: Iterable[RankRecord], first: int, seconds: Callable[[RankEpoch], float | None]) -> float:
    """Return the mean share of the ranks' epochs that such seconds take, beside other work or not."""
    shares = []
    for rank in ranks:
        wall_s = sum(epoch.wall_s for epoch in rank.epochs[first:])
        shares.append(sum(seconds(epoch) or 0.0 for epoch in rank.epochs[first:]) / wall_s if wall_s else 0.0)
    return fmean(shares) if shares else 0.0
