"""The oracle sees each kind of failure, and mutators give the same bytes for the same seed."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.fuzz.case import Outcome
from tests.fuzz.mutators.arguments import random_arguments
from tests.fuzz.mutators.json_text import mutated_json
from tests.fuzz.mutators.tables import odd_csv, odd_parquet
from tests.fuzz.mutators.zips import mutated_zip
from tests.fuzz.oracle import violations
from tests.samples.sample_record import RUN

GOOD = Outcome(code=2, stdout=b"", stderr=b"feedrate: no\n", seconds=0.1, grown_bytes=0, touched=())


def test_a_sentence_is_fine() -> None:
    assert list(violations(GOOD)) == []
    assert list(violations(replace(GOOD, code=0, stderr=b"", stdout=b"a table\n"))) == []
    several = b"feedrate: 2 problems:\n  one\n  two\n"
    assert list(violations(replace(GOOD, stderr=several))) == []


@pytest.mark.parametrize(
    "change",
    [
        {"code": 3},
        {"code": None},
        {"code": "Traceback ..."},
        {"seconds": 21.0},
        {"grown_bytes": 3_000_000_000},
        {"touched": ("around/neighbour",)},
        {"stderr": b""},
        {"stderr": b"feedrate: one\nfeedrate: two\n"},
        {"stderr": b"feedrate: " + b"x" * 301},
        {"stderr": b"feedrate: \xff\n"},
        {"stderr": "feedrate: \u202e\n".encode()},
        {"stdout": "a\u200bb\n".encode()},
        {"stdout": b"\x1b[2J"},
        {"stdout": b"Traceback (most recent call last)\n"},
        {"stderr": b"feedrate: no\nthread '<unnamed>' panicked at src/lib.rs\n"},
    ],
    ids=str,
)
def test_a_failure_is_seen(change: dict[str, Any]) -> None:
    assert list(violations(replace(GOOD, **change)))


def test_a_seed_gives_the_same_case_again() -> None:
    content = msgspec.json.encode(RUN)
    for make in (
        lambda rng: mutated_json(rng, content),
        lambda rng: mutated_zip(rng, {"ml/ratings.csv": b"userId\n1\n", "ml/movies.csv": b"movieId\n1\n"}),
        odd_csv,
        odd_parquet,
        random_arguments,
    ):
        cases = [[make(random.Random(seed)) for seed in range(20)] for _ in range(2)]
        assert cases[0] == cases[1]
        assert len({repr(case) for case in cases[0]}) > 10
