"""A run of two loaders whose ratio has a known noise, and the advice on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from feedrate.bench.results.record import RunRecord
from feedrate.reports.analysis.answers.answer import answers
from feedrate.reports.analysis.answers.next_step import NextStep
from feedrate.reports.analysis.summarize import summarize
from tests.samples.sample_record import record, trial


def compared(ratio: float, noise: tuple[float, ...]) -> RunRecord:
    """Loader b is `ratio` times a. The noise is b's alone, so it is that of the ratio."""
    trials = [trial("a", "train", 100, number) for number in range(len(noise))]
    trials += [trial("b", "train", 100 * ratio * (1 + x), number) for number, x in enumerate(noise)]
    return replace(record(*trials), baseline="a")


def advice(run: RunRecord) -> NextStep:
    [found] = answers(summarize([(Path("run"), run)]))
    return found.next
