"""Runs cases: `python -m tests.fuzz TARGET SEED`, or `python -m tests.fuzz TARGET FIRST END`. The target `all` is each in turn."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.fuzz.figures import figures
from tests.fuzz.pool import run_cases
from tests.fuzz.targets import TARGETS

WORKERS = int(os.environ.get("FEEDRATE_FUZZ_WORKERS", "2"))
EVERY = 300
"""Cases after which the figures are printed."""


def main(target: str, first: int, end: int) -> None:
    """Print each failure as JSON, and the figures from time to time. A single case is printed in any case."""
    start, answers = time.monotonic(), list[dict[str, Any]]()

    def done(answer: dict[str, Any]) -> None:
        answers.append(answer)
        if answer["violations"] or len(cases) == 1:
            print(json.dumps(answer, indent=1), flush=True)
        if len(answers) % EVERY == 0 or len(answers) == len(cases):
            print(f"{time.monotonic() - start:.0f} s\n{figures(answers)}", flush=True)

    cases = [(name, seed) for seed in range(first, end) for name in (TARGETS if target == "all" else [target])]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        run_cases(cases, Path(folder), workers=min(WORKERS, len(cases)), done=done)


if __name__ == "__main__":
    begin = int(sys.argv[2])
    main(sys.argv[1], begin, int(sys.argv[3]) if len(sys.argv) > 3 else begin + 1)
