"""Verdicts on a loader compared with itself, by resampling recorded rounds. `feedrate selftest` runs real ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.selftest import proof, verdicts
from feedrate.bench.selftest.delays import Agreement
from feedrate.bench.selftest.proof import prove_verdicts

RECORDED = [
    verdicts.Pair(tuple(base), tuple(head))
    for base, head in json.loads((Path(__file__).parent / "recorded.json").read_text())
]


def test_recorded_comparisons_of_a_loader_with_itself_are_rarely_called_different() -> None:
    assert len(RECORDED) == 20
    assert verdicts.share_called_different(RECORDED) <= verdicts.MAX_FALSE_FRACTION


@pytest.mark.parametrize("seed", [1, 2])
def test_simulated_runs_under_the_default_rule_judge_same_and_slower_correctly(seed: int) -> None:
    same = verdicts.resample_verdicts(RECORDED, comparisons=200, seed=seed)
    assert sum(verdict in ("more", "less") for verdict in same) / 200 <= verdicts.MAX_FALSE_FRACTION
    slower = verdicts.resample_verdicts(RECORDED, comparisons=200, slowdown=0.05, seed=seed)
    assert slower.count("less") / 200 >= verdicts.MIN_FOUND_FRACTION


@pytest.mark.parametrize("noise", [0.01, 0.02, 0.03])
def test_under_the_default_rule_5_percent_is_found_and_equal_loaders_are_not_called_different(noise: float) -> None:
    """Each trial has this noise of its own, and 4 % are shared by the two of a round."""
    rng = np.random.default_rng(7)
    logs = rng.normal(0, 0.04, (2000, 1)) + rng.normal(0, noise, (2000, 2))
    base, head = np.exp(logs).T.tolist()
    rounds = [verdicts.Pair(tuple(base), tuple(head))]
    same = verdicts.resample_verdicts(rounds, comparisons=300)
    assert sum(verdict in ("more", "less") for verdict in same) / 300 <= verdicts.MAX_FALSE_FRACTION
    slower = verdicts.resample_verdicts(rounds, comparisons=300, slowdown=verdicts.SLOWDOWN)
    assert slower.count("less") / 300 >= verdicts.MIN_FOUND_FRACTION


@pytest.mark.slow
def test_a_slower_copy_hidden_by_noise_may_be_inconclusive_but_not_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "COMPARISONS", 40)
    noisy = [verdicts.Pair((50.0, 100.0, 200.0), (100.0, 220.0, 60.0))]
    *_, hidden = prove_verdicts(noisy)
    assert hidden.holds
    assert "too noisy" in hidden.seen


def test_a_proof_that_does_not_hold_is_reported() -> None:
    """A head that is really slower is not a comparison of a loader with itself."""
    slower = [verdicts.Pair(tuple(pair.base), tuple(0.5 * rate for rate in pair.base)) for pair in RECORDED]
    assert next(prove_verdicts(slower)).holds is False


@pytest.mark.alone
@pytest.mark.slow
def test_pairs_are_really_run(small: Dataset) -> None:
    [pair] = verdicts.run_pairs(small.folder, pairs=1, rounds=2, device="cpu", batch_size=500, epochs=2)
    assert len(pair.base) == len(pair.head) == 2
    assert min(*pair.base, *pair.head) > 1000


@pytest.mark.parametrize(("speed_up", "sets"), [(1.0, 1), (2.0, 2)])
def test_comparisons_are_doubled_before_too_many_false_verdicts_are_believed(
    speed_up: float, sets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_pairs: list[int] = []

    def run_pairs(_dataset: Path, *, first: int, **_settings: object) -> list[verdicts.Pair]:
        first_pairs.append(first)
        return [verdicts.Pair(pair.base, tuple(speed_up * rate for rate in pair.head)) for pair in RECORDED]

    monkeypatch.setattr(proof.verdicts, "run_pairs", run_pairs)
    monkeypatch.setattr(proof.faults, "run", lambda *_: iter(()))
    monkeypatch.setattr(proof.faults, "run_unusual", lambda *_: iter(()))
    monkeypatch.setattr(proof.delays, "run", lambda *_: iter(()))
    monkeypatch.setattr(proof.delays, "measure_agreement", lambda *_: Agreement(true=0.8, direct=0.8, differential=0.8))
    monkeypatch.setattr(proof, "COMPARISONS", 20)
    _, real_comparisons, *_ = proof.prove("cpu", pairs=len(RECORDED), rounds=4)
    assert first_pairs == [0, len(RECORDED)][:sets]
    assert real_comparisons.holds == (sets == 1)
