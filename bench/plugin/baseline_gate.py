"""The gate of the pytest plugin: its options, read before anything is collected, and a test's numbers against the saved run's.

Knows nothing of torch: a mistaken option is to be said at once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from feedrate.loaders.errors import FeedrateError
from feedrate.reports.analysis.gates import Gate, read_gates
from feedrate.reports.names import plain

FAIL_IF, BASELINE = "--feedrate-fail-if", "--feedrate-baseline"
GATED = ("rows_per_s", "wait_fraction", "auc")
SETTINGS = ("mode", "dataset_fingerprint", "rows", "seed", "batch_size", "rounds", "device")
"""What must agree before two runs may be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The saved run, and what must not become worse against it."""

    gates: Sequence[Gate]
    path: Path
    saved: Mapping[str, Mapping[str, Any]]
    """The extra_info of each test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedBenchmark:
    fullname: str
    extra_info: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRun:
    """Of pytest-benchmark's file, what is needed here."""

    benchmarks: list[SavedBenchmark]


def read_options(config: pytest.Config) -> Baseline | None:
    """None where nothing is gated. Raises UsageError."""
    conditions, named = config.getoption(FAIL_IF), config.getoption(BASELINE)
    try:
        if conditions is None:
            if named is not None:
                _read_saved(Path(named))
            return None
        gates = read_gates(conditions, option=FAIL_IF, metrics=GATED)
        if not gates:
            raise FeedrateError(f"{FAIL_IF} is {conditions!r}, but takes conditions as rows_per_s<-5% or auc<-0.002")
        _refuse_untimed(config)
        path = _latest(config) if named is None else Path(named)
        return Baseline(gates=gates, path=path, saved=_read_saved(path))
    except FeedrateError as error:
        raise pytest.UsageError(str(error)) from error


def comparable(baseline: Baseline, test: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was saved of this test. Raises FeedrateError where it says nothing about a run of these settings."""
    if test not in baseline.saved:
        raise FeedrateError(f"{baseline.path} has no benchmark {test!r}: save a run that has it")
    base = baseline.saved[test]
    differ = [
        f"{name} ({base.get(name, 'not recorded')} and {settings[name]})"
        for name in SETTINGS
        if base.get(name) != settings[name]
    ]
    if differ:
        raise FeedrateError(
            f"{baseline.path} must not be compared with this run, for they differ in {'; '.join(differ)}"
        )
    return base


def other_machine(baseline: Baseline, base: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """A sentence; empty where both ran on machines of one kind."""
    one, other = base.get("machine", "a machine that is not recorded"), settings["machine"]
    return "" if one == other else f"{baseline.path} was measured on {one}, and this run on {other}"


def failures(baseline: Baseline, base: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each condition that is met, by each of the rounds where there are several (so little is chance), and for
    each that cannot be judged. A metric that this mode does not measure is left to other tests: see unmeasured()."""
    for gate in baseline.gates:
        if gate.metric in found and (sentence := _failure(gate, base.get(gate.metric), found)):
            yield sentence


def unmeasured(baseline: Baseline, results: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each condition that no test was held against: it would otherwise pass for ever."""
    modes = " and ".join(sorted({found["mode"] for found in results}))
    why = f"it is not measured in mode {modes}" if modes else "none timed a loader"
    return [
        f"{FAIL_IF} has {gate.text!r}, but no test has measured {gate.metric}: {why}"
        for gate in baseline.gates
        if not any(gate.metric in found for found in results)
    ]


def lost(baseline: Baseline, ran: Collection[str]) -> list[str]:
    """A sentence for each test of the saved run that is of a file which has run, and has not run itself: it may be what is slow.

    ran: ids of the tests that timed a loader.
    """
    files = {test.partition("::")[0] for test in ran}
    return [
        f"{plain(test)} was measured in {baseline.path}, and is not any more"
        for test, info in baseline.saved.items()
        if test.partition("::")[0] in files and test not in ran and any(gate.metric in info for gate in baseline.gates)
    ]


def _refuse_untimed(config: pytest.Config) -> None:
    """Where pytest-benchmark is told not to time, there is one cold epoch or none."""
    enabled, only = (config.getoption(f"benchmark_{name}", False) for name in ("enable", "only"))
    for option, overruled in (("disable", enabled), ("skip", only)):
        if config.getoption(f"benchmark_{option}", False) and not overruled:
            raise FeedrateError(
                f"{FAIL_IF} needs timed rounds, and --benchmark-{option} has none: leave one of them out"
            )


def _latest(config: pytest.Config) -> Path:
    """The one with the highest number in pytest-benchmark's storage."""
    storage: str = config.getoption("benchmark_storage", "file://./.benchmarks")
    if "://" in storage and not storage.startswith("file://"):
        raise FeedrateError(
            f"{FAIL_IF} reads files, and --benchmark-storage is {storage!r}: name a file with {BASELINE}"
        )
    folder = config.invocation_params.dir / storage.removeprefix("file://")
    saved = sorted(folder.glob("*/[0-9][0-9][0-9][0-9]_*.json"), key=lambda path: path.name)
    if not saved:
        raise FeedrateError(
            f"{FAIL_IF} needs a saved run, and {folder} has none: make one with --benchmark-save=NAME, or name one with {BASELINE}"
        )
    return saved[-1]


def _read_saved(path: Path) -> dict[str, dict[str, Any]]:
    try:
        run = msgspec.convert(json.loads(path.read_bytes()), SavedRun)
    except OSError as error:
        raise FeedrateError(f"{BASELINE} is {str(path)!r}, which cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise FeedrateError(
            f"{BASELINE} is {str(path)!r}, which is no file of pytest-benchmark ({error}): --benchmark-json=FILE makes one"
        ) from error
    return {one.fullname: {name: _shown(value) for name, value in one.extra_info.items()} for one in run.benchmarks}


def _shown(value: Any) -> Any:
    """Text of a file from elsewhere, fit for a terminal."""
    return plain(value)[:200] if isinstance(value, str) else value


def _failure(gate: Gate, before: Any, found: Mapping[str, Any]) -> str:
    after = found[gate.metric]
    if not isinstance(before, int | float) or not math.isfinite(before) or not math.isfinite(after):
        return f"{gate.text}: {gate.metric} is {after}, and was {before}, which cannot be compared"
    if gate.relative and before == 0:
        return f"{gate.text}: {gate.metric} was 0, of which a percentage says nothing: name a difference, without %"
    rounds: Sequence[float] = found.get(f"{gate.metric}_rounds") or [after]
    if not all(_beyond(gate, before, value) for value in (after, *rounds)):
        return ""
    change = f"{after / before - 1:+.1%}" if gate.relative else f"{after - before:+.4g}"
    return f"{gate.metric} is {after:.6g}, and was {before:.6g}: {change}, beyond {gate.text}, in each of {len(rounds)} rounds"


def _beyond(gate: Gate, before: float, after: float) -> bool:
    change = after / before - 1 if gate.relative else after - before
    return change < gate.limit if gate.sign == "<" else change > gate.limit
