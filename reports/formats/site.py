"""A static site of many records: an index, and a page for each data set and machine. Needs no server and no network."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from feedrate.loaders.errors import FeedrateError, require_no_file
from feedrate.reports import units
from feedrate.reports.analysis import archive
from feedrate.reports.analysis.archive import Moment, Place
from feedrate.reports.analysis.metrics import METRICS
from feedrate.reports.analysis.selection import Chosen, select
from feedrate.reports.analysis.summarize import Comparison, Row, summarize
from feedrate.reports.figures.figure import Figure
from feedrate.reports.figures.overview import figures
from feedrate.reports.formats import pagekit, text
from feedrate.reports.names import file_name, plain, short

STYLES = ("page.css", "plotly.css")
MARK = "assets/plotly.min.js"
"""What tells a folder that is a site from one that is something else."""


@dataclass(frozen=True, slots=True)
class Section:
    """The results of one place in one setting."""

    settings: str
    comparison: Comparison
    moments: dict[str, Moment]
    """By the run's name in the comparison."""


def build(runs: Path, output: Path, warn: Callable[[str], None], *, made_at: datetime | None = None) -> int:
    """Write the site to `output`, replacing an older one; how many pages beside the index.

    Broken records are named to `warn` and on the index. Raises FeedrateError where there is no record file, or `output` holds
    something that is no site.
    """
    require_no_file("-o", output)
    if output.is_dir() and any(output.iterdir()) and not (output / MARK).is_file():
        raise FeedrateError(f"{output} is not empty and no site of feedrate's: name a new folder")
    skipped: list[str] = []

    def leave_out(sentence: str) -> None:
        skipped.append(sentence)
        warn(sentence)

    paths = archive.find(runs)
    selection = select(paths, leave_out)
    places: dict[Place, list[Section]] = {}
    for (where, settings), chosen in selection.sections.items():
        section = _section(settings, chosen, leave_out)
        if section:
            places.setdefault(where, []).append(section)
    for sections in places.values():
        sections.sort(key=_weight, reverse=True)
    common = {
        "policy": pagekit.policy_of_site(),
        "made_at": (made_at or datetime.now(UTC)).isoformat(timespec="seconds"),
        "about": {metric.title: metric.about for metric in METRICS},
    }
    _write_assets(output)
    for where, sections in places.items():
        page = _place_page(where, sections, common)
        (output / "results" / _file(where)).write_text(page, encoding="utf-8", errors="replace")
    index = pagekit.template("index.html").render(
        **common,
        root="",
        runs=selection.runs,
        entries=[_entry(where, sections) for where, sections in places.items()],
        skipped=skipped,
    )
    (output / "index.html").write_text(index, encoding="utf-8", errors="replace")
    return len(places)


def _file(where: Place) -> str:
    return file_name(where.dataset, where.machine, str(where.cores), where.fingerprint)


def _write_assets(output: Path) -> None:
    """The files that all pages share, and an empty folder for the pages: those of records that are gone do not stay."""
    shutil.rmtree(output / "results", ignore_errors=True)
    for folder in ("assets", "results"):
        (output / folder).mkdir(parents=True, exist_ok=True)
    for name in STYLES:
        (output / "assets" / name).write_text(pagekit.page_file(name), encoding="utf-8")
    (output / "assets" / "page.js").write_text(pagekit.page_script("page.js"), encoding="utf-8")
    (output / MARK).write_text(pagekit.plotly(), encoding="utf-8")


def _section(settings: str, chosen: Sequence[Chosen], warn: Callable[[str], None]) -> Section | None:
    """None where nothing of it can be drawn."""
    fit = [one for one in chosen if _can_be_drawn(one, warn)]
    if not fit:
        return None
    comparison = summarize([(Path(one.name) / "run.json", one.record) for one in fit])
    moments = {name: one.moment for (name, _), one in zip(comparison.runs, fit, strict=True)}
    return Section(settings, comparison, moments)


def _can_be_drawn(one: Chosen, warn: Callable[[str], None]) -> bool:
    """Alone, without intervals: numbers that no measurement yields fail here, and cost their own record only."""
    try:
        alone = summarize([(Path(one.name) / "run.json", replace(one.record, baseline=None))])
        pagekit.script_json([{"data": figure.data, "layout": figure.layout} for figure in figures(alone)])
        text.cells(alone)
    except (ArithmeticError, ValueError, TypeError, AttributeError, FeedrateError) as error:
        warn(f"left out: {plain(one.moment.path)} holds numbers that cannot be: {error}")
        return False
    return True


def _weight(section: Section) -> tuple[bool, int, Moment]:
    """Training results first, then those of more loaders, then newer ones."""
    rows = section.comparison.rows
    return any(map(_trained, rows)), len({row.loader for row in rows}), max(section.moments.values())


def _trained(row: Row) -> bool:
    return row.mean("train_rows_per_s") is not None


def _place_page(where: Place, sections: Sequence[Section], common: dict[str, Any]) -> str:
    drawn = [_drawn(number, section) for number, section in enumerate(sections)]
    page: str = pagekit.template("place.html").render(
        **common,
        root="../",
        place=where,
        sections=drawn,
        figures_json=pagekit.script_json(
            [{"name": f.name, "data": f.data, "layout": f.layout} for section in drawn for f in section["figures"]]
        ),
    )
    return page


def _drawn(number: int, section: Section) -> dict[str, Any]:
    comparison = section.comparison
    head, *body = text.cells(comparison)
    runs = [row.run for row in comparison.rows] + [run for run, _ in comparison.ceilings]
    dates = [[section.moments[run].date, section.moments[run].commit] for run in runs]
    return {
        "settings": section.settings,
        "answer": text.answer(comparison) if any(map(_trained, comparison.rows)) else "",
        "head": [*head, "Date", "Commit"],
        "body": [[plain(cell) for cell in [*line, *when]] for line, when in zip(body, dates, strict=True)],
        "figures": [_named(f"s{number}-{figure.name}", figure) for figure in figures(comparison)],
        "notes": text.notes(comparison),
        "runs": [_run(name, comparison, section.moments[name]) for name, _ in comparison.runs],
    }


def _named(name: str, figure: Figure) -> Figure:
    return replace(figure, name=name)


def _run(name: str, comparison: Comparison, when: Moment) -> str:
    """Where and how a run was made, in a line."""
    env = dict(comparison.runs)[name].environment
    packages = ", ".join(f"{package} {version}" for package, version in env.packages.items())
    gpu = f"{env.gpu}, driver {env.driver}; " if env.gpu else ""
    return (
        f"{name}: {env.started_at}, commit {when.commit}; {gpu}{env.cores} cores of {env.cpu}; {env.platform}, "
        f"Python {env.python}, {packages}; {env.command}"
    )


def _entry(where: Place, sections: Sequence[Section]) -> dict[str, Any]:
    """A line of the index."""
    section, best = max(
        ((section, row) for section in sections for row in section.comparison.rows), key=lambda pair: _speed(pair[1])
    )
    when = section.moments[best.run]
    return {
        "file": _file(where),
        "dataset": short(where.dataset).strip() or "no name",
        "machine": f"{short(where.machine)}, {where.cores} cores",
        "loaders": sorted({row.loader for section in sections for row in section.comparison.rows}),
        "best": {
            "loader": best.loader,
            "speed": _speed_text(best),
            "share": units.format_percent(best.ceiling_fraction),
            "auc": units.format_auc(best.mean("auc")),
            "settings": f"batch {best.batch_size}, {section.settings}",
            "date": when.date,
            "commit": when.commit,
        },
    }


def _speed(row: Row) -> tuple[float, float]:
    return row.mean("train_rows_per_s") or 0.0, row.mean("load_rows_per_s") or 0.0


def _speed_text(row: Row) -> str:
    train, load = row.mean("train_rows_per_s"), row.mean("load_rows_per_s")
    if train is None and load is None:
        return "no result"
    return units.format_rate(train) if train is not None else f"{units.format_rate(load)}, alone"
