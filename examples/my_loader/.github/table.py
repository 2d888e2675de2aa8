"""Print two --benchmark-json files side by side as a Markdown table: python table.py BASE HEAD

A fork's code may have written the files, so neither is trusted. Only finite numbers are printed. In names, every
character that could be markup is replaced.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

METRICS = (("rows_per_s", "rows/s", ",.0f"), ("wait_fraction", "waiting", ".1%"), ("auc", "AUC", ".4f"))
MAX_BYTES, MAX_TESTS, MAX_CHARACTERS = 20_000_000, 50, 150
HEADER = "| test | | base | head | change |\n| --- | --- | ---: | ---: | ---: |"


def main() -> None:
    print(table(*(read(Path(name)) for name in sys.argv[1:3])))


def read(path: Path) -> dict[str, dict[str, Any]]:
    """Return the extra_info of each test. Empty if the file is missing or not from pytest-benchmark."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return {}
        benchmarks = json.loads(path.read_bytes())["benchmarks"]
        return {str(benchmark["fullname"]): dict(benchmark["extra_info"]) for benchmark in benchmarks}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return {}


def table(base: dict[str, dict[str, Any]], head: dict[str, dict[str, Any]]) -> str:
    tests = list(dict.fromkeys([*base, *head]))[:MAX_TESTS]
    lines = [
        f"| `{plain(test)}` | {title} | {text(before, form)} | {text(after, form)} | {change(before, after, name)} |"
        for test in tests
        for name, title, form in METRICS
        for before, after in [[number(side.get(test, {}).get(name)) for side in (base, head)]]
        if before is not None or after is not None
    ]
    return "\n".join([HEADER, *lines]) if lines else "Neither base nor head has measured anything. See the job's log."


def plain(name: str) -> str:
    """Make a name safe for a code span in a table cell: no character left in it can end the span or the cell."""
    return re.sub(r"[^A-Za-z0-9_./:\[\]-]", "?", name)[:MAX_CHARACTERS]


def number(value: Any) -> float | None:
    """Return the number, or None if it is not finite and plausible."""
    return float(value) if type(value) in (int, float) and abs(value) < 1e15 else None


def text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def change(before: float | None, after: float | None, name: str) -> str:
    """Relative change of a rate; difference of a fraction."""
    if before is None or after is None:
        return "-"
    if name != "rows_per_s":
        return f"{after - before:+.4f}"
    return f"{after / before - 1:+.1%}" if before else "-"


if __name__ == "__main__":
    main()
