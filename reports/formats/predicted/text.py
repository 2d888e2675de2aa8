"""Prints a prediction: a sentence, a table of cluster sizes, and all assumptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feedrate.bench.results.predictions.prediction import Cause, Point, Prediction
from feedrate.reports import units
from feedrate.reports.formats.terminal.columns import Column, print_columns
from feedrate.reports.formats.terminal.paragraphs import print_paragraph

if TYPE_CHECKING:
    from rich.console import Console

CAUSES: dict[Cause, str] = {
    "model": "the model", "loader": "the loader", "storage": "storage", "network": "averaging gradients",
}  # fmt: skip
"""What a bottleneck is called in a sentence."""


def print_prediction(prediction: Prediction, console: Console) -> None:
    """Print it to a console."""
    print_paragraph(console, answer(prediction), style="bold")
    console.print()
    print_columns(console, columns(prediction))
    console.print()
    print_paragraph(console, "Assumptions:")
    for sentence in prediction.assumptions:
        print_paragraph(console, f"- {sentence}")


def answer(prediction: Prediction) -> str:
    """Return the result in one or two sentences."""
    last = prediction.points[-1]
    rate = f"{prediction.loader} on {last.ranks:,} rank{'s' * (last.ranks != 1)}: {units.format_rate(last.rows_per_s)} (simulated)."
    first, *turns = prediction.turns
    later = "".join(f"; from {point.ranks:,} ranks on, {CAUSES[point.bottleneck]}" for point in turns)
    return f"{rate} Bottleneck: {CAUSES[first.bottleneck]}{later}."


def columns(prediction: Prediction) -> list[Column]:
    """Return the columns of the table, which the page has, too."""
    points = prediction.points
    return [
        Column(title="Nodes", cells=[f"{point.nodes:,}" for point in points]),
        Column(title="Ranks", cells=[f"{point.ranks:,}" for point in points]),
        Column(title="Training", cells=[units.format_rate(point.rows_per_s) for point in points]),
        Column(
            title="Efficiency", cells=[units.format_percent(prediction.efficiency(point)) for point in points], rank=1
        ),
        Column(title="In next()", cells=[units.format_percent(point.wait_fraction) for point in points]),
        Column(title="Gradients", cells=[units.format_percent(point.critical["network"]) for point in points]),
        Column(
            title="Slower ranks", cells=[units.format_percent(point.straggler_fraction) for point in points], rank=2
        ),
        Column(title="Bottleneck", cells=[_bottleneck(point) for point in points], left=True),
    ]


def _bottleneck(point: Point) -> str:
    return CAUSES[point.bottleneck]
