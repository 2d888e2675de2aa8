"""Two published records give the tables that they gave on the day of publication.

The expectations were written by the code of that time. Numbers may change only together with a definition, so never write
them anew to make a test pass. Sentences may be reworded: put the new ones into the expectation.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from feedrate.bench.cli.app import app

RECORDS = Path(__file__).parents[2] / "reports" / "published"
EXPECTED = Path(__file__).parent / "published"
CASES = pytest.mark.parametrize("record", ["h100-2026-11-25/train", "h200-2026-11-26/resident"])
PRECISION = 1e-12
"""Relative. The last bits of a float depend on the processor's and SciPy's mathematics."""
TEXT_COLUMNS = ("run", "loader", "backend")


@CASES
def test_the_json_has_the_same_numbers(record: str) -> None:
    before, now = _expected_json(record), _json(record)
    assert _without_sentences(now) == _without_sentences(before)
    numbers = _numbers(before)
    assert len(numbers) > 20
    assert _numbers(now) == {place: _close(number) for place, number in numbers.items()}


@CASES
def test_the_json_has_the_same_sentences(record: str) -> None:
    assert _sentences(_json(record)) == _sentences(_expected_json(record))


@CASES
def test_the_csv_has_the_same_numbers(record: str) -> None:
    before, now = _rows(_expected(record, "csv")), _rows(_report(record, "csv"))
    assert [list(row) for row in now] == [list(row) for row in before]
    for row, row_before in zip(now, before, strict=True):
        assert [row[name] for name in TEXT_COLUMNS] == [row_before[name] for name in TEXT_COLUMNS]
        assert _cells(row) == {name: number and _close(number) for name, number in _cells(row_before).items()}


def _report(record: str, form: str) -> str:
    result = CliRunner().invoke(app, ["report", str(RECORDS / record), "--format", form])
    assert result.exit_code == 0, result.output
    return result.stdout


def _expected(record: str, form: str) -> str:
    return (EXPECTED / f"{record.replace('/', '-')}.{form}").read_text("utf-8")


def _json(record: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(_report(record, "json"))
    return report


def _expected_json(record: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(_expected(record, "json"))
    return report


def _close(number: float) -> object:
    """What equals the number: itself for counts, all but the last bits for measurements."""
    return number if isinstance(number, int) else pytest.approx(number, rel=PRECISION, abs=0)


def _numbers(value: object, place: str = "") -> dict[str, float]:
    """Every number of a report by its place, such as loaders.0.metrics.auc.mean."""
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)  # type: ignore[assignment]
    else:
        return {place: value} if isinstance(value, int | float) else {}
    return {name: number for key, part in parts for name, number in _numbers(part, f"{place}.{key}").items()}


def _without_sentences(report: dict[str, Any]) -> object:
    """The report's structure and names, with every number as 0 and every sentence as an empty one."""
    loaders = [
        {**row, "flags": [""] * len(row["flags"]), "deviations": dict.fromkeys(row["deviations"], "")}
        for row in report["loaders"]
    ]
    missing = [{**trial, "detail": ""} for trial in report["without_result"]]
    return _as_zeros({**report, "answer": "", "loaders": loaders, "without_result": missing})


def _as_zeros(value: object) -> object:
    if isinstance(value, dict):
        return {key: _as_zeros(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_as_zeros(part) for part in value]
    return 0 if isinstance(value, int | float) else value


def _sentences(report: dict[str, Any]) -> object:
    rows = [(row["flags"], row["deviations"]) for row in report["loaders"]]
    return report["answer"], rows, [trial["detail"] for trial in report["without_result"]]


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def _cells(row: dict[str, str]) -> dict[str, float | None]:
    """The numbers of a row by column; None for an empty cell."""
    return {name: float(cell) if cell else None for name, cell in row.items() if name not in TEXT_COLUMNS}
