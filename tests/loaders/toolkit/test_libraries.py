"""A library that is missing or broken is an error with the way out."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from feedrate.loaders.errors import LoaderUnavailable
from feedrate.loaders.toolkit import import_library


def test_an_installed_library_is_imported() -> None:
    assert import_library("math", "abacus") is math


def test_a_missing_library_comes_with_the_command_that_installs_it() -> None:
    with pytest.raises(LoaderUnavailable) as refused:
        import_library("abacus_lib.beads", "abacus")
    expected = "abacus needs abacus_lib.beads, which is not installed: run `pip install 'feedrate[abacus]'`"
    assert str(refused.value) == expected


@pytest.mark.parametrize(("code", "reason"), [("import bead_lib", "bead_lib"), ("1 / 0", "ZeroDivisionError")])
def test_a_library_whose_import_fails_is_named_with_the_reason(
    code: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_abacus.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(LoaderUnavailable, match=f"abacus: broken_abacus cannot be imported: .*{reason}"):
        import_library("broken_abacus", "abacus")
