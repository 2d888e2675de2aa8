"""Datasets in loaders' own formats, each written by a process of its own before the first trial that reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from feedrate.bench.results.messages import Progress
from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.run.loader_lookup import prepares
from feedrate.bench.run.trial_process import run_in_process


class Preparations:
    """What a run has prepared so far. A preparation that failed is not tried again, and fails all trials that need it."""

    def __init__(self, dataset: Path, *, timeout_s: float, progress: Callable[[TrialSpec], Progress]) -> None:
        """timeout_s: seconds without a sign of life after which a preparation has failed."""
        self._dataset, self._timeout_s, self._progress = dataset, timeout_s, progress
        self._results: dict[TrialSpec, tuple[TrialResult, bytes]] = {}

    def before(self, python: str, spec: TrialSpec) -> tuple[TrialResult | None, bytes]:
        """Prepare for a trial. Return None, or the trial's result if that failed, and what the preparation printed.

        Formats that are there already stay. python: the loader's interpreter.
        """
        if not prepares(spec.loader):
            return None, b""
        key = replace(spec, mode="load", repeat=0, seed=0)
        if key not in self._results:
            self._results[key] = run_in_process(
                python,
                spec,
                self._dataset,
                timeout_s=self._timeout_s,
                progress=self._progress(spec),
                only_prepare=True,
            )
        result, output = self._results[key]
        if result.status == "ok":
            return None, output
        detail = f"the preparation of its format failed: {result.detail}"
        return replace(result, spec=spec, detail=detail), output
