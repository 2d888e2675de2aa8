"""Verdicts on a loader against itself: by resampling rounds that were really run; the real ones are `feedrate selftest`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.selftest import proof, verdicts
from feedrate.bench.selftest.proof import prove_verdicts

RECORDED = [
    verdicts.Pair(tuple(base), tuple(head))
    for base, head in json.loads((Path(__file__).parent / "recorded.json").read_text())
]


def test_recorded_comparisons_of_a_loader_with_itself_are_hardly_ever_called_different() -> None:
    assert len(RECORDED) == 20
    assert verdicts.different(RECORDED) <= verdicts.MOST_FALSE


@pytest.mark.parametrize("seed", [1, 2])
def test_whole_runs_under_the_default_rule_are_right_about_same_and_slower(seed: int) -> None:
    same = verdicts.resampled(RECORDED, comparisons=200, seed=seed)
    assert sum(verdict in ("more", "less") for verdict in same) / 200 <= verdicts.MOST_FALSE
    slower = verdicts.resampled(RECORDED, comparisons=200, slowdown=0.05, seed=seed)
    assert slower.count("less") / 200 >= verdicts.LEAST_FOUND


@pytest.mark.slow
def test_a_slower_copy_that_noise_hides_may_be_inconclusive_but_not_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "COMPARISONS", 40)
    noisy = [verdicts.Pair((50.0, 100.0, 200.0), (100.0, 220.0, 60.0))]
    *_, hidden = prove_verdicts(noisy)
    assert hidden.holds
    assert "too noisy" in hidden.seen


def test_a_proof_that_does_not_hold_is_said() -> None:
    """A head that is really slower is no comparison with itself."""
    false = [verdicts.Pair(tuple(pair.base), tuple(0.5 * x for x in pair.base)) for pair in RECORDED]
    assert next(prove_verdicts(false)).holds is False


@pytest.mark.slow
def test_pairs_are_really_run(small: Dataset) -> None:
    [pair] = verdicts.really(small.folder, pairs=1, rounds=2, device="cpu", batch_size=500, epochs=2)
    assert len(pair.base) == len(pair.head) == 2
    assert min(*pair.base, *pair.head) > 1000
