"""What the pages of history and site share: templates, Plotly, data that cannot end a script, policies."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, Template
from markupsafe import Markup

from feedrate.reports.names import plain


def template(name: str) -> Template:
    """One of reports/pages; everything put into it is escaped."""
    loader = FileSystemLoader(str(files("feedrate.reports") / "pages"))
    templates = Templates(autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=loader)
    templates.filters["plain"] = plain
    return templates.get_template(name)


def page_file(name: str) -> str:
    return (files("feedrate.reports") / "pages" / name).read_text("utf-8")


def plotly() -> str:
    return (files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8")


def script_json(value: Any) -> Markup:
    """JSON that cannot end the script element it stands in."""
    content = json.dumps(value, separators=(",", ":"))
    return Markup(content.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def policy_of_one_file(*scripts: str) -> str:
    """For a page that holds everything: these scripts and no other, styles within, no request at all."""
    hashes = " ".join(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
