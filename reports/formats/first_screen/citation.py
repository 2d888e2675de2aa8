"""How to cite a run: a line of text and a BibTeX entry with version, commit, date and machine."""

from __future__ import annotations

import re
from dataclasses import dataclass

from feedrate.bench.results.record import RunRecord
from feedrate.reports.names import plain

URL = "https://github.com/feedrate/feedrate"
_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", **{c: f"\\{c}" for c in "{}%&#_$"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Citation:
    """A run, ready to be cited."""

    text: str
    bibtex: str


def citation(record: RunRecord) -> Citation:
    """Return both forms. Markup in names is inert in BibTeX, too."""
    environment = record.environment
    date = plain(environment.started_at[:10])
    commit = f"{(environment.commit or 'not known')[:12]}{' with uncommitted changes' if environment.dirty else ''}"
    cores = f"{environment.cores} cores of {environment.cpu}"
    machine = f"{environment.gpu} and {cores}" if environment.gpu else cores
    about = plain(f"Version {environment.feedrate}, commit {commit}. {record.dataset.name} on {machine}")
    key = re.sub(r"[^a-z0-9]+", "-", f"feedrate {date} {environment.gpu or environment.cpu}".lower()).strip("-")
    fields = {
        "title": "feedrate: a benchmark suite for data loaders",
        "author": "{feedrate contributors}",
        "year": date[:4] if date[:4].isdigit() else "",
        "note": f"{_latex(about)}. Measured on {_latex(date)}",
        "howpublished": f"\\url{{{URL}}}",
    }
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
    return Citation(
        f"feedrate contributors. feedrate. {about}. Measured on {date}. {URL}", f"@misc{{{key},\n{lines}\n}}"
    )


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)
