"""Settings as they were in force, never a 0 that means automatic."""

from __future__ import annotations

from dataclasses import replace

from feedrate.bench.results.settings import NOT_RECORDED, settings_in_force
from tests.samples.sample_record import trial

OPTIONS = {"window_rows": "0", "decode": "auto", "read_ahead": "True", "drop_rows": "0"}


def test_what_the_loader_chose_replaces_what_left_the_choice_to_it() -> None:
    result = replace(
        trial("a", "load", 1), options=OPTIONS, options_in_force={"window_rows": "4096", "decode": "pyarrow"}
    )
    assert settings_in_force([result]) == {
        "window_rows": "4096", "decode": "pyarrow", "read_ahead": "True", "drop_rows": "0",
    }  # fmt: skip


def test_older_records_do_not_say_it() -> None:
    settings = settings_in_force([replace(trial("a", "load", 1), options=OPTIONS)])
    assert settings == {
        "window_rows": NOT_RECORDED, "decode": NOT_RECORDED, "read_ahead": "True", "drop_rows": "0",
    }  # fmt: skip
    assert settings_in_force([replace(trial("a", "load", 1), options={"window_rows": "512"})]) == {"window_rows": "512"}
    assert settings_in_force([trial("a", "load", 1)]) == {}


def test_trials_that_chose_differently_show_both() -> None:
    trials = [
        replace(trial("a", "load", 1), options={}, options_in_force={"window_rows": rows}) for rows in ("1", "2", "1")
    ]
    assert settings_in_force(trials) == {"window_rows": "1 or 2"}
