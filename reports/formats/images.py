"""Figures as SVG or PNG files, on request: Plotly's own export, which draws them in a headless Chromium."""

from __future__ import annotations

from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Any

from feedrate.loaders.errors import FeedrateError
from feedrate.reports.analysis.summarize import Comparison
from feedrate.reports.figures.figure import Figure
from feedrate.reports.figures.overview import figures

FORMATS = ("svg", "png")
WIDTH, HEIGHT, SCALE = 900, 520, 2
"""Pixels; a PNG has SCALE times as many."""
WRAP = 120
"""Characters of a line below the title."""


def write_images(comparison: Comparison, folder: Path, form: str) -> list[Path]:
    """A file for each figure. Raises FeedrateError for another format, and where kaleido or a browser is missing."""
    if form not in FORMATS:
        raise FeedrateError(f"--figure-format is {form!r}, but must be one of {', '.join(FORMATS)}")
    try:
        import kaleido
    except ImportError as error:
        raise FeedrateError("figures as files need kaleido: `pip install 'feedrate[images]'`") from error
    folder.mkdir(parents=True, exist_ok=True)
    asked: list[dict[str, Any]] = [
        {
            "fig": _page(figure),
            "path": folder / f"{figure.name}.{form}",
            "opts": _options(form),
        }
        for figure in figures(comparison)
    ]
    try:
        kaleido.write_fig_from_object_sync(asked, cancel_on_error=True)
    except Exception as error:  # kaleido raises what its browser does
        raise FeedrateError(
            f"the browser that draws figures did not start ({type(error).__name__}: {error}): install Chromium (Debian's package `chromium`)"
        ) from error
    return [one["path"] for one in asked]


def _page(figure: Figure) -> dict[str, Any]:
    """What the page says under a figure stands below the title here."""
    basis = "<br>".join(map(escape, wrap(figure.basis, WRAP)))
    title = {
        "text": escape(figure.title),
        "subtitle": {"text": basis},
        "yref": "container",
        "y": 0.97,
        "yanchor": "top",
    }
    return {
        "data": figure.data,
        "layout": {"title": title, "template": "none", "margin": {"l": 160, "t": 120}, **figure.layout},
    }


def _options(form: str) -> dict[str, Any]:
    return {"format": form, "width": WIDTH, "height": HEIGHT, "scale": SCALE if form == "png" else 1}
