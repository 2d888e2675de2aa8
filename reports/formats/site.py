"""Builds a static site from many records: an index, a page for each data set and machine, and one for each loader.

The pages need no server and no network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from feedrate.bench.results.whole_file import LOCK_FILE, scratch_of, write_whole
from feedrate.loaders.errors import FeedrateError, require_no_file
from feedrate.reports.analysis import archive
from feedrate.reports.analysis.answers.answer import summary
from feedrate.reports.analysis.archive import Moment, Place
from feedrate.reports.analysis.history import Series, history
from feedrate.reports.analysis.selection import Chosen, select
from feedrate.reports.analysis.summarize import Comparison, Row, summarize
from feedrate.reports.figures.figure import READING, Figure
from feedrate.reports.figures.overview import figures
from feedrate.reports.formats import pagekit, sentences, table
from feedrate.reports.formats.first_screen.ratio_bar import WIDTH
from feedrate.reports.formats.page_tables.results import results_table
from feedrate.reports.formats.site_pages.index import (
    Section,
    chart,
    common_baseline,
    index_rows,
    loader_file,
    one_a_place,
    place_file,
)
from feedrate.reports.formats.site_pages.loader import by_loader
from feedrate.reports.formats.site_pages.loader import parts as loader_parts
from feedrate.reports.names import plain

MARK = "assets/plotly.min.js"
"""File by which a folder is recognised as a site, so that no other folder is overwritten."""


def build(runs: Path, output: Path, warn: Callable[[str], None], *, made_at: datetime | None = None) -> int:
    """Write the site to `output`, replacing an older one. Return the number of pages, without the index.

    warn: gets a sentence for each broken record. The index lists these sentences, too.
    made_at: time printed in the footers. Default: now.

    Raises FeedrateError if there is no record file, or if `output` holds something other than a site.
    """
    require_no_file("-o", output)
    if _holds_files(output) and not (output / MARK).is_file():
        raise FeedrateError(f"{output} is not empty and is not a feedrate site: choose a new folder")
    skipped: list[str] = []

    def skip(sentence: str) -> None:
        skipped.append(sentence)
        warn(sentence)

    paths = archive.find(runs)
    selection = select(paths, skip)
    places: dict[Place, list[Section]] = {}
    for (place, settings), chosen in selection.sections.items():
        section = _section(settings, chosen, skip)
        if section:
            places.setdefault(place, []).append(section)
    for sections in places.values():
        sections.sort(key=_weight, reverse=True)
    common = {
        "policy": pagekit.policy_of_site(),
        "made_at": (made_at or datetime.now(UTC)).isoformat(timespec="seconds"),
        "bar_width": WIDTH,
    }
    _write_assets(output)
    series = by_loader(history(runs, lambda _: None).series)  # what cannot be read was named already
    loaders = sorted(set(series) | {row.loader for s in chain(*places.values()) for row in s.comparison.rows})
    for place, sections in places.items():
        page = _place_page(place, sections, loaders, common)
        _write(output / "results" / place_file(place), page)
    _write_loader_pages(series, loaders, output, common)
    _write(output / "index.html", _index_page(selection.runs, places, loaders, skipped, common))
    _remove_other_pages(output / "results", {place_file(place) for place in places})
    _remove_other_pages(output / "loaders", set(map(loader_file, series)))
    return len(places) + len(series)


def _holds_files(folder: Path) -> bool:
    """Whether a file is in the folder or below it, apart from feedrate's lock and what a killed `site` has left."""
    ignored = {folder / LOCK_FILE, scratch_of(folder / MARK)}
    return any(path not in ignored and not path.is_dir() for path in folder.rglob("*"))


def _index_page(
    runs: int,
    places: Mapping[Place, Sequence[Section]],
    loaders: Sequence[str],
    skipped: Sequence[str],
    common: dict[str, Any],
) -> str:
    charts: list[tuple[str, Figure]] = [
        (f"{place.title}: {sections[0].settings}", drawn)
        for number, (place, sections) in enumerate(places.items())
        if (drawn := chart(number, sections[0].comparison, loaders)) is not None
    ]
    baseline = common_baseline(section for sections in places.values() for section in sections)
    entries = one_a_place(
        entry
        for place, sections in places.items()
        for number, section in enumerate(sections, 1)
        for entry in index_rows(place, number, section, baseline)
    )
    page: str = pagekit.template("index.html").render(
        **common, root="", runs=runs, entries=entries, baseline=baseline, charts=charts, skipped=skipped,
        how_to_read=READING, figures_json=pagekit.figures_json([drawn for _, drawn in charts]),
    )  # fmt: skip
    return page


def _write_loader_pages(
    all_series: Mapping[str, Sequence[Series]], loaders: Sequence[str], output: Path, common: dict[str, Any]
) -> None:
    """Write a page for each loader. loaders: all loaders of the site, which fix the colours."""
    for loader, series in all_series.items():
        shown = list(loader_parts(series, loaders))
        page = pagekit.template("loader.html").render(
            **common, root="../", loader=loader, parts=shown, how_to_read=READING,
            figures_json=pagekit.figures_json([figure for part in shown for figure in part["figures"]]),
        )  # fmt: skip
        _write(output / "loaders" / loader_file(loader), page)


def _write_assets(output: Path) -> None:
    """Write the files that all pages share. The first one tells a later build that the folder is a site."""
    _write(output / MARK, pagekit.plotly())
    _write(output / "assets" / "page.css", pagekit.page_style("page.css"))
    _write(output / "assets" / "plotly.css", pagekit.page_file("plotly.css"))
    _write(output / "assets" / "page.js", pagekit.page_script("page.js"))


def _remove_other_pages(folder: Path, names: Set[str]) -> None:
    """Remove the pages to which the index does not link, so that no page outlives its records."""
    for path in folder.glob("*"):
        if path.is_file() and path.name not in names:
            path.unlink()


def _write(path: Path, text: str) -> None:
    write_whole(path, text.encode(errors="replace"))


def _section(settings: str, chosen: Sequence[Chosen], warn: Callable[[str], None]) -> Section | None:
    """Return a section, or None if nothing in it can be drawn."""
    drawable = [run for run in chosen if _can_be_drawn(run, warn)]
    if not drawable:
        return None
    comparison = summarize([(Path(run.name) / "run.json", run.record) for run in drawable])
    moments = {name: run.moment for (name, _), run in zip(comparison.runs, drawable, strict=True)}
    return Section(settings, comparison, moments)


def _can_be_drawn(run: Chosen, warn: Callable[[str], None]) -> bool:
    """Try to draw a run on its own, without intervals. Impossible numbers fail here and cost only their own record."""
    try:
        comparison = summarize([(Path(run.name) / "run.json", replace(run.record, baseline=None))])
        pagekit.script_json([{"data": figure.data, "layout": figure.layout} for figure in figures(comparison)])
        table.cells(comparison)
    except (ArithmeticError, ValueError, TypeError, AttributeError, FeedrateError) as error:
        warn(f"skipped: {plain(run.moment.path)} holds impossible numbers: {error}")
        return False
    return True


def _weight(section: Section) -> tuple[bool, int, Moment]:
    """Return a sort key. Sections with training results weigh most, then those with more loaders, then newer ones."""
    rows = section.comparison.rows
    return any(map(_trained, rows)), len({row.loader for row in rows}), max(section.moments.values())


def _trained(row: Row) -> bool:
    return row.mean("train_rows_per_s") is not None


def _place_page(place: Place, sections: Sequence[Section], loaders: Sequence[str], common: dict[str, Any]) -> str:
    parts = [_part(number, section, loaders) for number, section in enumerate(sections)]
    page: str = pagekit.template("place.html").render(
        **common,
        root="../",
        place=place,
        sections=parts,
        how_to_read=READING,
        figures_json=pagekit.figures_json([figure for part in parts for figure in part["figures"]]),
    )
    return page


def _part(number: int, section: Section, loaders: Sequence[str]) -> dict[str, Any]:
    """Return what the template shows of a section."""
    comparison = section.comparison
    runs = [row.run for row in comparison.rows] + [run for run, _ in comparison.ceilings]
    moments = [section.moments[run] for run in runs]
    more = [("Date", [plain(m.date) for m in moments]), ("Commit", [plain(m.commit) for m in moments])]
    return {
        "settings": section.settings,
        "answer": summary(comparison) if any(row.metrics for row in comparison.rows) else "",
        "table": results_table(comparison, more),
        "figures": [_renamed(f"s{number}-{figure.name}", figure) for figure in figures(comparison, loaders)],
        "notes": sentences.notes(comparison),
        "runs": [_run(name, comparison, section.moments[name]) for name, _ in comparison.runs],
    }


def _renamed(name: str, figure: Figure) -> Figure:
    return replace(figure, name=name)


def _run(name: str, comparison: Comparison, moment: Moment) -> str:
    """Describe in one line where and how a run was made."""
    env = dict(comparison.runs)[name].environment
    packages = ", ".join(f"{package} {version}" for package, version in env.packages.items())
    gpu = f"{env.gpu}, driver {env.driver}; " if env.gpu else ""
    return (
        f"{name}: {env.started_at}, commit {moment.commit}; {gpu}{env.cores} cores of {env.cpu}; {env.platform}, "
        f"Python {env.python}, {packages}; {env.command}"
    )
