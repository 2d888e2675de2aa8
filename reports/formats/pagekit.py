"""Shared parts of the report, history and site pages: templates, Plotly, safe JSON, and security policies."""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64encode
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, Template
from markupsafe import Markup, escape

from feedrate.loaders.errors import FeedrateError
from feedrate.reports.figures.figure import Figure
from feedrate.reports.formats.command_words import options
from feedrate.reports.names import MARKDOWN, plain, visible
from feedrate.reports.units import kept_together


def template(name: str) -> Template:
    """Return a template of `formats/pages`. It escapes every value put into it, direction and control characters included."""
    loader = FileSystemLoader(str(files("feedrate.reports.formats") / "pages"))
    templates = Templates(autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=loader, finalize=_shown)
    templates.filters |= {"plain": plain, "kept": kept_together, "breakable": breakable, "options": options}
    return templates.get_template(name)


def breakable(name: str) -> Markup:
    """Return a name that a browser may break after a mark such as ":" and "="."""
    return Markup("<wbr>").join(Markup(escape(part)) for part in _AFTER_MARK.split(visible(name)))


_AFTER_MARK = re.compile(r"(?<=[:=_])(?=\w)|(?<=[.,])(?=[^\W\d])|(?<=/)(?=\w\w)")  # not in 1,000 and rows/s


FIGURE_SCRIPTS = ("text.js", "ticks.js", "rows.js", "labels.js", "figures.js", "save.js")
"""The code with which all pages draw figures and save them."""
TABLE_SCRIPTS = ("address.js", "tables.js", "sorting.js")
"""The code with which all pages copy, sort and filter tables, and keep the reader's view in their address."""


def figure_script(name: str) -> str:
    """Return a script of `formats/pages`, preceded by the code that draws figures."""
    return "".join(map(page_file, (*FIGURE_SCRIPTS, name)))


def page_script(*names: str) -> str:
    """Return scripts of `formats/pages`, preceded by the code that all pages share."""
    markdown = f"const MARKDOWN = {script_json(MARKDOWN)};\n"
    return "".join([*map(page_file, FIGURE_SCRIPTS), markdown, *map(page_file, (*TABLE_SCRIPTS, *names))])


def page_style(name: str) -> str:
    """Return a style sheet of `formats/pages`, followed by the rules that all pages share for tables and figures."""
    return page_file(name) + page_file("tables.css") + page_file("figures.css")


def page_file(name: str) -> str:
    """Return the text of a file in `formats/pages`."""
    return (files("feedrate.reports.formats") / "pages" / name).read_text("utf-8")


def plotly() -> str:
    """Return the source of the Plotly script: its basic bundle, which `make plotly` fetched from npm."""
    packed = files("feedrate.reports.formats") / "pages" / "plotly-basic.min.js.gz"
    return gzip.decompress(packed.read_bytes()).decode()


def script_json(value: Any) -> Markup:
    """Encode a value as JSON that cannot end the script element around it. Its strings show what a browser would obey.

    Raises FeedrateError for a number that JSON does not have: NaN or infinity.
    """
    try:
        content = json.dumps(shown(value), separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise FeedrateError(
            "these records yield a number that is not finite: run `feedrate validate` to find the broken record"
        ) from error
    return Markup(content.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def figures_json(figures: Iterable[Figure]) -> Markup:
    """Return the figures as the pages' scripts read them."""
    return script_json([{"name": figure.name, "data": figure.data, "layout": figure.layout} for figure in figures])


def one_file(made_at: datetime | None) -> dict[str, Any]:
    """Return what a page needs that is one file with figures, by the templates' names: scripts, style, policy and time.

    made_at: time printed in the footer. None: now.
    """
    drawing, js = plotly(), page_script("page.js")
    return {
        "policy": policy_of_one_file(drawing, js, images="data: blob:"),
        "made_at": (made_at or datetime.now(UTC)).isoformat(timespec="seconds"),
        "css": Markup(page_style("page.css")),
        "js": Markup(js),
        "plotly": Markup(drawing),
    }


def _shown(value: Any) -> Any:
    """Return a string with its control, direction and zero-width characters escaped, and anything else, or markup, as it is."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def shown(value: Any) -> Any:
    """Return the content of a figure with each string in it as `visible` shows it."""
    if isinstance(value, dict):
        return {_shown(name): shown(item) for name, item in value.items()}
    return [*map(shown, value)] if isinstance(value, list | tuple) else _shown(value)


def policy_of_site() -> str:
    """Return the Content-Security-Policy of pages whose scripts and styles are files beside them.

    It allows these files, images that a script makes, and no other request. Style attributes and style elements are
    forbidden. Plotly would add its style sheet by script, which pages/plotly.css replaces.
    """
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def policy_of_one_file(*scripts: str, images: str = "data:") -> str:
    """Return the Content-Security-Policy of a page that is one file.

    It allows only the given scripts, inline styles, images from the sources in `images`, and no request.
    """
    hashes = " ".join(map(_hash, scripts))
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src {images}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(source: str) -> str:
    """Return the hash of a script or style sheet, in the form that a Content-Security-Policy uses."""
    return f"'sha256-{b64encode(sha256(source.encode()).digest()).decode()}'"
