"""A record that is hard to show: 14 loaders with names of 50 characters, 200 trials, a void baseline, and a rate of ±228 %."""

from __future__ import annotations

from dataclasses import replace

from feedrate.bench.results.record import RunRecord, TrialResult
from feedrate.bench.results.spec import Mode
from tests.samples.sample_record import record, trial

NAMES = tuple(
    f"{name}:workers=16,prefetch=8,option-number-{number:02d}=".ljust(50, "x")
    for number, name in enumerate(
        (
            "baseline", "cupy", "nvtabular", "native", "batched", "arrow", "polars", "duckdb", "lance", "grain", "ray",
            "spdl", "vortex", "mosaic",
        )
    )
)  # fmt: skip
BASELINE, FASTEST, PARTIAL, UNSTEADY = NAMES[0], NAMES[1], NAMES[2], NAMES[3]
ROUNDS = 7
UNSTEADY_SHAPE = (0.8206, 1.1794)
"""Two rounds. Their 95 % interval is the mean ±228 %."""
PART = "the rows were shuffled only in part: quality 0.4, and an ideal shuffle has 0.98 to 1"


def odd_record() -> RunRecord:
    """Return the record: 7 rounds of training and of the loader only for each loader, and 4 of the model only."""
    trials = [_result(name, mode, number) for number in range(ROUNDS) for name in NAMES for mode in ("load", "train")]
    ceiling = [trial("replay", "replay", 1_000_000 * (1 + 0.001 * number), number) for number in range(4)]
    return replace(record(*trials, *ceiling), baseline=BASELINE)


def _result(name: str, mode: Mode, number: int) -> TrialResult:
    place = NAMES.index(name)
    wave = 1 + 0.01 * ((number * 5 + place) % 7 - 3) / 3
    rate = 990_000 * 0.75 ** (place - 1) * wave * (20 if mode == "load" else 1)
    if name == BASELINE:
        return replace(trial(name, mode, rate, number), status="void", detail="row 17 came twice, and row 18 never")
    if name == UNSTEADY and number > 1:
        return TrialResult(spec=trial(name, mode, rate, number).spec, status="failed", detail="out of memory")
    if name == UNSTEADY:
        rate *= UNSTEADY_SHAPE[number] / wave
    result = trial(name, mode, rate, number)
    return replace(result, flags=(PART,)) if name == PARTIAL else result
