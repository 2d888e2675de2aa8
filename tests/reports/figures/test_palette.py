"""Colours: each means one thing on a page, and can be seen on light and dark paper."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.reports.analysis.stall_split import CAUSES as CAUSES_OF_WAITING
from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.figures.overview import figures
from feedrate.reports.figures.palette import CAUSES, LOADERS, NEUTRAL, look, looks
from tests.samples.sample_record import record, trial

PAPERS = ("#ffffff", "#14171a")
"""Backgrounds of the light and the dark page, as in report.css."""


def _luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colour", [*LOADERS, NEUTRAL])
def test_every_colour_stands_out_from_light_and_dark_paper(colour: str) -> None:
    for paper in PAPERS:
        darker, lighter = sorted((_luminance(colour), _luminance(paper)))
        assert (lighter + 0.05) / (darker + 0.05) >= 3


def test_no_colour_means_two_things() -> None:
    colours = [*LOADERS, NEUTRAL, *(colour for colour, _ in CAUSES.values())]
    assert len({*colours}) == len(colours)
    assert CAUSES.keys() == CAUSES_OF_WAITING.keys()


def test_forty_loaders_look_different() -> None:
    assert len({look(number) for number in range(40)}) == 40


def test_a_loader_has_one_colour_in_all_figures_of_a_page() -> None:
    trials = [
        trial(name, "train", rate, repeat) for name, rate in (("a", 100), ("b", 200), ("c", 300)) for repeat in range(2)
    ]
    trials += [replace(trial("d", "load", 500), peak_rss_bytes=None)]
    comparison = summarize([(Path("a"), record(*trials))])
    colours: dict[str, set[str]] = {}
    for figure in figures(comparison):
        for trace in figure.data:
            if "loader" in trace.get("meta", {}) and "name" in trace:
                colour = trace["line"]["color"] if trace["mode"].startswith("lines") else trace["marker"]["color"]
                colours.setdefault(trace["meta"]["loader"], set()).add(colour)
    assert colours == {row.label: {looks(comparison.rows)[row.label].colour} for row in comparison.rows}
    assert len(colours) == 4


def test_a_loader_keeps_its_colour_on_a_page_with_several_comparisons() -> None:
    rows = summarize([(Path("a"), record(trial("b", "train", 100), trial("a", "train", 200)))]).rows
    [other] = summarize([(Path("a"), record(trial("b", "train", 100)))]).rows
    assert looks(rows, ["a", "b"])["b"].colour == looks([other], ["a", "b"])["b"].colour == look(1).colour
