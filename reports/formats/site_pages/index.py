"""The rows and charts of the site's index: one row for each loader and place, with a ratio to a common baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from feedrate.reports import units
from feedrate.reports.analysis import verdicts
from feedrate.reports.analysis.archive import Moment, Place
from feedrate.reports.analysis.summarize import Comparison, Row
from feedrate.reports.figures.figure import Figure
from feedrate.reports.figures.overview import throughputs
from feedrate.reports.figures.palette import looks
from feedrate.reports.names import file_name, short


def place_file(place: Place) -> str:
    """Return the file name of a place's page."""
    return file_name(place.dataset, place.machine, str(place.cores), place.cpu, place.fingerprint)


def loader_file(loader: str) -> str:
    """Return the file name of a loader's page."""
    return file_name("loader", loader)


@dataclass(frozen=True, slots=True)
class Section:
    """The results of one place in one setting."""

    settings: str
    """Settings in words, as `archive.settings` gives them."""
    comparison: Comparison
    moments: dict[str, Moment]
    """Start and commit of each run, by its name in the comparison."""


def common_baseline(sections: Iterable[Section]) -> str:
    """Return the loader that most sections of several loaders have; of equally many the first by name. Empty if there is none."""
    loaders = [{row.loader for row in section.comparison.rows} for section in sections]
    counts = Counter(loader for names in loaders if len(names) > 1 for loader in names)
    return min(counts, key=lambda loader: (-counts[loader], loader), default="")


def index_rows(place: Place, number: int, section: Section, baseline: str) -> Iterator[dict[str, Any]]:
    """Yield a row for each loader and batch size of a section that has a result.

    number: position of the section on the page of its place. baseline: the loader that ratios are to, if it is there.
    """
    comparison = section.comparison
    for size in sorted({row.batch_size for row in comparison.rows}):
        rows = [row for row in comparison.rows if row.batch_size == size and row.headline in row.metrics]
        for row in rows:
            moment, rate = section.moments[row.run], row.metrics[row.headline].estimate
            ratio, ratio_text = _ratio(row, rows, baseline)
            yield {
                "loader": row.loader,
                "loader_file": loader_file(row.loader),
                "rate": verdicts.figure(rate, units.format_rate).partition(":")[0],
                "loader_only": row.mode == "load",
                "rate_value": rate.mean,
                "ratio": ratio_text,
                "ratio_value": ratio,
                "standing": standing(row, rows),
                "share": verdicts.share_text(row.share, row.ceiling).partition(":")[0],
                "share_value": row.ceiling_fraction,
                "auc": units.format_auc(row.mean("auc")),
                "auc_value": row.mean("auc"),
                "dataset": short(place.dataset).strip() or "no name",
                "machine": place.hardware,
                "settings": f"batch {size:,}, {section.settings}",
                "file": f"{place_file(place)}#part-{number}",
                "date": moment.date,
                "commit": moment.commit,
            }


def one_a_place(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first row of each loader and place. `more` is the number of its other rows, whose settings are on the place's page."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for entry in entries:
        groups.setdefault((entry["loader"], entry["file"].partition("#")[0]), []).append(entry)
    return [{**rows[0], "more": len(rows) - 1} for rows in groups.values()]


def _ratio(row: Row, rows: Sequence[Row], baseline: str) -> tuple[float | None, str]:
    """Return the rate as a multiple of the baseline's, and as text with the 99 % interval. Without a baseline, it is None and a dash."""
    base = next((peer for peer in rows if (peer.loader, peer.headline) == (baseline, row.headline)), None)
    if base is None:
        return None, units.NONE
    verdict = verdicts.compare_rows(row, base, row.headline)
    if base is row or verdict is None:
        return 1.0, "1"
    change, digits = verdict.change, units.format_ratio
    if change.low is None or change.high is None:
        return change.mean, f"{digits(change.mean)} (n = 1)"
    if verdicts.is_wide(change):
        bounds = {"more": f"at least {digits(change.low)}", "less": f"at most {digits(change.high)}"}
        return change.mean, bounds.get(verdict.direction, "not known")
    return change.mean, f"{digits(change.mean)} ({digits(change.low)} to {digits(change.high)})"


def standing(row: Row, rows: Sequence[Row]) -> str:
    """Return "fastest" with doubts about the rows, "not told apart from ...", or nothing for a slower loader."""
    order = verdicts.ranking([peer for peer in rows if peer.headline == row.headline], row.headline)
    if len(order.rows) < 2 or (row is not order.rows[0] and row not in order.tied):
        return "; ".join(verdicts.correctness(row))
    names = ", ".join(dict.fromkeys(tied.loader for tied in (order.rows[0], *order.tied) if tied.loader != row.loader))
    words = verdicts.ONE_ROUND if order.one_round else f"not told apart from {names}" if names else "fastest"
    return "; ".join([words, *verdicts.correctness(row)])


def chart(number: int, comparison: Comparison, loaders: Sequence[str]) -> Figure | None:
    """Return the chart of speeds of a section; None if it has none. loaders: all loaders of the site, which fix the colours."""
    drawn = next(
        (
            figure
            for figure in throughputs(comparison.rows, comparison.basis, looks(comparison.rows, loaders))
            if figure.data
        ),
        None,
    )
    return replace(drawn, name=f"place-{number}") if drawn else None
