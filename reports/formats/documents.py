"""Writes tables and answers into Markdown documents, between comments that name the records. Nothing there is typed by hand.

    <!-- table: RECORD ... [pending] [columns=NAME,...] [loaders=NAME,...] [baseline=NAME] [batch=ROWS] -->
    <!-- end -->

RECORD is a folder below the published records. A folder with several records stands for all of them. `answer:` in the place of
`table:` writes the answer of the report. With `pending`, a record that does not exist yet is "not measured yet".
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from feedrate.bench.results import store
from feedrate.bench.results.record import RunRecord
from feedrate.loaders.errors import FeedrateError
from feedrate.reports.analysis.answers.answer import summary
from feedrate.reports.analysis.summarize import Comparison, summarize
from feedrate.reports.formats.loader_table import DEFAULT, Source, loader_table
from feedrate.reports.names import in_markdown

_MARK = re.compile(r"<!-- (table|answer): (.*?) *-->")
_END = "<!-- end -->"
_OPTIONS = ("columns", "loaders", "baseline", "batch")


@dataclass(frozen=True, slots=True)
class Block:
    """What a comment asks for."""

    kind: str
    """table or answer."""
    records: tuple[str, ...]
    pending: bool
    options: dict[str, str]


def rewritten(text: str, document: Path, records: Path) -> str:
    """Return the document's text with every block written anew from the records.

    document: the file, for its name and for links. records: the folder of the published records.
    Raises FeedrateError, with the line, for a comment that cannot be followed.
    """
    lines: list[str] = []
    begin, block, fenced = 0, None, False
    for number, line in enumerate(text.splitlines(), 1):
        fenced ^= line.startswith("```")
        mark = None if fenced else _MARK.fullmatch(line)
        try:
            if mark and block:
                raise FeedrateError(f"the block of line {begin} has no `{_END}`")
            if mark:
                begin, block = number, _read(mark)
                lines += [line, "", _written(block, document, records), "", _END]
            elif block is None:
                lines.append(line)
            elif line == _END:
                block = None
        except FeedrateError as error:
            raise FeedrateError(f"{document}, line {number}: {error}") from None
    if block:
        raise FeedrateError(f"{document}: the block of line {begin} has no `{_END}`")
    return "\n".join(lines) + "\n"


def _read(mark: re.Match[str]) -> Block:
    names, options, pending = [], {}, False
    for word in mark[2].split():
        key, equals, value = word.partition("=")
        if not equals:
            pending |= word == "pending"
            names += [word] if word != "pending" else []
        elif key in _OPTIONS:
            options[key] = value
        else:
            raise FeedrateError(f"unknown option {word!r}: choose from {', '.join(_OPTIONS)}")
    if not names:
        raise FeedrateError(f"`{mark[0]}` names no record")
    if not options.get("batch", "1").isdecimal():
        raise FeedrateError(f"batch is {options['batch']!r}, but must be a whole number")
    return Block(mark[1], tuple(names), pending, options)


def _written(block: Block, document: Path, records: Path) -> str:
    folders = {name: list(_folders(records / name)) for name in block.records}
    missing = [name for name, found in folders.items() if not found]
    if missing and not block.pending:
        raise FeedrateError(f"{records / missing[0]} has no record: correct the name, or add `pending`")
    parts = [f"Not measured yet: {', '.join(f'`{name}`' for name in missing)}."] if missing else []
    found = [folder for name in block.records for folder in folders[name]]
    if found:
        comparison = _comparison(tuple(found), block.options.get("baseline"), block.options.get("batch"))
        sources = [Source(str(folder.relative_to(records)), _link(folder, document)) for folder in found]
        parts.insert(0, (_table if block.kind == "table" else _answer)(block, comparison, sources))
    return "\n\n".join(parts)


def _table(block: Block, comparison: Comparison, sources: Sequence[Source]) -> str:
    columns = block.options.get("columns")
    loaders = block.options.get("loaders")
    return loader_table(
        comparison,
        sources,
        columns=columns.split(",") if columns else DEFAULT,
        loaders=loaders.split(",") if loaders else (),
    )


def _answer(_block: Block, comparison: Comparison, sources: Sequence[Source]) -> str:
    links = ", ".join(map(str, sources))
    return f"{in_markdown(summary(comparison))} Record: {links}."


def _folders(folder: Path) -> Iterator[Path]:
    """Yield the folder if it has a record, otherwise the folders below it that have one."""
    if store.path_of(folder).is_file():
        yield folder
    else:
        yield from sorted({file.parent for pattern in ("run.json", "run.json.gz") for file in folder.rglob(pattern)})


def _comparison(folders: tuple[Path, ...], baseline: str | None, batch: str | None) -> Comparison:
    return summarize([(folder, _chosen(folder, baseline, batch)) for folder in folders])


def _chosen(folder: Path, baseline: str | None, batch: str | None) -> RunRecord:
    """Read a record, with the baseline and the batch size that the document chooses."""
    record = store.read(folder)
    trials = tuple(trial for trial in record.trials if batch is None or trial.spec.batch_size == int(batch))
    if not trials:
        raise FeedrateError(f"{folder} has no trial with batch size {batch}")
    if baseline and baseline not in {trial.spec.loader for trial in trials}:
        raise FeedrateError(f"{folder} has no trial of the baseline {baseline!r}")
    return replace(record, trials=trials, baseline=baseline or record.baseline)


def _link(folder: Path, document: Path) -> str:
    return Path(os.path.relpath(folder, document.parent)).as_posix()
