"""Strange input of every kind through the command line. FEEDRATE_FUZZ sets the number of cases of each kind.

`python -m tests.fuzz TARGET SEED` runs one case again, and shows what came of it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fuzz.figures import figures, replays
from tests.fuzz.pool import run_cases
from tests.fuzz.targets import TARGETS

CASES = int(os.environ.get("FEEDRATE_FUZZ", "300"))
KEPT = [
    (target, int(seed))
    for target, seed in (
        line.split()[:2] for line in Path(__file__).with_name("kept_seeds.txt").read_text().splitlines()
    )
]
"""Cases that once failed."""


@pytest.mark.slow
def test_strange_input_ends_with_a_result_or_in_a_sentence(tmp_path: Path) -> None:
    cases = [*KEPT, *((target, seed) for seed in range(CASES) for target in TARGETS)]
    answers = run_cases(cases, tmp_path, workers=os.cpu_count() or 1)
    print(figures(answers))
    failures = [answer for answer in answers if answer["violations"]]
    assert not failures, replays(failures)
    assert len(answers) == len(cases)
    for target in TARGETS:
        codes = {answer["code"] for answer in answers if answer["target"] == target}
        assert {0, 2} <= codes, f"{target} has only the exit codes {codes}: mutations are too strong or too weak"
