"""The plugin's gate on made-up numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from feedrate.bench.plugin.baseline_gate import GATED, Baseline, comparable, failures, lost, other_machine, unmeasured
from feedrate.loaders.errors import FeedrateError
from feedrate.reports.analysis.gates import read_gates

SETTINGS = {
    "mode": "train", "dataset_fingerprint": "abc", "rows": 1000, "seed": 0, "batch_size": 256, "rounds": 3, "device": "cpu",
    "machine": "a CPU, 2 cores",
}  # fmt: skip


def _baseline(conditions: str, **values: Any) -> Baseline:
    return Baseline(
        gates=read_gates(conditions, metrics=GATED), path=Path("saved.json"), saved={"test": SETTINGS | values}
    )


def _failures(conditions: str, base: dict[str, Any], result: dict[str, Any]) -> list[str]:
    return list(failures(_baseline(conditions), base, result))


def test_a_condition_must_be_met_by_each_round() -> None:
    base = {"rows_per_s": 100.0}
    assert _failures("rows_per_s<-10%", base, {"rows_per_s": 80.0, "rows_per_s_rounds": [70.0, 95.0]}) == []
    [sentence] = _failures("rows_per_s<-10%", base, {"rows_per_s": 80.0, "rows_per_s_rounds": [70.0, 85.0]})
    assert sentence == "rows_per_s is 80, but was 100 (-20.0%): beyond rows_per_s<-10% in 2 of 2 rounds"


@pytest.mark.parametrize(
    ("conditions", "before", "after", "sentence"),
    [
        (
            "wait_fraction>+10%",
            0.0,
            0.5,
            "wait_fraction was 0, so a percentage is meaningless: specify a difference without %",
        ),
        ("wait_fraction>+0.1", 0.0, 0.5, "wait_fraction is 0.5, but was 0 (+0.5): beyond"),
        ("auc<-0.1", 0.7, math.nan, "auc is nan and was 0.7, which cannot be compared"),
        ("auc<-0.1", math.nan, 0.7, "auc is 0.7 and was nan, which cannot be compared"),
        ("auc<-0.1", None, 0.7, "auc is 0.7 and was None, which cannot be compared"),
        ("auc<-0.1", "0.7", 0.7, "auc is 0.7 and was 0.7, which cannot be compared"),
    ],
)
def test_a_condition_that_cannot_be_judged_fails_with_a_sentence(
    conditions: str, before: object, after: float, sentence: str
) -> None:
    metric = conditions.replace(">", "<").partition("<")[0]
    [failure] = _failures(conditions, {metric: before}, {metric: after})
    assert sentence in failure


@pytest.mark.parametrize(
    ("name", "value"),
    [("mode", "load"), ("dataset_fingerprint", "xyz"), ("rows", 2000), ("seed", 1), ("batch_size", 512), ("rounds", 5), ("device", "cuda")],
)  # fmt: skip
def test_a_run_with_other_settings_is_refused_and_they_are_named(name: str, value: object) -> None:
    sentence = f"differ in: {name} \\({value} and {SETTINGS[name]}\\)"
    with pytest.raises(FeedrateError, match=sentence):
        comparable(_baseline("auc<-0.1", **{name: value}), "test", SETTINGS)


def test_a_run_that_did_not_record_a_setting_is_refused() -> None:
    saved = {"test": {name: value for name, value in SETTINGS.items() if name != "seed"}}
    baseline = Baseline(gates=[], path=Path("saved.json"), saved=saved)
    with pytest.raises(FeedrateError, match=r"differ in: seed \(not recorded and 0\)"):
        comparable(baseline, "test", SETTINGS)


def test_a_test_that_was_not_saved_is_refused() -> None:
    with pytest.raises(FeedrateError, match=r"saved.json has no benchmark 'another'"):
        comparable(_baseline("auc<-0.1"), "another", SETTINGS)


def test_another_machine_gives_a_warning_and_no_error() -> None:
    baseline = _baseline("auc<-0.1", machine="an abacus")
    base = comparable(baseline, "test", SETTINGS)
    assert "measured on an abacus, but this run on a CPU, 2 cores" in other_machine(baseline, base, SETTINGS)
    assert other_machine(baseline, SETTINGS, SETTINGS) == ""


def test_a_condition_needs_one_test_that_measures_it() -> None:
    load, train = {"mode": "load", "rows_per_s": 1.0}, {"mode": "train", "rows_per_s": 1.0, "auc": 0.7}
    baseline = _baseline("rows_per_s<-10%,auc<-0.1")
    assert unmeasured(baseline, [load, train]) == []
    [sentence] = unmeasured(baseline, [load])
    assert sentence.endswith("'auc<-0.1', but auc was not measured: it is not measured in mode load")
    assert len(unmeasured(baseline, [])) == 2


def test_a_saved_test_that_did_not_run_is_named_if_its_file_ran() -> None:
    saved = {
        "a.py::one": {"rows_per_s": 1.0},
        "a.py::two": {"rows_per_s": 1.0},
        "b.py::three": {"rows_per_s": 1.0},
        "a.py::other": {},
    }
    baseline = Baseline(gates=read_gates("rows_per_s<-10%", metrics=GATED), path=Path("saved.json"), saved=saved)
    assert lost(baseline, {"a.py::one"}) == ["a.py::two was measured in saved.json, but not in this run"]
    assert lost(baseline, {"a.py::one", "a.py::two"}) == []
