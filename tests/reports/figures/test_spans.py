"""Ranges of axes: they hold every mean and sample, and cut intervals that are far longer. A cut interval is marked and put into words."""

from __future__ import annotations

from pathlib import Path

import pytest

from feedrate.bench.results.stats import Estimate
from feedrate.reports import units
from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.figures.overview import figures
from feedrate.reports.figures.spans import arrows, cut_bars, linear_span, log_span
from tests.samples.sample_record import record, trial


def test_an_axis_holds_values_and_short_intervals() -> None:
    short = Estimate(100.0, 80.0, 125.0, 3)
    for span in (log_span([90, 110], [short]), linear_span([90, 110], [short])):
        assert span.low < 80
        assert span.high > 125
        assert not span.cuts(short)


@pytest.mark.parametrize(
    ("low", "high", "sides"), [(-128.0, 428.0, ["left", "right"]), (80.0, 428.0, ["right"]), (90.0, 110.0, [])]
)
def test_an_interval_that_is_far_longer_is_cut_and_gets_an_arrow(low: float, high: float, sides: list[str]) -> None:
    long = Estimate(100.0, low, high, 3)
    for span in (log_span([90, 110], [long]), linear_span([90, 110], [long])):
        assert span.cuts(long) == bool(sides)
        bars = cut_bars([long], span, "#000000")
        assert bars["arrayminus"][0] == pytest.approx(100 - max(low, span.low))
        assert bars["array"][0] == pytest.approx(min(high, span.high) - 100)
        symbols = [
            symbol for trace in arrows([long], ["a"], ["#000000"], span, "x") for symbol in trace["marker"]["symbol"]
        ]
        assert symbols == [f"triangle-{side}" for side in sides]


def test_a_single_value_or_none_gives_an_axis_of_some_length() -> None:
    for span in (
        log_span([]),
        log_span([5.0]),
        linear_span([]),
        linear_span([0.0]),
        linear_span([5.0], from_zero=False),
    ):
        assert span.low < span.high


def test_small_differences_look_small() -> None:
    span = linear_span([0.7620, 0.7621], from_zero=False, least=0.002)
    assert span.high - span.low == pytest.approx(0.0022)


def test_a_cut_interval_is_written_in_its_row_or_below_the_figure() -> None:
    trials = [trial("a", "train", rate, repeat, auc=auc) for repeat, (rate, auc) in enumerate([(10, 0.5), (1000, 0.8)])]
    steady = [trial("b", "train", 500, repeat, auc=0.7) for repeat in range(2)]
    by_name = {figure.name: figure for figure in figures(summarize([(Path("a"), record(*trials, *steady))]))}
    assert by_name["throughput"].layout["meta"]["values"] == {"a": "505<br>up to 6.79 k", "b": "500"}
    assert by_name["throughput"].cut == ""
    assert "a (anything)" in by_name["auc"].cut
    assert "b" not in by_name["auc"].cut


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.7, 0.8, "0.7000 to 0.8000"),
        (0.9, 1.1, "0.9000 or more"),
        (-0.1, 0.4, "up to 0.4000"),
        (-1.0, 2.0, "anything"),
    ],
)
def test_an_end_that_cannot_be_is_left_out(low: float, high: float, text: str) -> None:
    assert units.format_ends(low, high, units.format_auc) == text
    assert units.format_ends(1, 2, units.format_rate) == "1.00 rows/s to 2.00 rows/s"
