"""What the page's first screen is made of: sentences with places, bars of ratios, links to records, citations."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.bench.cli.report import write_report
from feedrate.bench.results import store
from feedrate.bench.results.stats import Estimate
from feedrate.reports import units
from feedrate.reports.analysis.summarize import Comparison, summarize
from feedrate.reports.formats import html, pagekit, sentences
from feedrate.reports.formats.first_screen.citation import citation
from feedrate.reports.formats.first_screen.ratio_bar import MARGIN, WIDTH, ratio_bars
from feedrate.reports.formats.first_screen.record_link import record_link
from feedrate.reports.formats.first_screen.view import FirstScreen, first_screen
from tests.samples.records.odd_record import odd_record
from tests.samples.sample_record import RUN, record, trial


def _first_screen(comparison: Comparison) -> FirstScreen:
    return first_screen(comparison, [sentences.of_row(row, comparison) for row in comparison.rows])


def test_the_answers_come_in_the_order_of_the_questions() -> None:
    page = html.render(summarize([(Path("a"), RUN)]))
    assert re.findall(r"<dt>([^<]*)</dt>", page)[:5] == [
        "By what factor", "Loader or model", "What next", "What is wrong", "All loaders"
    ]  # fmt: skip
    assert "<h1>fast is the fastest in training.</h1>" in page


def test_a_command_from_a_record_is_only_text_on_the_page() -> None:
    one = record(trial("a", "train", 1), trial("b", "train", 2))
    command = "feedrate run D</pre><script>alert(1)</script> \u202e -o R"
    page = html.render(summarize([(Path("a"), replace(one, environment=replace(one.environment, command=command)))]))
    assert "<script>alert" not in page
    assert "\u202e" not in page.partition("What is wrong")[0]
    parts = ["--repeats 1", "--seeds 0,1,2", "--resume"]
    assert " ".join(f'<span class="option">{part}</span>' for part in parts) in page


def test_runs_that_must_not_be_compared_say_so_first() -> None:
    other = replace(RUN, dataset=replace(RUN.dataset, fingerprint="f" * 16))
    screen = _first_screen(summarize([(Path("a"), RUN), (Path("b"), other)]))
    assert screen.title.startswith("These runs must not be compared, because they differ in dataset")
    assert len(screen.answers) == 2


def test_each_line_of_what_is_wrong_has_a_place_on_the_page() -> None:
    flags = (
        "the GPU was throttled: heat",
        "host memory grew by 9.0 MB or more in every epoch: a leak?",
        "it printed: 3 lines",
    )
    flagged = [replace(one, flags=flags) for one in (trial("a", "train", rate, n) for n, rate in enumerate((1, 9, 2)))]
    checked = [trial("b", "train", 4, n) for n in range(3)]
    checked = [replace(one, spec=replace(one.spec, check="every")) for one in checked]
    faulty = replace(record(*flagged, *checked), stopped="", environment=replace(RUN.environment, dirty=True))
    for run in (odd_record(), faulty):
        comparison = summarize([(Path("odd"), run)])
        page, lines = html.render(comparison), _first_screen(comparison).wrong
        for line in lines:
            assert f'id="{line.place}"' in page
        places = [line.place for line in lines]
        assert sorted(set(places)) == sorted(places)
    assert {"loader-1-note-2", "run-1-rounds", "run-1-feedrate"} <= set(places)


def test_bars_share_an_axis_and_what_is_too_wide_is_cut() -> None:
    narrow, wide = Estimate(2.0, 1.9, 2.1, 5), Estimate(0.5, 0.001, 900.0, 2)
    first, second, missing = ratio_bars([narrow, wide, None])
    assert missing is None
    assert first is not None
    assert second is not None
    assert second.mean < first.one == second.one < first.mean
    assert (first.cut_low, first.cut_high, second.cut_low, second.cut_high) == (False, False, True, True)
    assert (second.low, second.high) == (MARGIN, WIDTH - MARGIN)
    assert ratio_bars([None]) == [None]
    [alone] = ratio_bars([Estimate(1.0, None, None, 1)])
    assert alone is not None
    assert (alone.low, alone.one) == (None, alone.mean)


def test_a_record_beside_the_page_is_linked_and_another_is_only_named(tmp_path: Path) -> None:
    store.write(tmp_path / "my run", RUN)
    beside = record_link(tmp_path / "my run", tmp_path / "my run" / "report.html")
    assert (beside.text, beside.address) == ("run.json", "run.json")
    away = record_link(tmp_path / "my run", tmp_path / "page.html")
    assert (away.text, away.address) == ("my run/run.json", "")


def test_the_written_page_links_to_its_record(tmp_path: Path) -> None:
    store.write(tmp_path, RUN)
    write_report(summarize([(tmp_path, RUN)]), tmp_path / "report.html", [tmp_path])
    assert '<a href="run.json">run.json</a>' in (tmp_path / "report.html").read_text()


def test_a_citation_names_version_commit_date_and_machine() -> None:
    cited = citation(RUN)
    for part in ("0.1.0", "abcdef012345", "2026-01-01", "A GPU", "2 cores of A CPU"):
        assert part in cited.text
        assert part in cited.bibtex
    assert cited.bibtex.startswith("@misc{feedrate-2026-01-01-a-gpu,\n  title = {")


@pytest.mark.parametrize("name", ["A } GPU", "50 % & _more_ #1 $x$ ~^ \\input{secret}", "A\nGPU"])
def test_markup_in_names_is_inert_in_a_citation(name: str) -> None:
    cited = citation(replace(RUN, environment=replace(RUN.environment, gpu=name)))
    unescaped = re.sub(r"\\text\w+\{\}|\\[{}%&#_$]", "", cited.bibtex).replace("\\url{", "{")
    assert unescaped.count("{") == unescaped.count("}")
    assert not re.search(r"[\\%&#$~^]", unescaped)
    assert len(cited.bibtex.splitlines()) == 7


def test_the_scripts_and_templates_of_the_first_screen_weigh_little() -> None:
    names = ("address.js", "tables.js", "answers.html", "ratio.html", "report.css", "report.js")
    assert sum(len(pagekit.page_file(name)) for name in names) < 40_000


def test_settings_that_an_old_record_lacks_are_not_recorded(tmp_path: Path) -> None:
    store.write(tmp_path, RUN)
    assert record_link(tmp_path, tmp_path / "report.html").unrecorded == frozenset()
    old = json.loads((tmp_path / "run.json").read_text())
    for one in old["trials"]:
        del one["spec"]["check"], one["spec"]["cache"], one["spec"]["model"]["step"]
    (tmp_path / "run.json").write_text(json.dumps(old))
    link = record_link(tmp_path, tmp_path / "report.html")
    shown = dict(html.settings(store.read(tmp_path), link.unrecorded))
    assert {name for name, text in shown.items() if text == "not recorded"} == {"check", "cache", "model: step"}
    assert shown["shuffle"] == "yes"
    assert shown["memory_budget_bytes"] == "no limit"
    assert shown["model: hidden"] == "128, 128, 128"
    assert shown["model: bottom"] == "none"
    first_version = replace(RUN, schema_version=1, stopped="")
    assert dict(html.environment_rows(first_version))["Rounds"] == "not recorded"
    page = html.render(summarize([(tmp_path, store.read(tmp_path))]), records=[link])
    assert '<th scope="row">check</th><td>not recorded</td>' in page


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"), ("False", "no"), (None, "none"), ("None", "none"), ((), "none"), ("()", "none"), ("", "none"), ((128, 64), "128, 64"),
        ("(128, 64)", "128, 64"), ("('a', 'b')", "a, b"), ("('a',)", "a"), ("['it']", "it"), ("'auto'", "auto"), (0.5, "0.5"), ("a(b)", "a(b)"),
    ],
)  # fmt: skip
def test_a_setting_is_shown_without_python_s_notation(value: object, text: str) -> None:
    assert units.format_setting(value) == text
