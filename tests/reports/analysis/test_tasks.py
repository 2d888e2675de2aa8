"""Runs of different tasks are never in one report, and older records are of the task mlp."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from feedrate.bench.results import store, validation
from feedrate.bench.results.record import RunRecord
from feedrate.bench.results.spec import ModelSpec, model_of
from feedrate.loaders.errors import FeedrateError
from feedrate.reports.analysis.archive import settings
from feedrate.reports.analysis.history import history
from feedrate.reports.analysis.run_comparison import Side, compare_runs
from feedrate.reports.analysis.selection import select
from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.formats import html, markdown
from tests.samples.sample_record import RUN

DLRM = model_of("dlrm", {})
ATTENTION = model_of("sequence", {"history": "attention"})


def of_model(model: ModelSpec) -> RunRecord:
    return replace(RUN, trials=tuple(replace(t, spec=replace(t.spec, model=model)) for t in RUN.trials))


def test_a_report_of_two_tasks_is_refused_with_the_runs_named() -> None:
    with pytest.raises(FeedrateError, match=r"different tasks \(dlrm in b, mlp in a\): report each task apart"):
        summarize([(Path("a"), RUN), (Path("b"), of_model(DLRM))])
    one_record = replace(RUN, trials=(*RUN.trials, *of_model(DLRM).trials))
    with pytest.raises(FeedrateError, match="different tasks"):
        summarize([(Path("a"), one_record)])


def test_two_models_of_one_task_are_reported_with_a_warning() -> None:
    wide = replace(DLRM, embedding_width=64)
    text = markdown.write_markdown(summarize([(Path("a"), of_model(DLRM)), (Path("b"), of_model(wide))]))
    assert text.startswith("These runs must not be compared, because they differ in model embedding width")


def test_runs_of_two_tasks_are_not_compared() -> None:
    with pytest.raises(FeedrateError, match=r"must not be compared.*model task \(mlp and dlrm\)"):
        compare_runs(Side("a", RUN, None), Side("b", of_model(DLRM), None))


def test_site_and_history_keep_tasks_apart(tmp_path: Path) -> None:
    for name, model in (("a", ModelSpec()), ("b", DLRM), ("c", ATTENTION)):
        store.write(tmp_path / name, of_model(model))
    selection = select([tmp_path / name / "run.json" for name in "abc"], pytest.fail)
    tasks = {
        words: {trial.spec.model.task for part in parts for trial in part.record.trials}
        for (_, words), parts in selection.sections.items()
    }
    assert tasks == {
        "1 epoch, cpu": {"mlp"},
        "task dlrm, 1 epoch, cpu": {"dlrm"},
        "task sequence, 1 epoch, cpu, history attention": {"sequence"},
    }
    series = history(tmp_path, pytest.fail).series
    assert {each.setting.settings for each in series} == set(tasks)
    assert all(len(each.points) == 1 for each in series)


def test_settings_name_what_differs_from_the_task_s_own_default() -> None:
    spec = of_model(replace(DLRM, embedding_width=64)).trials[0].spec
    assert settings(spec) == "task dlrm, 1 epoch, cpu, embedding width 64"


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (ModelSpec(), "Task mlp: the reference notebook's embedding MLP"),
        (DLRM, "Task dlrm: dot products of embeddings"),
        (
            ATTENTION,
            "Task sequence: an MLP on a history of ids and a target item, whose histories are weighted by attention",
        ),
    ],
)
def test_the_page_and_the_text_name_the_task(model: ModelSpec, sentence: str) -> None:
    comparison = summarize([(Path("a"), of_model(model))])
    assert sentence in markdown.write_markdown(comparison)
    assert sentence.replace("'", "&#39;") in html.render(comparison)


def test_a_loader_alone_has_no_task() -> None:
    alone = replace(RUN, trials=tuple(trial for trial in RUN.trials if trial.spec.mode == "load"))
    assert "Task" not in markdown.write_markdown(summarize([(Path("a"), alone)]))


def test_a_record_without_a_task_is_of_mlp_and_valid(tmp_path: Path) -> None:
    store.write(tmp_path, RUN)
    content = json.loads((tmp_path / "run.json").read_text())
    for trial in content["trials"]:
        for name in ("task", "bottom", "history", "target"):
            del trial["spec"]["model"][name]
    (tmp_path / "run.json").write_text(json.dumps(content))
    assert store.read(tmp_path) == RUN
    assert {trial.spec.model.task for trial in store.read(tmp_path).trials} == {"mlp"}


def test_records_of_the_tasks_are_read_back_as_they_were(tmp_path: Path) -> None:
    for number, model in enumerate((DLRM, ATTENTION, replace(ATTENTION, target="item"))):
        store.write(tmp_path / str(number), of_model(model))
        assert store.read(tmp_path / str(number)) == of_model(model)


def test_validation_names_a_task_that_does_not_exist_and_a_record_of_two(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    content = json.loads(msgspec.json.encode(of_model(DLRM)))
    content["trials"][0]["spec"]["model"]["task"] = "ranking"
    path.write_text(json.dumps(content))
    assert any("task" in fault and "ranking" in fault for fault in validation.faults(path))
    content["trials"][0]["spec"]["model"] = json.loads(msgspec.json.encode(ModelSpec()))
    path.write_text(json.dumps(content))
    assert any("models of several tasks (mlp, dlrm), but a run has one" in fault for fault in validation.faults(path))
