"""The settings of a loader that were in force, whether a user or the loader itself chose them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from feedrate.bench.results.record import TrialResult

NOT_RECORDED = "not recorded"
"""Value of a setting that a loader chose for itself, in records without `options_in_force`."""
AUTOMATIC: Mapping[str, str] = {
    "window_rows": "0", "part_size_bytes": "0", "parts_per_chunk": "0", "threads": "0", "buffer_size": "0", "decode": "auto",
}  # fmt: skip
"""Options of feedrate's adapters whose value left the choice to the loader, in records without `options_in_force`."""


def settings_in_force(trials: Iterable[TrialResult]) -> dict[str, str]:
    """Return the options of a loader's trials with their values. Trials in which a loader chose differently have several."""
    values: dict[str, dict[str, None]] = {}
    for trial in trials:
        for name, value in _settings(trial).items():
            values.setdefault(name, {})[value] = None
    return {name: " or ".join(different) for name, different in values.items()}


def _settings(trial: TrialResult) -> Mapping[str, str]:
    options = trial.options or {}
    if trial.options_in_force is not None:
        return {**options, **trial.options_in_force}
    return {name: NOT_RECORDED if AUTOMATIC.get(name) == value else value for name, value in options.items()}
