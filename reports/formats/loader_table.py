"""The table of loaders in a document: chosen columns and rows of a comparison, with what was run where.

It computes nothing: every cell is one of `table.cells`, or a verdict or deviation of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from feedrate.bench.results.record import RunRecord
from feedrate.loaders.errors import FeedrateError
from feedrate.reports import units
from feedrate.reports.analysis.metrics import BY_NAME
from feedrate.reports.analysis.provenance_diff import provenance_diff
from feedrate.reports.analysis.summarize import Comparison, Row
from feedrate.reports.analysis.verdicts import change
from feedrate.reports.formats.markdown import markdown_table
from feedrate.reports.formats.table import AGAINST, CHECKED, SHARE, cells
from feedrate.reports.names import in_markdown, plain

AUC_DIFFERENCE = "AUC against baseline"
DEVIATIONS = "Deviations"
TITLES: Mapping[str, tuple[str, ...]] = {
    "load": ("Loader only",),
    "train": ("Training",),
    "against": (AGAINST,),
    "share": (SHARE,),
    "all-in": ("All-in",),
    "stall": ("Stall",),
    "first": ("First batch",),
    "memory": ("Device memory", "Host memory"),
    "shuffle": ("Shuffle",),
    "auc": ("AUC",),
    "auc-difference": (AUC_DIFFERENCE,),
    "preparation": ("Preparation",),
    "deviations": (DEVIATIONS,),
}
"""The columns that a document may choose, by name, with their headings."""
DEFAULT = (
    "load", "train", "against", "share", "first", "memory", "shuffle", "auc-difference", "preparation", "deviations",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """A record, as a document names it."""

    name: str
    """Its folder below the published records."""
    link: str
    """The folder's path, relative to the document."""

    def __str__(self) -> str:
        """The link as Markdown."""
        return f"[{in_markdown(self.name)}]({quote(self.link)})"


def loader_table(
    comparison: Comparison,
    sources: Sequence[Source],
    *,
    columns: Sequence[str] = DEFAULT,
    loaders: Collection[str] = (),
) -> str:
    """Return the table as Markdown, and below it each record's machine, date, rows and command.

    sources: one for each run of the comparison. columns: names from TITLES; those without a value are left out, and
    Rows checked is added if rows were not checked. loaders: those to show. Default: all.
    Raises FeedrateError for an unknown column, a loader that no record has, and records of different datasets.
    """
    unknown = [name for name in columns if name not in TITLES]
    if unknown:
        raise FeedrateError(f"unknown column {unknown[0]!r}: choose from {', '.join(TITLES)}")
    missing = [loader for loader in loaders if loader not in {row.loader for row in comparison.rows}]
    if missing:
        known = ", ".join(dict.fromkeys(row.loader for row in comparison.rows))
        raise FeedrateError(f"no record of the table has the loader {missing[0]!r}: its loaders are {known}")
    if loaders:
        comparison = replace(comparison, rows=tuple(row for row in comparison.rows if row.loader in loaders))
    titles = ["Loader", *(title for name in columns for title in TITLES[name]), CHECKED]
    lines = _chosen(_with_more_columns(comparison), titles)
    lines[0] = [_heading(title, comparison.rows) for title in lines[0]]
    runs = zip(comparison.runs, comparison.records, strict=True)
    facts = [_facts(run, sources[place]) for (_, run), place in runs]
    names = [name for name, _ in comparison.runs]
    if len(facts) > 1:
        facts = [f"- `{name}`: {fact}" for name, fact in zip(names, facts, strict=True)]
    return "\n".join([*markdown_table(lines), "", *_caution(comparison), *facts])


def _caution(comparison: Comparison) -> list[str]:
    """Return a sentence if the records have different tasks. Raises FeedrateError if they have different datasets."""
    differences = provenance_diff([run for _, run in comparison.runs])
    for difference in differences:
        if difference.what == "dataset":
            raise FeedrateError(
                f"the records have different datasets ({' and '.join(difference.values)}): write a table for each"
            )
    tasks = [difference.what for difference in differences if difference.kind == "task"]
    if not tasks:
        return []
    return [f"The records differ in {' and '.join(tasks)}: compare speeds and AUC only within a record.", ""]


def _with_more_columns(comparison: Comparison) -> list[list[str]]:
    """Return the comparison's cells as Markdown, with the columns that other tables lack."""
    head, *body = cells(comparison)
    rows = comparison.rows
    lines = [[*head, AUC_DIFFERENCE, DEVIATIONS]]
    for number, line in enumerate(body):
        row = rows[number] if number < len(rows) else None
        line = [in_markdown(cell) for cell in line]
        if row is not None:
            line[0] = line[0].replace(in_markdown(row.loader), _code_in_cell(row.loader), 1)
        lines.append([*line, _auc_difference(row), _deviations(row)])
    return lines


def _chosen(lines: list[list[str]], titles: Sequence[str]) -> list[list[str]]:
    """Return the columns with these titles that have a value, and the lines that have one."""
    head, *body = lines
    places = [head.index(title) for title in titles if title in head]
    places = [place for place in places if any(line[place] != units.NONE for line in body)]
    chosen = [[line[place] for place in places] for line in body]
    return [[head[place] for place in places], *(line for line in chosen if set(line[1:]) != {units.NONE})]


def _heading(title: str, rows: Sequence[Row]) -> str:
    """Name the baseline in a heading if all rows have the same."""
    baselines = {row.baseline for row in rows if row.baseline}
    return title.replace("baseline", _code_in_cell(baselines.pop())) if len(baselines) == 1 else title


def _auc_difference(row: Row | None) -> str:
    verdict = row.verdicts.get("auc") if row else None
    return units.NONE if verdict is None else change(verdict, BY_NAME["auc"])


def _deviations(row: Row | None) -> str:
    return ", ".join(_code_in_cell(rule) for rule in row.deviations) if row and row.deviations else units.NONE


def _facts(run: RunRecord, source: Source) -> str:
    """Say where, when, on what and how a run was made, with a link to its record."""
    environment, data = run.environment, run.dataset
    place = f"{environment.gpu}, {environment.cores} cores" if environment.gpu else f"{environment.cores} cores"
    sizes = sorted({trial.spec.batch_size for trial in run.trials})
    facts: list[tuple[str, Callable[[str], str]]] = [
        (f"{place} of {environment.cpu}", in_markdown),
        (environment.started_at[:10], in_markdown),
        (f"{data.name} ({data.train_rows:,} for training)", in_markdown),
        (f"batch size {' and '.join(f'{size:,}' for size in sizes)}", in_markdown),
        (environment.command, _as_code),
    ]
    return f"{source}: {', '.join(form(text) for text, form in facts)}."


def _code_in_cell(text: str) -> str:
    return _as_code(text).replace("|", "\\|")


def _as_code(text: str) -> str:
    return f"`{plain(' '.join(text.split())).replace('`', chr(39))}`"
