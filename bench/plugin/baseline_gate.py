"""The pytest plugin's gate: reads its options and compares the numbers of each test with a saved run.

The options are read before tests are collected. This module does not import torch, so that a wrong option is reported
at once.
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
"""Metrics that conditions may use."""
SETTINGS = ("mode", "dataset_fingerprint", "rows", "seed", "batch_size", "rounds", "device")
"""Settings that must be equal before two runs may be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The saved run, and the conditions under which a test fails against it."""

    gates: Sequence[Gate]
    path: Path
    saved: Mapping[str, Mapping[str, Any]]
    """The extra_info of each test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedBenchmark:
    """One benchmark in a file of pytest-benchmark, reduced to what the gate needs."""

    fullname: str
    """The test's id."""
    extra_info: dict[str, Any]
    """The settings and numbers that the fixture stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRun:
    """A file of pytest-benchmark, reduced to what the gate needs."""

    benchmarks: list[SavedBenchmark]


def read_options(config: pytest.Config) -> Baseline | None:
    """Read the plugin's options. Returns None without conditions. Raises pytest.UsageError for an invalid option."""
    conditions, named = config.getoption(FAIL_IF), config.getoption(BASELINE)
    try:
        if conditions is None:
            if named is not None:
                _read_saved(Path(named))
            return None
        gates = read_gates(conditions, option=FAIL_IF, metrics=GATED)
        if not gates:
            raise FeedrateError(f"{FAIL_IF} is {conditions!r}, but takes conditions like rows_per_s<-5% or auc<-0.002")
        _refuse_untimed(config)
        path = _latest(config) if named is None else Path(named)
        return Baseline(gates=gates, path=path, saved=_read_saved(path))
    except FeedrateError as error:
        raise pytest.UsageError(str(error)) from error


def comparable(baseline: Baseline, test: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the saved numbers of this test. Raises FeedrateError if there are none, or if the settings differ."""
    if test not in baseline.saved:
        raise FeedrateError(f"{baseline.path} has no benchmark {test!r}: save a run that includes it")
    base = baseline.saved[test]
    differences = [
        f"{name} ({base.get(name, 'not recorded')} and {settings[name]})"
        for name in SETTINGS
        if base.get(name) != settings[name]
    ]
    if differences:
        raise FeedrateError(
            f"{baseline.path} cannot be compared with this run, because they differ in: {'; '.join(differences)}"
        )
    return base


def other_machine(baseline: Baseline, base: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """Return a warning if the two runs come from different kinds of machine, and "" otherwise."""
    before, now = base.get("machine", "an unknown machine"), settings["machine"]
    return "" if before == now else f"{baseline.path} was measured on {before}, but this run on {now}"


def failures(baseline: Baseline, base: Mapping[str, Any], result: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each condition that is met, and for each that cannot be judged.

    Every round must meet the condition, so that chance explains little. A metric that this mode does not measure is
    left to other tests: see unmeasured().
    """
    for gate in baseline.gates:
        if gate.metric in result and (sentence := _failure(gate, base.get(gate.metric), result)):
            yield sentence


def unmeasured(baseline: Baseline, results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each condition that no test was checked against: it would otherwise pass for ever."""
    modes = " and ".join(sorted({result["mode"] for result in results}))
    reason = f"it is not measured in mode {modes}" if modes else "no test timed a loader"
    return [
        f"{FAIL_IF} has {gate.text!r}, but {gate.metric} was not measured: {reason}"
        for gate in baseline.gates
        if not any(gate.metric in result for result in results)
    ]


def lost(baseline: Baseline, ran: Collection[str]) -> list[str]:
    """Return a sentence for each saved test that did not run, although its file did: it may be the slow one.

    ran: ids of the tests that timed a loader.
    """
    files = {test.partition("::")[0] for test in ran}
    return [
        f"{plain(test)} was measured in {baseline.path}, but not in this run"
        for test, info in baseline.saved.items()
        if test.partition("::")[0] in files and test not in ran and any(gate.metric in info for gate in baseline.gates)
    ]


def _refuse_untimed(config: pytest.Config) -> None:
    """Raise FeedrateError if pytest-benchmark is told not to time: there would be one cold epoch or none."""
    enabled, only = (config.getoption(f"benchmark_{name}", False) for name in ("enable", "only"))
    for option, overridden in (("disable", enabled), ("skip", only)):
        if config.getoption(f"benchmark_{option}", False) and not overridden:
            raise FeedrateError(f"{FAIL_IF} needs timed rounds, but --benchmark-{option} prevents them: use only one")


def _latest(config: pytest.Config) -> Path:
    """Return the saved run with the highest number in pytest-benchmark's storage."""
    storage: str = config.getoption("benchmark_storage", "file://./.benchmarks")
    if "://" in storage and not storage.startswith("file://"):
        raise FeedrateError(
            f"--benchmark-storage is {storage!r}, but {FAIL_IF} can only read files: specify one with {BASELINE}"
        )
    folder = config.invocation_params.dir / storage.removeprefix("file://")
    saved = sorted(folder.glob("*/[0-9][0-9][0-9][0-9]_*.json"), key=lambda path: path.name)
    if not saved:
        raise FeedrateError(
            f"{FAIL_IF} needs a saved run, but {folder} has none: "
            f"create one with --benchmark-save=NAME, or specify one with {BASELINE}=FILE"
        )
    return saved[-1]


def _read_saved(path: Path) -> dict[str, dict[str, Any]]:
    try:
        run = msgspec.convert(json.loads(path.read_bytes()), SavedRun)
    except OSError as error:
        raise FeedrateError(f"{BASELINE} is {str(path)!r}, which cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise FeedrateError(
            f"{BASELINE} is {str(path)!r}, which is not a pytest-benchmark file ({error}): "
            "create one with --benchmark-json=FILE"
        ) from error
    return {
        saved.fullname: {name: _printable(value) for name, value in saved.extra_info.items()}
        for saved in run.benchmarks
    }


def _printable(value: Any) -> Any:
    """Make text from somebody else's file safe for a terminal, at most 200 characters of it."""
    return plain(value)[:200] if isinstance(value, str) else value


def _failure(gate: Gate, before: Any, result: Mapping[str, Any]) -> str:
    after = result[gate.metric]
    if not isinstance(before, int | float) or not math.isfinite(before) or not math.isfinite(after):
        return f"{gate.text}: {gate.metric} is {after} and was {before}, which cannot be compared"
    if gate.relative and before == 0:
        return f"{gate.text}: {gate.metric} was 0, so a percentage is meaningless: specify a difference without %"
    rounds: Sequence[float] = result.get(f"{gate.metric}_rounds") or [after]
    if not all(_beyond(gate, before, value) for value in (after, *rounds)):
        return ""
    change = f"{after / before - 1:+.1%}" if gate.relative else f"{after - before:+.4g}"
    count = f"{len(rounds)} of {len(rounds)} rounds"
    return f"{gate.metric} is {after:.6g}, but was {before:.6g} ({change}): beyond {gate.text} in {count}"


def _beyond(gate: Gate, before: float, after: float) -> bool:
    change = after / before - 1 if gate.relative else after - before
    return change < gate.limit if gate.sign == "<" else change > gate.limit
