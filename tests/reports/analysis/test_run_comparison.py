from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.bench.results import store
from feedrate.bench.results.record import RunRecord
from feedrate.loaders.errors import FeedrateError
from feedrate.reports.analysis.gates import failures, read_gates, undecided
from feedrate.reports.analysis.provenance_diff import provenance_diff
from feedrate.reports.analysis.run_comparison import Line, Side, compare_runs, read_side, refuse_unlike, within
from feedrate.reports.analysis.verdicts import word as verdict_word
from tests.samples.sample_record import record, trial


def _run(rows_per_s: float, auc: float = 0.8, loader: str = "a") -> RunRecord:
    shape = (0.99, 1.0, 1.01, 1.0, 1.005)
    return record(
        *(
            trial(loader, "train", rows_per_s * wobble, repeat, auc=auc + wobble / 1000)
            for repeat, wobble in enumerate(shape)
        )
    )


def _lines(base: RunRecord, head: RunRecord) -> dict[str, Line]:
    return {line.metric.name: line for line in compare_runs(Side("base", base, None), Side("head", head, None))}


@pytest.mark.parametrize(("speed", "word"), [(800, "slower"), (1001, "same"), (1100, "faster")])
def test_the_head_is_faster_slower_or_the_same(speed: float, word: str) -> None:
    line = _lines(_run(1000), _run(speed))["train_rows_per_s"]
    assert verdict_word(line.verdict, line.metric) == word
    assert line.change == pytest.approx(speed / 1000 - 1, abs=1e-3)
    assert line.verdict.smallest_seen is not None


def test_single_trials_have_no_verdict() -> None:
    line = _lines(record(trial("a", "train", 100)), record(trial("a", "train", 500)))["train_rows_per_s"]
    assert (verdict_word(line.verdict, line.metric), line.verdict.smallest_seen) == ("1 round, no interval", None)


def test_repeats_of_a_seed_are_one_sample_of_auc() -> None:
    assert _lines(_run(100), _run(100))["auc"].verdict.change.n == 1


def test_the_auc_of_two_runs_is_paired_by_seed_so_equal_values_are_the_same() -> None:
    """Seeds differ far more than loaders do. Unpaired, nothing could be said about three of them."""
    trials = [trial("a", "train", 100, auc=auc) for auc in (0.79, 0.80, 0.82)]
    run = record(*(replace(t, spec=replace(t.spec, seed=seed)) for seed, t in enumerate(trials)))
    line = _lines(run, replace(run, environment=replace(run.environment, cores=4)))["auc"]
    assert (verdict_word(line.verdict, line.metric), line.verdict.change.n) == ("same", 3)


def test_a_void_baseline_is_replaced_by_the_next_loader(tmp_path: Path) -> None:
    void = [replace(t, status="void", epochs=None) for t in _run(1000, loader="a").trials]
    run = replace(record(*void, *_run(500, loader="b").trials, *_run(700, loader="c").trials), baseline="a")
    store.write(tmp_path, run)
    assert {(line.base, line.head) for line in compare_runs(*within(str(tmp_path)))} == {("b", "c")}


def test_loaders_of_one_run_are_paired_by_round() -> None:
    both = record(*_run(1000, loader="a").trials, *_run(500, loader="b").trials)
    [line] = [line for line in compare_runs(Side("x", both, "a"), Side("x", both, "b")) if line.metric.unit == "rows/s"]
    assert (line.base, line.head, verdict_word(line.verdict, line.metric)) == ("a", "b", "slower")
    assert line.verdict.change.low == pytest.approx(0.5)


def test_a_single_run_is_compared_with_its_baseline(tmp_path: Path) -> None:
    both = replace(record(*_run(1000, loader="a").trials, *_run(500, loader="b").trials), baseline="a")
    store.write(tmp_path, both)
    assert {(line.base, line.head) for line in compare_runs(*within(str(tmp_path)))} == {("a", "b")}
    with pytest.raises(FeedrateError, match="nothing to compare .* with: name two runs"):
        within(f"{tmp_path}@a")
    with pytest.raises(FeedrateError, match="has no loader 'c', only a, b"):
        read_side(f"{tmp_path}@c")


def _elsewhere(base: RunRecord) -> RunRecord:
    return replace(base, environment=replace(base.environment, gpu="B GPU", packages={"torch": "9"}))


def test_runs_of_another_task_are_refused_with_the_list() -> None:
    base = _run(100)
    elsewhere = replace(
        base,
        dataset=replace(base.dataset, fingerprint="f" * 16),
        trials=tuple(replace(t, spec=replace(t.spec, epochs=7)) for t in base.trials),
    )
    with pytest.raises(FeedrateError) as refused:
        compare_runs(Side("base", base, None), Side("head", elsewhere, None))
    assert "dataset (d 0123456789ab and d ffffffffffff)" in str(refused.value)
    assert "epochs (1 and 7)" in str(refused.value)
    refuse_unlike(base, base)


def test_runs_of_two_machines_and_versions_are_compared_and_their_differences_named() -> None:
    base = _run(1000)
    elsewhere = _elsewhere(_run(800))
    line = _lines(base, elsewhere)["train_rows_per_s"]
    assert verdict_word(line.verdict, line.metric) == "slower"
    assert [str(diff) for diff in provenance_diff([base, elsewhere])] == [
        "GPU (A GPU and B GPU)",
        "torch (2.13.0 and 9)",
    ]


def test_a_gate_refuses_runs_of_two_machines() -> None:
    base, head = Side("base", _run(1000), None), Side("head", _elsewhere(_run(800)), None)
    with pytest.raises(FeedrateError, match=r"differ in: GPU \(A GPU and B GPU\)"):
        list(failures(base, head, compare_runs(base, head), read_gates("rows_per_s<-5%")))


def test_a_gate_says_that_one_trial_on_each_side_decides_nothing() -> None:
    base = head = Side("x", record(trial("a", "train", 100)), None)
    [sentence] = undecided(compare_runs(base, head), read_gates("rows_per_s<-5%"))
    assert "has no confidence interval: it needs two samples or more on each side" in sentence


def test_a_run_of_one_loader_has_nothing_to_compare_itself_with() -> None:
    one = _run(1, loader="a")
    with pytest.raises(FeedrateError, match="x has only one loader to compare: pass a second run or RUN@LOADER"):
        compare_runs(Side("x", one, "a"), Side("x", one, None))


def test_runs_with_nothing_in_common_are_refused() -> None:
    with pytest.raises(FeedrateError, match="have no loader and metric in common"):
        compare_runs(Side("x", _run(1, loader="a"), None), Side("y", _run(1, loader="b"), None))


@pytest.mark.parametrize(
    ("gates", "speed", "auc", "failed"),
    [
        ("rows_per_s<-5%", 900, 0.8, 1),
        ("rows_per_s<-5%", 960, 0.8, 0),  # slower, but by less than the limit
        ("rows_per_s<-5%", 1100, 0.8, 0),
        ("train_rows_per_s>+5%", 1100, 0.8, 1),
        ("rows_per_s<-100", 850, 0.8, 1),
        ("peak_rss_bytes>+5%", 1000, 0.8, 0),
    ],
)
def test_a_gate_fails_on_a_change_beyond_its_limit(gates: str, speed: float, auc: float, failed: int) -> None:
    base, head = Side("base", _run(1000), None), Side("head", _run(speed, auc), None)
    assert len(list(failures(base, head, compare_runs(base, head), read_gates(gates)))) == failed


def test_a_gate_does_not_fail_by_chance() -> None:
    noisy = record(*(trial("a", "train", speed, repeat) for repeat, speed in enumerate((500, 1500, 700, 900))))
    base, head = Side("base", _run(1000), None), Side("head", noisy, None)
    lines, gates = compare_runs(base, head), read_gates("rows_per_s<-5%")
    assert list(failures(base, head, lines, gates)) == []
    assert len(list(undecided(lines, gates))) == 1


def test_a_limit_below_the_smallest_effect_of_a_verdict_still_applies() -> None:
    base, head = Side("base", _run(1000), None), Side("head", _run(980), None)
    assert len(list(failures(base, head, compare_runs(base, head), read_gates("rows_per_s<-1%")))) == 1


def test_a_loader_missing_from_the_head_fails_every_gate() -> None:
    both = record(*_run(1000, loader="a").trials, *_run(500, loader="b").trials)
    void = [replace(t, status="void", detail="a row is missing", epochs=None) for t in _run(500, loader="b").trials]
    base, head = Side("base", both, None), Side("head", record(*_run(1000, loader="a").trials, *void), None)
    [sentence] = failures(base, head, compare_runs(base, head), read_gates("rows_per_s<-5%"))
    assert "b, batch 100, no longer has Training (void: a row is missing)" in sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rows_per_s", "takes conditions like rows_per_s<-5%"),
        ("speed<-5%", "--fail-if has 'speed', but must be one of rows_per_s"),
        ("rows_per_s<=5%", "takes conditions"),
    ],
)
def test_an_invalid_condition_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        read_gates(text)


def test_a_gate_on_a_metric_that_was_not_measured_is_refused() -> None:
    base = head = Side("base", _run(1000), None)
    lines = compare_runs(base, head)
    with pytest.raises(FeedrateError, match="neither run measured rows_per_joule"):
        list(failures(base, head, lines, read_gates("rows_per_joule<-5%")))
