"""Renders a prediction as one HTML file that works offline."""

from __future__ import annotations

from datetime import datetime

from feedrate.bench.results.predictions.prediction import Prediction
from feedrate.reports.figures.predictions import figures as figures_of
from feedrate.reports.formats import pagekit
from feedrate.reports.formats.predicted.text import answer, columns


def render(prediction: Prediction, *, made_at: datetime | None = None) -> str:
    """Return the HTML page.

    made_at: time printed in the footer. Default: now.
    """
    table = columns(prediction)
    figures = figures_of(prediction)
    page: str = pagekit.template("prediction.html").render(
        **pagekit.one_file(made_at),
        answer=answer(prediction),
        head=[column.title for column in table],
        lines=list(zip(*(column.cells for column in table), strict=True)),
        assumptions=prediction.assumptions,
        figures=figures,
        figures_json=pagekit.figures_json(figures),
    )
    return page
