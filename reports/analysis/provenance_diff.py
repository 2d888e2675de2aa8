"""Lists what differs between runs.

If the task differs, their numbers cannot be compared. Machine, versions and settings may differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from feedrate.bench.results.record import RunRecord
from feedrate.bench.results.spec import TrialSpec
from feedrate.reports.names import plain

Kind = Literal["task", "machine", "version", "setting"]
"""Kind of a difference. Runs with different tasks cannot be compared."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact that is not the same in all runs."""

    what: str
    """Name of the fact, such as "GPU"."""
    values: tuple[str, ...]
    """One value for each run."""
    kind: Kind

    def __str__(self) -> str:
        return f"{self.what} ({' and '.join(dict.fromkeys(self.values))})"


def provenance_diff(runs: Sequence[RunRecord]) -> list[Difference]:
    """Return the facts that differ between runs, those of the task first."""
    facts = [dict(_facts(run)) for run in runs]
    keys = dict.fromkeys(key for run_facts in facts for key in run_facts)
    rows = [
        (kind, what, tuple(plain(run_facts.get((kind, what), "none")) for run_facts in facts)) for kind, what in keys
    ]
    return [Difference(what, values, kind) for kind, what, values in rows if len(set(values)) > 1]


def _facts(run: RunRecord) -> Iterator[tuple[tuple[Kind, str], str]]:
    env = run.environment

    def of_trials(value: Callable[[TrialSpec], object]) -> str:
        return ", ".join(sorted({str(value(trial.spec)) for trial in run.trials}))

    yield ("task", "dataset"), run.dataset.fingerprint[:12]
    yield ("task", "device"), of_trials(lambda spec: spec.device.partition(":")[0])
    yield ("task", "shuffle"), of_trials(lambda spec: spec.shuffle)
    yield ("task", "epochs"), of_trials(lambda spec: spec.epochs)
    yield ("task", "model"), of_trials(lambda spec: spec.model)
    yield ("task", "page cache"), of_trials(lambda spec: spec.cache)
    yield ("machine", "GPU"), env.gpu or "none"
    yield ("machine", "CPU"), env.cpu
    yield ("machine", "cores"), str(env.cores)
    yield ("version", "driver"), env.driver or "none"
    yield ("version", "Python"), env.python
    yield ("version", "feedrate"), env.feedrate
    yield ("version", "commit"), f"{(env.commit or 'none')[:12]}{'+' * bool(env.dirty)}"
    for package, version in env.packages.items():
        yield ("version", package), version
    yield ("setting", "batch sizes"), of_trials(lambda spec: spec.batch_size)
    yield ("setting", "memory budget"), of_trials(lambda spec: spec.memory_budget_bytes)
    yield ("setting", "workers"), of_trials(lambda spec: spec.workers)
    yield ("setting", "prefetch"), of_trials(lambda spec: spec.prefetch)
