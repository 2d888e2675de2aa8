"""What is wrong with whole runs: one that did not finish, and one whose checkout had uncommitted changes."""

from __future__ import annotations

from dataclasses import dataclass

from feedrate.bench.results.record import RunRecord
from feedrate.reports.analysis.answers.continued_run import missing_trials
from feedrate.reports.analysis.summarize import Comparison

FIRST_WITH_REASON = 2
"""First version of records that say why they ended."""


@dataclass(frozen=True, slots=True)
class RunConcern:
    """One thing that is wrong with some runs."""

    text: str
    run: int
    """Place of the first of these runs in the comparison."""
    fact: str
    """Which fact about the run tells more. See `html.environment_rows`."""


def run_concerns(comparison: Comparison) -> list[RunConcern]:
    """Return a line for each unfinished run, and one for all runs with uncommitted changes."""
    several = len(comparison.runs) > 1
    found = [
        RunConcern(f"{f'run {name}' if several else 'the run'} did not finish: {_missing(record)}", number, "Rounds")
        for number, (name, record) in enumerate(comparison.runs)
        if not record.stopped and record.schema_version >= FIRST_WITH_REASON
    ]
    dirty = [number for number, (_, record) in enumerate(comparison.runs) if record.environment.dirty]
    if dirty:
        names = f" of {', '.join(comparison.runs[number][0] for number in dirty)}" if several else ""
        text = f"the checkout{names} had uncommitted changes, so nobody can repeat this measurement exactly"
        found.append(RunConcern(text, dirty[0], "feedrate"))
    return found


def _missing(record: RunRecord) -> str:
    rounds = {(trial.spec.repeat, trial.spec.seed) for trial in record.trials}
    missing = len(missing_trials(record, frozenset(rounds)))
    words = f"{len(rounds)} round{'s' * (len(rounds) != 1)}"
    if not missing:
        return f"it ended after {words}, before the planned end"
    return f"its {words} lack {missing} of {missing + len(record.trials)} trials"
