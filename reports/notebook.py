"""Draws a report's figures inline in a notebook. The cell's output holds Plotly's JavaScript, so it needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from markupsafe import Markup, escape

from feedrate.bench.results.profiles.explained import Explained
from feedrate.loaders.errors import FeedrateError
from feedrate.reports.analysis.answers.answer import summary
from feedrate.reports.analysis.summarize import Comparison
from feedrate.reports.figures.figure import Figure
from feedrate.reports.figures.overview import figures
from feedrate.reports.figures.profiles import profile_figures
from feedrate.reports.formats.pagekit import plotly, script_json, shown
from feedrate.reports.names import visible

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as PlotlyFigure

LAYOUT: dict[str, Any] = {
    "template": "none",
    "margin": {"l": 16, "r": 16, "t": 16, "b": 48},
    "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
}
"""Layout that all figures share. What a figure sets itself comes on top."""
AXIS: dict[str, Any] = {"automargin": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineFigures:
    """The answer and the figures of some runs. A notebook draws them if this is the last value of a cell.

    `shown["throughput"]` is one of them as a `plotly.graph_objects.Figure`, which can be changed and draws itself, too.
    """

    answer: str
    figures: tuple[Figure, ...]

    @classmethod
    def of(cls, comparison: Comparison, profiles: Sequence[Explained] = ()) -> InlineFigures:
        """Return the figures of the report's page, in its order."""
        return cls(answer=summary(comparison), figures=(*figures(comparison), *profile_figures(profiles)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the figures, which item access takes."""
        return tuple(figure.name for figure in self.figures)

    def __getitem__(self, name: str) -> PlotlyFigure:
        """Return a figure with its title as a Plotly figure. Raises FeedrateError for a name that is not in `names`."""
        from plotly.graph_objects import Figure as PlotlyFigure

        for figure in self.figures:
            if figure.name == name:
                layout = {**_layout(figure), "title": {"text": str(escape(figure.title))}, "margin": {"t": 64}}
                return PlotlyFigure(data=shown(figure.data), layout=shown(layout))
        raise FeedrateError(f"there is no figure {name!r}: choose one of {', '.join(self.names)}")

    def __repr__(self) -> str:
        return visible(f"{self.answer} Figures: {', '.join(self.names)}")

    def _repr_mimebundle_(self, **_wanted: object) -> dict[str, str]:
        """Return what Jupyter, VS Code and nbconvert draw."""
        return {"text/html": self._html(), "text/plain": repr(self)}

    def _html(self) -> str:
        sections = Markup("").join(map(_section, self.figures))
        page = Markup("<script>{}</script><p><strong>{}</strong></p>{}")
        return str(page.format(Markup(plotly()), visible(self.answer), sections))


def _section(figure: Figure) -> Markup:
    """Return a figure under its title, with what it shows and what its numbers are based on below it."""
    place = f"feedrate-{uuid4()}"  # two cells may show the same figure
    drawing = script_json({"data": figure.data, "layout": _layout(figure)})
    script = Markup(
        "<script>(() => {{ const f = {}; Plotly.newPlot({}, f.data, f.layout, {{responsive: true}}); }})()</script>"
    ).format(drawing, script_json(place))
    return Markup('<section><h4>{}</h4><div id="{}" style="width:100%"></div>{}<p>{}</p><p><small>{}</small></p></section>').format(
        visible(figure.title), place, script, visible(figure.about), visible(figure.basis)
    )  # fmt: skip


def _layout(figure: Figure) -> dict[str, Any]:
    axes = {name: {**AXIS, **figure.layout.get(name, {})} for name in ("xaxis", "yaxis")}
    return {**LAYOUT, **figure.layout, **axes}
