"""Writes figures as SVG or PNG files, on request. Kaleido, Plotly's own export, draws them in a headless Chromium."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from feedrate.loaders.errors import FeedrateError
from feedrate.reports.analysis.summarize import Comparison
from feedrate.reports.figures.figure import BARS, Figure
from feedrate.reports.figures.overview import figures
from feedrate.reports.formats import pagekit

FORMATS = ("svg", "png")
SCALE = 2
"""Pixels of a PNG for each pixel of the figure."""


def write_images(comparison: Comparison, folder: Path, form: str) -> list[Path]:
    """Write one file for each figure, and return their paths.

    form: "svg" or "png". Creates the folder. Raises FeedrateError for any other format, and if kaleido or a browser is missing.
    """
    if form not in FORMATS:
        raise FeedrateError(f"--figure-format is {form!r}, but must be one of {', '.join(FORMATS)}")
    try:
        import kaleido
    except ImportError as error:
        raise FeedrateError(
            "kaleido, which writes figures to files, is not installed: run `pip install 'feedrate[images]'`"
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    exports: list[dict[str, Any]] = [
        {
            "fig": _page(figure),
            "path": folder / f"{figure.name}.{form}",
            "opts": _options(form),
        }
        for figure in figures(comparison)
    ]
    try:
        with TemporaryDirectory() as scripts:
            plotly, drawing = Path(scripts) / "plotly.js", Path(scripts) / "drawing.js"
            plotly.write_text(pagekit.plotly(), encoding="utf-8")
            drawing.write_text(pagekit.figure_script("export.js"), encoding="utf-8")
            page = kaleido.PageGenerator(plotly=plotly.as_uri(), mathjax=False, others=[(drawing.as_uri(), "utf-8")])
            kaleido.write_fig_from_object_sync(exports, cancel_on_error=True, kopts={"page_generator": page})
    except Exception as error:  # kaleido passes on whatever its browser raises
        raise FeedrateError(
            f"could not draw the figures in a browser ({type(error).__name__}: {error}): install Chromium (Debian's package `chromium`)"
        ) from error
    return [export["path"] for export in exports]


def _page(figure: Figure) -> Any:
    """Return a figure for export. The title and the basis, which the page shows around the figure, are part of the image."""
    cut = f"The axes cut these intervals: {figure.cut}." if figure.cut else ""
    basis = " ".join(filter(None, (figure.basis, BARS if figure.has_bars else "", cut)))
    return pagekit.shown(
        {"data": figure.data, "layout": {**figure.layout, "saved": {"title": figure.title, "basis": basis}}}
    )


def _options(form: str) -> dict[str, Any]:
    return {"format": form, "scale": SCALE if form == "png" else 1}
