"""A loader has one colour on the whole site, whatever other loaders a section has."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from feedrate.bench.results import store
from feedrate.reports.formats.site import build
from tests.samples.sample_record import record, trial


def test_a_loader_has_one_colour_on_all_pages_and_in_all_sections(tmp_path: Path) -> None:
    for number, (names, size) in enumerate(((("b", "c"), 100), (("c", "a"), 200), (("c",), 400))):
        run = record(*(trial(name, "train", 100, repeat, size=size) for name in names for repeat in range(2)))
        epochs = tuple(replace(one, spec=replace(one.spec, epochs=number + 1)) for one in run.trials)
        store.write(tmp_path / "runs" / f"r{number}", replace(run, trials=epochs))
    build(tmp_path / "runs", tmp_path / "site", pytest.fail)
    colours: dict[str, set[str]] = {}
    sections = set()
    for page in (tmp_path / "site").rglob("*.html"):
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
