"""Words of verdicts: what intervals allow, and nothing beyond it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.bench.results.record import RunRecord, TrialResult
from feedrate.bench.results.stats import Estimate, Verdict, judge_ratio
from feedrate.reports.analysis import verdicts
from feedrate.reports.analysis.answers.answer import summary
from feedrate.reports.analysis.metrics import BY_NAME
from feedrate.reports.analysis.summarize import Comparison, Samples, summarize
from feedrate.reports.formats import markdown, sentences, table
from tests.samples.sample_record import record, trial

RATE = BY_NAME["train_rows_per_s"]
STEADY = (0.99, 1.0, 1.01)


def _trials(loader: str, rows_per_s: float, mode: str = "train", shape: Sequence[float] = STEADY) -> list[TrialResult]:
    """One trial for each round, with its own seed, without a difference in AUC."""
    trials = [trial(loader, mode, rows_per_s * wobble, n) for n, wobble in enumerate(shape)]  # type: ignore[arg-type]
    return [replace(t, spec=replace(t.spec, seed=n)) for n, t in enumerate(trials)]


def _comparison(*trials: list[TrialResult], baseline: str | None = None) -> Comparison:
    run = replace(record(*(t for group in trials for t in group)), baseline=baseline)
    return summarize([(Path("a"), run)])


def _everything(comparison: Comparison) -> str:
    """Every text that a reader sees without the figures."""
    return markdown.write_markdown(comparison) + " ".join(sentences.verdict(row) for row in comparison.rows)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ([170.0, 172.0, 168.0], "17 times nvtabular (16 to 18)"),
        ([19.0, 19.2, 19.4], "1.9 times nvtabular (1.8 to 2.0)"),
        ([11.0, 11.1, 10.9], "+10.0 % against nvtabular (+4.4 % to +15.9 %)"),
        ([50.0, 90.0, 70.0, 60.0], "at least 3.2 times nvtabular"),
        ([10.0, 20.0, 5.0], verdicts.TOO_WIDE),
        ([18.0, 20.0, 26.0], "1.4 times slower to 6.2 times faster than nvtabular"),
        ([0.60, 0.58, 0.59], "17 times slower than nvtabular (15 to 19)"),
        ([1.0, 2.0, 1.5, 1.2], "at least 3.0 times slower than nvtabular"),
    ],
)
def test_a_change_shows_the_interval_that_decided_or_what_is_certain(head: list[float], words: str) -> None:
    assert verdicts.change(judge_ratio(head, [10.0] * len(head), paired=True), RATE, "nvtabular") == words


def test_a_figure_that_is_known_to_a_third_only_is_not_shown() -> None:
    assert verdicts.figure(Estimate(100, 71, 129, 3), RATE.text) == "100 rows/s ±29 %"
    assert verdicts.figure(Estimate(100, 69, 131, 3), RATE.text) == "not known: run more rounds"
    assert (
        verdicts.rate_text(Samples((90, 1100, 1200), Estimate(800, 300, 1300, 3)), RATE.text)
        == "90.0 rows/s to 1.20 k rows/s"
    )
    assert verdicts.rate_text(Samples((1100, 1800), Estimate(1450, 300, 1300, 3)), RATE.text) == "1.10 to 1.80 k rows/s"
    assert verdicts.figure(Estimate(100, None, None, 1), RATE.text) == "100 rows/s (n = 1)"


CEILING = Samples((1.0,), Estimate(1000, 990, 1010, 3))
VAGUE = Samples((1.0,), Estimate(1000, 850, 1150, 3))


@pytest.mark.parametrize(
    ("low", "mean", "high", "ceiling", "state", "text"),
    [
        (0.975, 0.99, 1.005, CEILING, "feeds", "99.0 ±1.5 %"),
        (0.96, 0.99, 1.02, CEILING, "may feed", "99.0 ±3.0 %"),
        (0.96, 0.965, 0.969, CEILING, "costs", "96.5 ±0.5 %"),
        (0.35, 0.4, 0.45, CEILING, "limits", "40.0 ±5.0 %"),
        (0.65, 0.8, 0.95, CEILING, "held back", "at most 95.0 %"),
        (0.65, 0.8, 0.98, CEILING, "share not known", "not known: run more rounds"),
        (0.65, 0.8, 0.98, VAGUE, "ceiling not known", "not known: run more rounds"),
        (0.78, 0.8, 0.82, VAGUE, "costs", "80.0 ±2.0 %"),
        (0.975, 0.99, 1.005, VAGUE, "feeds", "99.0 ±1.5 %"),
        (2.7, 2.81, 2.9, CEILING, "above", "not known: run more rounds"),
        (None, 2.81, None, CEILING, "above", "not known: run more rounds"),
        (None, 0.99, None, CEILING, "one round", "99.0 % (n = 1)"),
    ],
)
def test_a_share_is_judged_by_its_own_interval(
    low: float | None, mean: float, high: float | None, ceiling: Samples, state: str, text: str
) -> None:
    share = Samples((mean,), Estimate(mean, low, high, 1 if low is None else 3))
    assert verdicts.share_state(share, ceiling) == state
    assert verdicts.share_text(share, ceiling) == text


def test_loaders_that_no_interval_tells_apart_are_not_ranked() -> None:
    text = summary(_comparison(_trials("a", 100), _trials("b", 101, shape=(1.01, 1.0, 0.99)), _trials("c", 50)))
    lead = "In training, b is faster than c. It was faster than a in 2 of 3 rounds, but 3 rounds do not prove it."
    assert text.startswith(lead)
    assert "+1.0 % against a in the measured rounds, but anything from -" in text
    assert "fastest" not in text


def test_one_round_ranks_nothing() -> None:
    comparison = _comparison(
        _trials("a", 900, shape=(1.0,)),
        _trials("b", 100, shape=(1.0,)),
        _trials("replay", 900, "replay", (1.0,)),
        baseline="b",
    )
    text = _everything(comparison)
    assert "In training, a was faster than b in one round, but one round does not prove it." in text
    assert "9.0 times b in one round, which may be chance. a trains at 900 rows/s (n = 1)." in text
    assert "1 round, no interval" in text
    for overclaim in ("fastest", "Fast enough", "would change nothing", "Limits", "±"):
        assert overclaim not in text
    assert "one seed cannot show whether its AUC differs from that of b" in text


def test_loaders_without_training_get_ratios_and_verdicts_on_everything_else() -> None:
    wobbly = [
        replace(t, first_batch_s=0.6 * wobble, peak_rss_bytes=int(9e8 * wobble))
        for t, wobble in zip(_trials("cupy", 1700, "load"), STEADY, strict=True)
    ]
    comparison = _comparison(wobbly, _trials("nvtabular", 100, "load", (1.0, 1.0, 1.0)), baseline="nvtabular")
    text = summary(comparison)
    assert text == (
        "cupy is the fastest without a model. 17 times nvtabular (16 to 18). cupy delivers 1.70 k rows/s ±2 %. "
        "Measured in 3 rounds on A GPU, batch size 100."
    )
    assert table.cells(comparison)[1][2].startswith("faster: 17 times (16 to 18)")
    [against] = [note for note in sentences.notes(comparison) if "against nvtabular" in note]
    assert "First batch higher: 2.4 times (" in against
    assert "Host memory (RSS) higher: 1.8 times" in against
    assert sentences.verdict(comparison.rows[0]).startswith("Faster, against nvtabular: 17 times (16 to 18).")


def test_a_void_baseline_is_said_and_replaced() -> None:
    void = [replace(t, status="void", epochs=None) for t in _trials("base", 100)]
    comparison = _comparison(void, _trials("next", 100), _trials("other", 200), baseline="base")
    other = next(row for row in comparison.rows if row.loader == "other")
    assert other.baseline == "next"
    assert other.verdicts["train_rows_per_s"].direction == "more"
    assert "the baseline base is void: ratios are to next instead" in sentences.notes(comparison)


def _seeded_auc(trials: list[TrialResult], shift: float) -> list[TrialResult]:
    aucs = [0.80 + shift, 0.81 + shift, 0.82 + shift]
    return [replace(t, auc=(0.5, auc)) for t, auc in zip(trials, aucs, strict=True)]


@pytest.mark.parametrize(("shift", "word"), [(0.02, "higher"), (-0.02, "lower")])
def test_another_auc_stands_beside_the_word_fastest_in_both_directions(shift: float, word: str) -> None:
    odd = _seeded_auc(_trials("odd", 200), shift)
    comparison = _comparison(odd, _seeded_auc(_trials("base", 100), 0.0), baseline="base")
    assert f"odd is the fastest in training (but its AUC is {word} than that of base)." in summary(comparison)
    assert any("Chance hardly explains this" in note for note in sentences.notes(comparison))


@pytest.mark.parametrize(
    ("flag", "beside"),
    [
        ("the rows were only partly shuffled: quality 0.4", "the rows were only partly shuffled"),
        ("rows of another epoch came again: 12", "rows of another epoch came again"),  # a flag that does not exist yet
        ("host memory grew by 9.0 MB or more in every epoch: a leak?", ""),
        ("the GPU was throttled: heat", ""),
    ],
)
def test_a_flag_on_correctness_stands_beside_the_word_fastest(flag: str, beside: str) -> None:
    flagged = [replace(t, flags=(flag,)) for t in _trials("a", 200)]
    text = summary(_comparison(flagged, _trials("b", 100)))
    assert f"a is the fastest in training{f' (but {beside})' if beside else ''}. 2.0" in text


def test_a_run_that_checked_every_row_says_that_its_rate_is_not_for_comparison() -> None:
    checked = [replace(t, spec=replace(t.spec, check="every")) for t in _trials("a", 200)]
    comparison = _comparison(checked, _trials("b", 100))
    assert "(but its rate is not for comparison, because every row was checked)" in summary(comparison)
    assert any("not for comparison" in note for note in sentences.notes(comparison))


def test_rounds_that_differ_show_that_the_machine_was_not_quiet() -> None:
    comparison = _comparison(_trials("a", 100, shape=(1.0, 1.02, 0.01, 0.99)))
    assert "a: rounds of training differ 102-fold: the machine was not quiet" in sentences.notes(comparison)
    assert "a trains at 1.00 to 102 rows/s." in summary(comparison)
    assert not any("quiet" in note for note in sentences.notes(_comparison(_trials("a", 100))))


def _all_in(trials: list[TrialResult], factor: float) -> list[TrialResult]:
    return [replace(t, all_in_s=(t.wall_s or 0.0) * factor) for t in trials]


def test_a_different_order_all_in_is_said() -> None:
    comparison = _comparison(_all_in(_trials("a", 200), 4), _all_in(_trials("b", 150, shape=(1.01, 0.99, 1)), 1.5))
    head = table.cells(comparison)[0]
    assert head.index("All-in") == head.index("Training") + 1
    assert "a is the fastest" in summary(comparison)
    [note] = [note for note in sentences.notes(comparison) if note.startswith("all-in")]
    assert "b is faster than a: 2.0 times (" in note
    same_order = _comparison(_all_in(_trials("a", 200), 1.5), _all_in(_trials("b", 150), 1.5))
    assert not any(note.startswith("all-in") for note in sentences.notes(same_order))


@pytest.mark.parametrize(
    ("checked", "column"),
    [
        (("sampled", "every"), None),
        (("sampled", "no"), ["sample", "not checked"]),
        (("every", None), ["every row", "not checked"]),
    ],
)
def test_rows_that_were_not_checked_get_a_column(checked: tuple[str | None, ...], column: list[str] | None) -> None:
    groups = [
        [replace(t, rows_checked=state) for t in _trials(name, rate)]  # type: ignore[arg-type]
        for name, rate, state in zip("ab", (200, 100), checked, strict=True)
    ]
    head, *body = table.cells(_comparison(*groups))
    assert ("Rows checked" in head) == (column is not None)
    if column:
        assert [line[head.index("Rows checked")] for line in body] == column


def _adversarial() -> dict[str, RunRecord]:
    return {
        "outlier": record(*_trials("a", 1e6, shape=(1, 1, 0.01)), *_trials("b", 1e6), *_trials("replay", 1e6, "replay", (1, 1, 0.01))),
        "two rounds": record(*_trials("a", 1e6, shape=(1, 40)), *_trials("b", 9, shape=(1, 3)), *_trials("replay", 1e3, "replay", (1, 9))),
        "one replay": record(*_trials("a", 281), *_trials("replay", 100, "replay", (1.0,))),
        "zero variance": record(*_trials("a", 100, shape=(1, 1, 1)), *_trials("b", 100, shape=(1, 1, 1))),
    }  # fmt: skip


@pytest.mark.parametrize("name", list(_adversarial()))
def test_no_figure_is_absurd(name: str) -> None:
    run = replace(_adversarial()[name], baseline="a")
    text = _everything(summarize([(Path("a"), run)]))
    assert "281" not in text.replace("281 rows/s", "")
    for number in re.findall(r"[±+-](\d+(?:\.\d+)?) %", text):
        assert float(number) < 200, text


def test_the_words_of_a_verdict_are_those_of_its_direction() -> None:
    judged = Verdict("more", Estimate(1.5, 1.4, 1.6, 3), 0.03)
    assert verdicts.word(judged, RATE) == "faster"
    assert verdicts.word(judged, BY_NAME["peak_rss_bytes"]) == "higher"
    assert verdicts.word(replace(judged, direction="inconclusive"), RATE) == "undecided"
    assert verdicts.word(replace(judged, direction="same"), RATE) == "same"
