from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from feedrate.bench.results.spec import ModelSpec, TrialSpec
from feedrate.bench.run.plan import Plan
from feedrate.loaders.errors import FeedrateError


def _all(plan: Plan) -> list[TrialSpec]:
    return [spec for number in range(plan.rounds or 1) for spec in plan.round(number)]


def test_each_round_has_every_loader_and_mode_once_in_an_order_of_its_own() -> None:
    plan = Plan(loaders=("native", "cupy", "native-batched"), modes=("load", "train"), repeats=4, seeds=(0,))
    rounds = [[(spec.mode, spec.loader) for spec in plan.round(number)] for number in range(4)]
    assert all(sorted(first) == sorted(rounds[0]) and len(set(first)) == 6 for first in rounds)
    assert len({tuple(first) for first in rounds}) > 1
    assert plan.round(2) == plan.round(2)


def test_each_round_has_the_next_seed() -> None:
    plan = Plan(loaders=("cupy",), modes=("load",), repeats=2, seeds=(7, 8))
    assert plan.rounds == 4
    assert [(spec.repeat, spec.seed) for spec in _all(plan)] == [(0, 7), (0, 8), (1, 7), (1, 8)]
    assert Plan(loaders=("cupy",)).rounds is None


def test_the_baseline_is_the_first_loader_unless_another_is_named() -> None:
    assert Plan(loaders=("replay", "native", "cupy")).compared_to == "native"
    assert Plan(loaders=("native", "cupy"), baseline="cupy").compared_to == "cupy"
    with pytest.raises(FeedrateError, match="baseline is 'fake', but must be one of the loaders: native"):
        Plan(loaders=("native",), baseline="fake")


def test_axes_are_crossed_and_the_ceiling_is_measured_once_for_all_loaders() -> None:
    plan = Plan(loaders=("native", "cupy"), repeats=1, batch_sizes=(10, 20), seeds=(0, 1, 2))
    trials = _all(plan)
    assert len(trials) == 2 * 3 * (2 + 1 + 2)
    assert sum(trial.mode == "replay" for trial in trials) == 6
    assert {trial.loader for trial in trials if trial.mode == "replay"} == {"replay"}
    assert len(set(trials)) == len(trials)


def test_replay_among_the_loaders_is_the_ceiling_with_its_options() -> None:
    plan = Plan(loaders=("replay:distinct=4", "native"), repeats=1, seeds=(0,))
    assert {(trial.mode, trial.loader) for trial in _all(plan)} == {
        ("load", "native"),
        ("replay", "replay:distinct=4"),
        ("train", "native"),
    }


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"loaders": ()}, "loaders is empty"),
        ({"loaders": ("native", "native")}, "loaders contains duplicates: native, native"),
        ({"loaders": ("nativ",)}, "unknown loader 'nativ'"),
        ({"repeats": 0}, "repeats is 0"),
        ({"batch_sizes": (0,)}, "batch_size is 0"),
        ({"modes": ("drive",)}, "mode is 'drive', but must be one of load, replay, train"),
        ({"epochs": 0}, "epochs is 0"),
        ({"seeds": (0, -1)}, "seed is -1"),
        ({"memory_budget_bytes": 0}, "memory_budget_bytes is 0"),
        ({"cache": "hot"}, "cache is 'hot', but must be one of warm, cold"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(settings: Mapping[str, Any], sentence: str) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        Plan(**{"loaders": ("native",), **settings})


def test_specs_are_values() -> None:
    first = TrialSpec(loader="a", mode="load", repeat=0, seed=0, batch_size=1, epochs=1, device="cpu")
    second = TrialSpec(loader="a", mode="load", repeat=0, seed=0, batch_size=1, epochs=1, device="cpu")
    assert first == second
    assert hash(first) == hash(second)


def test_ranks_are_an_axis() -> None:
    plan = Plan(loaders=("cupy",), modes=("load", "train"), repeats=1, seeds=(0,), ranks=(1, 4))
    assert sorted((trial.mode, trial.ranks) for trial in _all(plan)) == [
        ("load", 1), ("load", 4), ("train", 1), ("train", 4)
    ]  # fmt: skip
    with pytest.raises(FeedrateError, match="ranks contains duplicates: 2, 2"):
        Plan(loaders=("cupy",), ranks=(2, 2))


def test_the_fast_step_on_several_ranks_is_refused_with_the_reason() -> None:
    with pytest.raises(FeedrateError, match="ranks is 2, but the fast step adds gradients .* use --step eager"):
        Plan(loaders=("cupy",), ranks=(1, 2), model=ModelSpec(step="fast"))
