"""Workers with other code or other libraries are told from those that make the same values."""

from __future__ import annotations

from feedrate.bench.datasets.parts.versions import difference, versions


def test_the_code_and_the_libraries_that_make_values_are_told() -> None:
    assert {"Python", "numpy", "polars", "pyarrow", "torch", "feedrate's code"} == {*versions()}
    assert "nothing" not in versions().values()
    assert difference(versions(), versions()) == ""


def test_what_differs_is_said_with_both_versions() -> None:
    ours = {"Python": "3.11", "numpy": "2.4.6", "polars": "2.1.0"}
    theirs = {"Python": "3.11", "numpy": "2.3.0"}
    assert difference(ours, theirs) == "numpy 2.3.0 instead of 2.4.6, polars nothing instead of 2.1.0"
