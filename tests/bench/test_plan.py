from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from feedrate.bench.plan import Plan
from feedrate.bench.spec import TrialSpec
from feedrate.loaders.errors import FeedrateError


def test_loaders_take_turns_within_each_repeat() -> None:
    plan = Plan(loaders=("native", "cupy"), modes=("load", "train"), repeats=2)
    order = [(trial.repeat, trial.mode, trial.loader) for trial in plan.trials()]
    turn = [("load", "native"), ("load", "cupy"), ("train", "native"), ("train", "cupy")]
    assert order == [(repeat, *one) for repeat in (0, 1) for one in turn]


def test_axes_are_crossed_and_the_ceiling_is_measured_once_for_all_loaders() -> None:
    plan = Plan(loaders=("native", "cupy"), repeats=1, batch_sizes=(10, 20), seeds=(0, 1, 2))
    trials = list(plan.trials())
    assert len(trials) == 2 * 3 * (2 + 1 + 2)
    assert sum(trial.mode == "replay" for trial in trials) == 6
    assert {trial.loader for trial in trials if trial.mode == "replay"} == {"replay"}
    assert len(set(trials)) == len(trials)


def test_replay_among_the_loaders_is_the_ceiling_with_its_options() -> None:
    plan = Plan(loaders=("replay:distinct=4", "native"), repeats=1)
    assert [(trial.mode, trial.loader) for trial in plan.trials()] == [
        ("load", "native"),
        ("replay", "replay:distinct=4"),
        ("train", "native"),
    ]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"loaders": ()}, "loaders is empty"),
        ({"loaders": ("native", "native")}, "loaders names one twice: native, native"),
        ({"loaders": ("nativ",)}, "there is no loader 'nativ'"),
        ({"repeats": 0}, "repeats is 0"),
        ({"batch_sizes": (0,)}, "batch_size is 0"),
        ({"modes": ("drive",)}, "mode is 'drive', but must be one of load, replay, train"),
        ({"epochs": 0}, "epochs is 0"),
        ({"seeds": (-1,)}, "seed is -1"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(settings: Mapping[str, Any], sentence: str) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        list(Plan(**{"loaders": ("native",), **settings}).trials())


def test_specs_are_values() -> None:
    one = TrialSpec(loader="a", mode="load", repeat=0, seed=0, batch_size=1, epochs=1, device="cpu")
    two = TrialSpec(loader="a", mode="load", repeat=0, seed=0, batch_size=1, epochs=1, device="cpu")
    assert one == two
    assert hash(one) == hash(two)
