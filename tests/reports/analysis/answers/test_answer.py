"""The answers of a comparison: what they claim, and what they must not claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.bench.results.record import RunRecord, TrialResult
from feedrate.bench.results.spec import Mode
from feedrate.reports.analysis.answers.answer import Answer, AnswerLine, answers, lines
from feedrate.reports.analysis.answers.concerns import UNCHECKED, concerns
from feedrate.reports.analysis.summarize import summarize
from tests.samples.records.odd_record import BASELINE, FASTEST, NAMES, PARTIAL, UNSTEADY, odd_record
from tests.samples.sample_record import record, trial

CALM = (0.999, 1.0, 1.001, 1.0005)
PART = "the rows were shuffled only in part: quality 0.4"


def trials(
    loader: str, rate: float, shape: Sequence[float] = (), mode: Mode = "train", flags: tuple[str, ...] = ()
) -> list[TrialResult]:
    """Trials of a calm loader. Each loader has the noise in another order, or its ratios would have none."""
    turn = ord(loader[0]) % len(CALM)
    shape = shape or (*CALM[turn:], *CALM[:turn])
    return [replace(trial(loader, mode, rate * x, number), flags=flags) for number, x in enumerate(shape)]


def a_run(*parts: list[TrialResult], baseline: str = "a") -> RunRecord:
    return replace(record(*(trial for part in parts for trial in part)), baseline=baseline)


def answer_of(*parts: list[TrialResult], baseline: str = "a") -> Answer:
    [found] = answers(summarize([(Path("run"), a_run(*parts, baseline=baseline))]))
    return found


REPLAY = trials("replay", 1000, CALM, "replay")


def test_the_fastest_loader_feeds_the_model_and_the_baseline_does_not() -> None:
    found = answer_of(trials("a", 500), trials("b", 995), REPLAY)
    assert found.which == "b is the fastest in training."
    assert found.factor.startswith("1.99 times a (1.98 to 2.00). b trains at 995 rows/s ±0 %.")
    assert found.limit.startswith("The model. b delivers 99.2 to 99.8 % of what the model can take")
    assert "With a, it is the loader: it costs the model 49.9 to 50.1 % of its speed" in found.limit
    assert found.next.sentence == "Use b. The loader is not what holds you back then: make the model faster."
    assert found.next.command == ""


def test_equal_loaders_stand_together_and_none_is_called_the_fastest() -> None:
    found = answer_of(trials("a", 500), trials("b", 505), trials("c", 100), REPLAY)
    assert found.which == "In training, b and a are equally fast: they differ by less than 3 %."
    assert "fastest" not in " ".join([found.which, found.factor, found.next.sentence])
    assert [[row.label for row in group] for group in found.field.groups] == [["b", "a"], ["c"]]
    assert found.next.sentence == "Use b or a. Their speeds differ by less than 3 %: choose by memory or convenience."


def test_loaders_that_all_feed_the_model_need_no_further_round() -> None:
    found = answer_of(trials("a", 990), trials("b", 995), REPLAY)
    assert "equally fast" in found.which
    assert found.next.sentence.endswith("The loader is not what holds you back: make the model faster.")


@pytest.mark.parametrize("mode", ["train", "load"])
def test_a_loader_in_doubt_is_not_called_the_fastest_without_the_doubt(mode: Mode) -> None:
    found = answer_of(trials("a", 100, mode=mode), trials("b", 300, mode=mode, flags=(PART,)))
    assert "the fastest" in found.which
    assert found.which.endswith("(but the rows were shuffled only in part).")
    assert found.next.sentence.startswith(
        "Use b only if you accept this: the rows were shuffled only in part. Otherwise use a."
    )


def test_a_loader_with_another_auc_is_not_called_the_fastest_without_the_doubt() -> None:
    def seeded(loader: str, rate: float, auc: float) -> list[TrialResult]:
        made = [trial(loader, "train", rate * x, auc=auc + 0.0001 * n) for n, x in enumerate(CALM)]
        return [replace(one, spec=replace(one.spec, seed=seed)) for seed, one in enumerate(made)]

    found = answer_of(seeded("a", 100, 0.8), seeded("b", 300, 0.7))
    assert found.which == "b is the fastest in training (but its AUC is lower than that of a)."


def test_one_round_says_what_cannot_be_known_and_how_many_rounds_to_add() -> None:
    found = answer_of(trials("a", 100, (1,)), trials("b", 200, (1,)), trials("replay", 210, (1,), "replay"))
    assert found.which == "In training, b was faster than a in one round, but one round does not prove it."
    assert "in one round, which may be chance" in found.factor
    assert found.limit.startswith("Not judged: one round has no interval.")
    assert found.next.sentence.startswith("2 more rounds should give the first intervals")
    assert found.next.command == "feedrate run DATA -o RUN --loaders a,b --repeats 1 --seeds 0,1,2 --resume"


def test_a_single_loader_is_not_compared() -> None:
    found = answer_of(trials("a", 990), REPLAY)
    assert found.which == "a is the only loader with a result."
    assert found.factor == "There is no other loader to compare it with. a trains at 990 rows/s ±0 %."
    assert found.next.sentence == "The loader is not what holds you back: make the model faster."


def test_a_single_loader_whose_rounds_differ_has_no_rate_yet() -> None:
    found = answer_of(trials("a", 100, (1, 3)))
    assert found.factor == "There is no other loader to compare it with. a trains at 100 to 300 rows/s."


def test_a_run_without_training_says_that_the_limit_is_not_known() -> None:
    found = answer_of(trials("a", 100, mode="load"), trials("b", 300, mode="load"))
    assert found.which == "b is the fastest without a model."
    assert found.limit == "Not known: nothing was trained."
    assert found.next.sentence == "Use b. Train with it to learn whether the loader or the model holds you back."
    assert found.next.command == "feedrate run DATA -o RUN --modes load,replay,train --resume"


def test_a_slow_loader_is_what_holds_the_training_back() -> None:
    found = answer_of(trials("a", 300), trials("b", 800), REPLAY)
    assert found.limit.startswith("The loader, in part: even b costs the model 19.8 to 20.2 % of its speed")
    assert "still slows the model down" in found.next.sentence


def test_two_machines_and_two_batch_sizes_have_an_answer_each() -> None:
    first = a_run(trials("a", 100), [trial("a", "train", 90 + n, n, size=7) for n in range(3)])
    second = replace(a_run(trials("b", 900)), environment=replace(first.environment, gpu="B GPU"))
    found = answers(summarize([(Path("x"), first), (Path("y"), second)]))
    assert [(one.field.place, one.field.batch_size) for one in found] == [("B GPU", 100), ("A GPU", 100), ("A GPU", 7)]
    assert all("fastest" not in one.which for one in found)


def test_runs_of_different_tasks_are_answered_apart() -> None:
    first = a_run(trials("a", 100))
    other = replace(a_run(trials("a", 900)), dataset=replace(first.dataset, fingerprint="f" * 16))
    found = answers(summarize([(Path("x"), first), (Path("y"), other)]))
    assert [one.field.place for one in found] == ["A GPU, run y", "A GPU, run x"]


def test_what_is_wrong_is_one_line_each_with_its_place() -> None:
    comparison = summarize([(Path("odd"), odd_record())])
    found = [(concern.text, concern.place) for concern in concerns(comparison)]
    assert found == [
        (f"{BASELINE}: 14 of 14 trials void: row 17 came twice, and row 18 never", "trials"),
        (f"{UNSTEADY}: 10 of 14 trials failed: out of memory", "trials"),
        (f"{PARTIAL}: the rows were shuffled only in part", "loader"),
        (f"every loader: {UNCHECKED}", "checked"),
    ]


def test_flags_that_differ_only_in_numbers_are_one_line() -> None:
    leaks = [f"device memory grew by {size} MB or more in every epoch: a leak?" for size in (402.7, 33.6)]
    run = a_run(trials("a", 100, flags=tuple(leaks)))
    texts = [concern.text for concern in concerns(summarize([(Path("run"), run)]))]
    assert "a: device memory grew by 402.7 MB or more in every epoch" in texts
    assert len([text for text in texts if "grew" in text]) == 1


def test_every_loader_of_a_large_field_is_in_exactly_one_group() -> None:
    [found] = answers(summarize([(Path("odd"), odd_record())]))
    grouped = [row.loader for group in found.field.groups for row in group]
    assert sorted([*grouped, *(row.loader for row in found.field.without_result)]) == sorted(NAMES)
    assert [row.loader for row in found.field.groups[0]] == [FASTEST]
    assert [row.loader for row in found.field.order.rows if found.field.perhaps_fastest(row)] == [UNSTEADY]
    assert [row.loader for row in found.field.without_result] == [BASELINE]


def test_the_lines_of_text_have_all_answers() -> None:
    run = a_run(trials("a", 500), trials("b", 995), REPLAY)
    found = answer_of(trials("a", 500), trials("b", 995), REPLAY)
    assert lines(summarize([(Path("run"), run)])) == [
        AnswerLine("title", "b is the fastest in training."),
        AnswerLine("about", "Measured in 4 rounds on A GPU, batch size 100."),
        AnswerLine("answer", f"By what factor? {found.factor}"),
        AnswerLine("answer", f"Loader or model? {found.limit}"),
        AnswerLine("answer", "What next? Use b. The loader is not what holds you back then: make the model faster."),
    ]


def test_one_round_has_a_line_with_the_command_that_adds_rounds() -> None:
    text = lines(summarize([(Path("run"), a_run(trials("a", 100, (1,)), trials("b", 200, (1,))))]))
    assert text[0].text == "In training, b was faster than a in one round, but one round does not prove it."
    assert text[-1] == AnswerLine(
        "command", "feedrate run DATA -o RUN --loaders a,b --repeats 1 --seeds 0,1,2 --resume"
    )


def test_that_no_loader_has_a_result_is_said_once() -> None:
    broken = [replace(one, status="failed", detail="why") for one in trials("a", 100)]
    text = lines(summarize([(Path("run"), a_run(broken))]))
    assert [line.text for line in text[:2]] == [
        "No loader has a result.",
        "What next? Remove what kept the loaders from finishing, then continue the run.",
    ]


def test_runs_of_different_tasks_are_refused_first() -> None:
    first = a_run(trials("a", 100))
    other = replace(a_run(trials("a", 900)), dataset=replace(first.dataset, fingerprint="f" * 16))
    text = lines(summarize([(Path("x"), first), (Path("y"), other)]))
    assert text[0].text == "These runs must not be compared, because they differ in dataset."
    assert text[1].text == "a is the only loader with a result."
    assert text[2].text == "Measured in 4 rounds on A GPU, run y, batch size 100."
