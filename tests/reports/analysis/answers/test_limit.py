"""Whether the loader or the model holds the training back: each loader is judged by its own interval against the ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.bench.results.record import TrialResult
from feedrate.bench.results.stats import Estimate
from feedrate.reports.analysis.answers.answer import answers
from feedrate.reports.analysis.answers.concerns import concerns
from feedrate.reports.analysis.answers.limit import ABOVE, kept, limit
from feedrate.reports.analysis.summarize import Comparison, summarize
from tests.samples.sample_record import record, trial

DRIFT = (1.0, 1.5, 0.8, 1.2)
"""How fast the whole machine was in each round: the ceiling's own interval is over ±30 %."""
CALM = (0.999, 1.001, 1.0, 1.0)


def said(ceiling: Sequence[float], **rounds: Sequence[float]) -> str:
    """Return what is said of loaders with these rates in each round."""
    [answer] = answers(measured(ceiling, **rounds))
    return limit(answer.field)


def measured(ceiling: Sequence[float], **rounds: Sequence[float]) -> Comparison:
    trials = [_stalled(trial(name, "train", rate, n)) for name, rates in rounds.items() for n, rate in enumerate(rates)]
    replays = [trial("replay", "replay", rate, n) for n, rate in enumerate(ceiling)]
    return summarize([(Path("run"), replace(record(*trials, *replays), baseline="a"))])


def _stalled(result: TrialResult) -> TrialResult:
    """Return the trial with 12 % of its training time stalled."""
    epochs = tuple(replace(epoch, stall_s=0.12 * epoch.wall_s) for epoch in result.epochs or ())
    return replace(result, epochs=epochs)


def drifting(rate: float, shape: Sequence[float] = CALM) -> list[float]:
    return [rate * drift * x for drift, x in zip(DRIFT, shape, strict=True)]


def test_a_ceiling_whose_rounds_differ_still_judges_each_loader_within_its_rounds() -> None:
    text = said(drifting(1000, (1, 1, 1, 1)), a=drifting(400), b=drifting(995), c=drifting(790))
    assert text == (
        "The model. b delivers 99.4 to 99.6 % of what the model can take, so a faster loader would change nothing. "
        "With c and a, it is the loader: they cost the model 20.9 to 60.1 % of its speed. "
        "The ceiling itself is not known, because its rounds differ; each loader was compared with the ceiling of the same round."
    )


def test_a_slower_loader_is_judged_even_if_the_fastest_cannot_be() -> None:
    noisy = [1000 * x for x in (0.99, 0.7, 1.0, 0.85)]
    text = said([1000, 1001, 999, 1000], a=[300, 301, 299, 300], b=noisy)
    assert text == (
        "Not known: the rounds of b differ too much. With a, it is the loader: it costs the model 69.9 to 70.1 % of its speed. "
        "A hint, not a verdict: the share of training in which the device waited for data was 12.0 % with b."
    )


def test_an_interval_below_the_ceiling_decides_even_if_it_is_wide() -> None:
    text = said([1000, 1001, 999, 1000], a=[300, 500, 400, 350])
    assert text.startswith("The loader: a delivers at most 53.7 %")
    assert "Its rounds differ, so the exact share is not known." in text


def test_all_that_feed_the_model_are_named_and_so_are_those_that_are_open() -> None:
    text = said([1000] * 4, a=[990, 991, 990, 990], b=[995, 996, 995, 995], c=[960, 990, 970, 980])
    assert (
        "With a, it is the model, too: the loader delivers 98.9 % or more of what it can take. It is open for c."
        in text
    )


def test_one_round_gives_a_hint_that_is_worded_as_a_hint() -> None:
    text = said([1000], a=[300], b=[800])
    assert text == (
        "Not judged: one round has no interval. In it, b reached 80.0 % of the model's ceiling. A hint, not a verdict: "
        "the share of training in which the device waited for data was 12.0 % with b, 12.0 % with a."
    )


def test_one_round_above_the_ceiling_is_called_noise() -> None:
    assert (
        "In it, a reached 101.0 % of the model's ceiling. The mean of 101.0 % is above the ceiling: that is noise, or"
        in said([1000], a=[1010])
    )


def test_a_mean_above_the_ceiling_within_its_interval_casts_no_doubt_on_the_answer() -> None:
    text = said([1000, 1001, 999, 1000], a=[1003, 1008, 996, 1009])
    assert text.startswith("The model. a delivers 99.")
    assert "The mean of 100.4 % is above the ceiling by no more than the noise of the rounds." in text


def test_a_loader_above_its_ceiling_is_named() -> None:
    comparison = measured([1000] * 4, a=[1090, 1091, 1090, 1090], b=[500, 501, 500, 500])
    text = limit(answers(comparison)[0].field)
    assert text.startswith("Not known: a trained faster than the model without a loader (its ceiling). That cannot be")
    assert "With b, it is the loader" in text
    assert f"a: {ABOVE}" in [concern.text for concern in concerns(comparison)]


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(0.78, 0.82, "78.0 to 82.0 %"), (0.99, 1.02, "99.0 % or more"), (1.001, 1.01, "all"), (0.5, 0.5, "about 50.0 %")],
)
def test_no_loader_delivers_more_than_all(low: float, high: float, text: str) -> None:
    assert kept(Estimate((low + high) / 2, low, high, 3)) == text
