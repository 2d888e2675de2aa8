"""What the pages of report, history and site share: templates, Plotly, data that cannot end a script, policies."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, Template
from markupsafe import Markup

from feedrate.loaders.errors import FeedrateError
from feedrate.reports.names import plain


def template(name: str) -> Template:
    """One of reports/pages; everything put into it is escaped."""
    loader = FileSystemLoader(str(files("feedrate.reports.formats") / "pages"))
    templates = Templates(autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=loader)
    templates.filters["plain"] = plain
    return templates.get_template(name)


def page_script(name: str) -> str:
    """One of reports/pages, with what all of them draw figures with."""
    return page_file("figures.js") + page_file(name)


def page_file(name: str) -> str:
    return (files("feedrate.reports.formats") / "pages" / name).read_text("utf-8")


def plotly() -> str:
    return (files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8")


def script_json(value: Any) -> Markup:
    """JSON that cannot end the script element it stands in. Raises FeedrateError for a number that JSON does not have."""
    try:
        content = json.dumps(value, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise FeedrateError(
            "these records give a number that is not finite: `feedrate validate` says which is wrong"
        ) from error
    return Markup(content.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def policy_of_site() -> str:
    """For pages whose scripts and styles are files beside them: those, and no other request.

    Style attributes and style elements are forbidden. Plotly adds two style sheets by script: its own, which pages/plotly.css
    has instead, and that of its maps, which nothing here draws: allowed by its hash, so that nothing is blocked.
    """
    found = re.search(r"textContent='(\.maplibregl-map\{[^'\\\\]*)'", plotly())
    maps = f" {_hash(found[1])}" if found else ""
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'{maps}; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'"
    )


def policy_of_one_file(*scripts: str, images: str = "data:") -> str:
    """For a page that holds everything: these scripts and no other, styles within, no request at all."""
    hashes = " ".join(map(_hash, scripts))
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src {images}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(source: str) -> str:
    """Of a script or style sheet, as a Content-Security-Policy names it."""
    return f"'sha256-{b64encode(sha256(source.encode()).digest()).decode()}'"
