"""Renders a prediction as one HTML file that works offline."""

from __future__ import annotations

from datetime import UTC, datetime

from markupsafe import Markup

from feedrate.bench.results.predictions.prediction import Prediction
from feedrate.reports.figures.predictions import figures as figures_of
from feedrate.reports.formats import pagekit
from feedrate.reports.formats.predicted.text import answer, columns


def render(prediction: Prediction, *, made_at: datetime | None = None) -> str:
    """Return the HTML page.

    made_at: time printed in the footer. Default: now.
    """
    plotly, js = pagekit.plotly(), pagekit.page_script("page.js")
    table = columns(prediction)
    figures = figures_of(prediction)
    page: str = pagekit.template("prediction.html").render(
        policy=pagekit.policy_of_one_file(plotly, js, images="data: blob:"),
        answer=answer(prediction),
        head=[column.title for column in table],
        lines=list(zip(*(column.cells for column in table), strict=True)),
        assumptions=prediction.assumptions,
        figures=figures,
        figures_json=pagekit.script_json(
            [{"name": figure.name, "data": figure.data, "layout": figure.layout} for figure in figures]
        ),
        made_at=(made_at or datetime.now(UTC)).isoformat(timespec="seconds"),
        css=Markup(pagekit.page_style("page.css")),
        js=Markup(js),
        plotly=Markup(plotly),
    )
    return page
