"""A site of several settings: a loader has one colour on all pages, and one row for each place on the index."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.bench.results import store
from feedrate.reports.formats.site import build
from tests.samples.sample_record import record, trial


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("settings")
    for number, (names, size) in enumerate(((("b", "c"), 100), (("c", "a"), 200), (("c",), 400))):
        run = record(*(trial(name, "train", 100, repeat, size=size) for name in names for repeat in range(2)))
        epochs = tuple(replace(one, spec=replace(one.spec, epochs=number + 1)) for one in run.trials)
        store.write(folder / "runs" / f"r{number}", replace(run, trials=epochs))
    build(folder / "runs", folder / "site", pytest.fail)
    return folder / "site"


def test_a_loader_has_one_colour_on_all_pages_and_in_all_sections(site: Path) -> None:
    colours: dict[str, set[str]] = {}
    sections = set()
    for page in site.rglob("*.html"):
        match = re.search(r'id="figures-data">(.*?)</script>', page.read_text(), re.DOTALL)
        for figure in json.loads(match[1]) if match else []:
            sections.add(figure["name"].partition("-")[0])
            for trace in figure["data"]:
                if "loader" in trace.get("meta", {}) and "name" in trace:
                    look = trace["line"] if "line" in trace else trace["marker"]
                    colours.setdefault(trace["meta"]["loader"].partition(",")[0], set()).add(look["color"])
    assert {"s0", "s1", "s2"} <= sections
    assert sorted(colours) == ["a", "b", "c"]
    assert len(set.union(*colours.values())) == 3
    assert all(len(found) == 1 for found in colours.values())


def test_the_index_has_one_row_for_each_loader_and_place_and_leads_to_its_other_settings(site: Path) -> None:
    page = (site / "index.html").read_text()
    rows = {
        re.findall(r"<a [^>]*>(\w+)</a>", row)[0]: row for row in re.findall(r"<tr data-row.*?</tr>", page, re.DOTALL)
    }
    assert sorted(rows) == ["a", "b", "c"]
    assert page.count("<tr data-row") == 3
    [place] = (site / "results").glob("*.html")
    assert f'<a href="results/{place.name}">2 other settings</a>' in rows["c"]
    assert "other setting" not in rows["a"] + rows["b"]
