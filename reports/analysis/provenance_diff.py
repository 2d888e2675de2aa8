"""Lists what differs between runs.

If the task differs, their numbers cannot be compared. Machine, versions and settings may differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Literal

from feedrate.bench.results.record import RunRecord
from feedrate.bench.results.spec import ModelSpec, TrialSpec
from feedrate.reports import units
from feedrate.reports.names import plain

Kind = Literal["task", "machine", "version", "setting"]
"""Kind of a difference. Runs with different tasks cannot be compared."""


_TASK = ("shuffle", "epochs", "cache")
"""Fields of TrialSpec that change the task. Every other field is a setting, so a new field is compared without a change here."""

_OF_ONE_TRIAL = ("loader", "mode", "repeat", "seed", "device", "model")
"""Fields of TrialSpec that differ between the trials of a run, or that _facts takes apart itself."""


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
    dataset_names = {run.dataset.fingerprint: run.dataset.name for run in runs}  # a copy may have another name
    facts = [dict(_facts(run, dataset_names)) for run in runs]
    keys = dict.fromkeys(key for run_facts in facts for key in run_facts)
    rows = [
        (kind, what, tuple(plain(run_facts.get((kind, what), "none")) for run_facts in facts)) for kind, what in keys
    ]
    return [Difference(what, values, kind) for kind, what, values in rows if len(set(values)) > 1]


def _facts(run: RunRecord, dataset_names: Mapping[str, str]) -> Iterator[tuple[tuple[Kind, str], str]]:
    env = run.environment

    def of_trials(value: Callable[[TrialSpec], object]) -> str:
        return ", ".join(sorted(map(units.format_setting, {value(trial.spec) for trial in run.trials})))

    yield ("task", "dataset"), f"{dataset_names[run.dataset.fingerprint]} {run.dataset.fingerprint[:12]}"
    yield ("task", "device"), of_trials(lambda spec: spec.device.partition(":")[0])
    for field in fields(ModelSpec):
        yield (
            ("task", f"model {_words(field.name)}"),
            of_trials(attrgetter(f"model.{field.name}")),
        )
    for field in fields(TrialSpec):
        if field.name not in _OF_ONE_TRIAL:
            kind: Kind = "task" if field.name in _TASK else "setting"
            yield (kind, _words(field.name)), of_trials(attrgetter(field.name))
    yield ("machine", "GPU"), env.gpu or "none"
    yield ("machine", "CPU"), env.cpu
    yield ("machine", "cores"), str(env.cores)
    yield ("version", "driver"), env.driver or "none"
    yield ("version", "Python"), env.python
    yield ("version", "feedrate"), env.feedrate
    yield ("version", "commit"), f"{(env.commit or 'none')[:12]}{'+' * bool(env.dirty)}"
    for package, version in env.packages.items():
        yield ("version", package), version


def _words(field_name: str) -> str:
    return field_name.removesuffix("_bytes").replace("_", " ")
