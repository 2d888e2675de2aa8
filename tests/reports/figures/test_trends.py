"""Trends: axes on which a change that does not matter looks small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.bench.results import store
from feedrate.reports.analysis.history import history
from feedrate.reports.figures.figure import Figure
from feedrate.reports.figures.trends import figure
from tests.samples.sample_record import RUN, record, trial


def _figure(folder: Path, metric: str, rates: tuple[float, ...], scores: tuple[float, ...]) -> Figure:
    for day, (rate, auc) in enumerate(zip(rates, scores, strict=True), 1):
        environment = replace(RUN.environment, started_at=f"2026-01-0{day}T00:00:00+00:00", commit=f"{day}abcdef0123")
        run = record(trial("a", "train", rate, auc=auc))
        store.write(folder / f"r{day}", replace(run, environment=environment))
    [series] = [series for series in history(folder, pytest.fail).series if series.metric.name == metric]
    return figure("f", [series], ["a"])


def test_one_per_cent_of_a_rate_is_one_per_cent_of_the_axis(tmp_path: Path) -> None:
    low, high = _figure(tmp_path, "train_rows_per_s", (100, 101), (0.8, 0.8)).layout["yaxis"]["range"]
    assert low == 0
    assert high == pytest.approx(101, rel=0.06)


def test_a_change_of_auc_that_does_not_matter_is_a_small_part_of_the_axis(tmp_path: Path) -> None:
    low, high = _figure(tmp_path, "auc", (100, 100), (0.8, 0.8005)).layout["yaxis"]["range"]
    assert 0.0005 / (high - low) < 0.025
    assert low < 0.8 < 0.8005 < high
