"""Two files of --benchmark-json side by side, as a Markdown table: python table.py BASE HEAD

A fork's code has written them, so neither is trusted: numbers are written as numbers, names without what could be markup.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

METRICS = (("rows_per_s", "rows/s", ",.0f"), ("wait_fraction", "waiting", ".1%"), ("auc", "AUC", ".4f"))
MAX_BYTES, MOST_TESTS, MOST_LETTERS = 20_000_000, 50, 150
HEADER = "| test | | base | head | change |\n| --- | --- | ---: | ---: | ---: |"


def main() -> None:
    print(table(*(read(Path(name)) for name in sys.argv[1:3])))


def read(path: Path) -> dict[str, dict[str, Any]]:
    """The extra_info of each test; empty for a file that is missing or none of pytest-benchmark."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return {}
        return {str(one["fullname"]): dict(one["extra_info"]) for one in json.loads(path.read_bytes())["benchmarks"]}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return {}


def table(base: dict[str, dict[str, Any]], head: dict[str, dict[str, Any]]) -> str:
    tests = list(dict.fromkeys([*base, *head]))[:MOST_TESTS]
    lines = [
        f"| `{plain(test)}` | {title} | {text(before, form)} | {text(after, form)} | {change(before, after, name)} |"
        for test in tests
        for name, title, form in METRICS
        for before, after in [[number(side.get(test, {}).get(name)) for side in (base, head)]]
        if before is not None or after is not None
    ]
    return "\n".join([HEADER, *lines]) if lines else "Neither base nor head has measured anything: see the job's log."


def plain(name: str) -> str:
    """For a code span in a table's cell: nothing there ends either of them."""
    return re.sub(r"[^A-Za-z0-9_./:\[\]-]", "?", name)[:MOST_LETTERS]


def number(value: Any) -> float | None:
    """None for what is no number or of no use as one."""
    return float(value) if type(value) in (int, float) and abs(value) < 1e15 else None


def text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def change(before: float | None, after: float | None, name: str) -> str:
    """Of a rate relative, of fractions their difference."""
    if before is None or after is None:
        return "-"
    if name != "rows_per_s":
        return f"{after - before:+.4f}"
    return f"{after / before - 1:+.1%}" if before else "-"


if __name__ == "__main__":
    main()
