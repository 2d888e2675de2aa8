"""Continues a run, or repeats one that cannot be continued: which rounds that means, how long they take, and the command."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from statistics import fmean
from typing import get_args

from feedrate.bench.results.record import SCHEMA_VERSION, RunRecord, TrialResult
from feedrate.bench.results.spec import DEFAULT_LOADERS, Mode, TrialSpec
from feedrate.bench.results.store import TRIED_AGAIN
from feedrate.reports.analysis import verdicts
from feedrate.reports.analysis.metrics import BY_NAME
from feedrate.reports.analysis.summarize import Row

Rounds = frozenset[tuple[int, int]]
"""Rounds, each as (repeat, seed)."""
Kind = tuple[str, str, int]
"""Loader, mode and batch size of a trial."""
_STOPS = ("--repeats", "--budget", "--precision")
"""Options that say how many rounds to run. A new number of rounds replaces all of them."""
_SWITCHES = ("--overwrite", "--resume")
_MODES = get_args(Mode)
_OUTPUTS = ("-o", "--output")


@dataclass(frozen=True, slots=True, kw_only=True)
class MoreRounds:
    """What a continued run adds, or what a new run has."""

    rounds: int
    """Rounds that count. Every seed gets equally many, so it may be more than were wanted."""
    options: Mapping[str, str]
    """Options of the command that runs them."""
    seconds: float | None
    """How long it takes, filling gaps of earlier rounds included; None if the record does not tell."""


def done_rounds(rows: Sequence[Row], name: str) -> Rounds:
    """Return the rounds in which all of these rows have a value of a metric."""
    rounds = [frozenset(key[1:] for key in verdicts.row_samples(row, BY_NAME[name])) for row in rows]
    return frozenset.intersection(*rounds)


def share_rounds(row: Row) -> Rounds:
    """Return the rounds that have both the loader's training and its ceiling."""
    train, replay = (
        frozenset((trial.spec.repeat, trial.spec.seed) for trial in row.trials.get(mode, ()))
        for mode in ("train", "replay")
    )
    return train & replay


def with_more_rounds(record: RunRecord, more: int, done: Rounds, *, anew: bool = False) -> MoreRounds:
    """Return how to add at least this many rounds to those that are done. A round of the loader only is not done for training.

    A run with one round gets more seeds, because only seeds can judge an AUC.

    anew: a new run repeats the rounds that are done.
    """
    rounds = {(trial.spec.repeat, trial.spec.seed) for trial in record.trials}
    seeds, repeats = list(dict.fromkeys(trial.spec.seed for trial in record.trials)), 1
    if len(rounds) == 1:
        seeds = [seeds[0] + number for number in range(1 + more)]
    while len(_grid(seeds, repeats) - done) < more:
        repeats += 1
    grid = _grid(seeds, repeats)
    options = {**_axes(record), "--repeats": str(repeats), "--seeds": ",".join(map(str, seeds))}
    return MoreRounds(
        rounds=len(grid if anew else grid - done), options=options, seconds=_seconds(record, grid, anew=anew)
    )


def _grid(seeds: Sequence[int], repeats: int) -> Rounds:
    return frozenset((repeat, seed) for repeat in range(repeats) for seed in seeds)


def _axes(record: RunRecord) -> dict[str, str]:
    """Return the loaders and modes that sessions after the first one added, as options. The command has those of the first one."""
    words = record.environment.command.split()
    modes, loaders = _listed(words, "--modes", _MODES), _listed(words, "--loaders", DEFAULT_LOADERS)
    measured = {trial.spec.mode for trial in record.trials}
    names = dict.fromkeys(trial.spec.loader for trial in record.trials if trial.spec.mode != "replay")
    options = {}
    if not measured <= {*modes}:
        options["--modes"] = ",".join(mode for mode in _MODES if mode in measured)
    if not {*names} <= {*loaders}:
        ceilings = [name for name in loaders if name.startswith("replay")]
        options["--loaders"] = ",".join([*ceilings, *names])
    return options


def _listed(words: Sequence[str], name: str, default: Sequence[str]) -> list[str]:
    """Return the values of an option of a command, as A,B or in the next word."""
    for word, after in pairwise([*words, ""]):
        option, _, value = word.partition("=")
        if option == name:
            return (value or after).split(",")
    return list(default)


def _seconds(record: RunRecord, rounds: Rounds, *, anew: bool) -> float | None:
    """Return how long the missing trials of these rounds take. A trial takes as long as those of its loader and mode did.

    anew: all trials are missing.
    """
    seconds = _trial_seconds(record)
    if not seconds:
        return None
    typical = fmean(value for values in seconds.values() for value in values)
    ended = () if anew else tuple(trial for trial in record.trials if trial.status not in TRIED_AGAIN)
    kinds = {_kind(trial.spec) for trial in record.trials}
    return sum(
        fmean(seconds.get(kind, [typical])) for kind in missing_trials(replace(record, trials=ended), rounds, kinds)
    )


def missing_trials(record: RunRecord, rounds: Rounds, kinds: Set[Kind] = frozenset()) -> list[Kind]:
    """Return the kind of each trial that these rounds lack. kinds: those of a whole round. Default: those of the record."""
    done = {(_kind(trial.spec), trial.spec.repeat, trial.spec.seed) for trial in record.trials}
    wanted = kinds or {_kind(trial.spec) for trial in record.trials}
    return [kind for kind in sorted(wanted) for repeat, seed in rounds if (kind, repeat, seed) not in done]


def _kind(spec: TrialSpec) -> Kind:
    return spec.loader, spec.mode, spec.batch_size


def _trial_seconds(record: RunRecord) -> dict[Kind, list[float]]:
    """Return the seconds from the start of each trial to the next start of its session, by loader, mode and batch size."""
    sessions: dict[str | None, list[tuple[datetime, TrialResult]]] = {}
    for trial in record.trials:
        if (start := _time(trial.started_at)) is not None:
            sessions.setdefault(trial.run_at, []).append((start, trial))
    seconds: dict[Kind, list[float]] = {}
    for trials in sessions.values():
        for (start, trial), (end, _) in pairwise(sorted(trials, key=lambda pair: pair[0])):
            seconds.setdefault(_kind(trial.spec), []).append((end - start).total_seconds())
    return seconds


def _time(text: str | None) -> datetime | None:
    """Read a UTC time. Text that is none, in a record of a stranger, counts as not known."""
    try:
        return datetime.fromisoformat(text or "").astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def with_training(record: RunRecord) -> dict[str, str]:
    """Return the options that add training and its ceiling to a run. Its own modes stay, or it could not be continued."""
    modes = {trial.spec.mode for trial in record.trials} | {"replay", "train"}
    return {"--modes": ",".join(sorted(modes))}


def continued(record: RunRecord, options: Mapping[str, str], *, anew: bool = False) -> str:
    """Return the command that continues a run with other options; empty if its record does not say how it was run.

    Records may come from strangers, so every word is quoted for the shell.

    anew: the command makes a new run beside it, in a folder with "-2" at its end.
    """
    words = record.environment.command.split()
    if words[:2] != ["feedrate", "run"] or record.schema_version != SCHEMA_VERSION:
        return ""
    kept, dropped, skip = [], {*options, *(_STOPS if "--repeats" in options else ())}, False
    for word in words:
        name, _, value = word.partition("=")
        if not skip and name not in (*dropped, *_SWITCHES):
            kept.append(word)
        skip = not skip and name in dropped and not value
    kept += [word for pair in options.items() for word in pair]
    return " ".join(map(shlex.quote, _beside(kept) if anew else [*kept, "--resume"]))


def _beside(words: Sequence[str]) -> Iterator[str]:
    """Yield the words of a command with another output folder."""
    for before, word in pairwise(["", *words]):
        name, _, value = word.partition("=")
        if before in _OUTPUTS or (name in _OUTPUTS and value):
            yield f"{word.rstrip('/')}-2"
        else:
            yield word
