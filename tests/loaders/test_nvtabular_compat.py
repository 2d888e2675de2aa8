"""Tests of the repairs for NVTabular, as far as they work without a GPU."""

from __future__ import annotations

import types

import numpy as np
import pytest

from feedrate.loaders import nvtabular_compat as compat


def test_numpy_s_old_names_are_restored_if_they_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("row_stack", "in1d", "trapz"):
        monkeypatch.setattr(np, name, None, raising=False)  # so that the end of the test undoes the repair
        monkeypatch.delattr(np, name)
    assert compat.numpy_names()
    assert np.in1d([[1, 2], [3, 4]], [2, 3]).tolist() == [False, True, True, False]  # type: ignore[attr-defined]
    assert np.row_stack([[1, 2], [3, 4]]).shape == (2, 2)  # type: ignore[attr-defined]
    assert np.trapz([1.0, 2.0]) == 1.5  # type: ignore[attr-defined]
    assert not compat.numpy_names()


def test_versions_that_were_not_tested_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"cudf": "26.12.0", "dask": "2024.12.1"}
    monkeypatch.setattr(compat, "find_spec", lambda name: name in versions)
    monkeypatch.setattr(
        compat.importlib, "import_module", lambda name: types.SimpleNamespace(__version__=versions[name])
    )
    monkeypatch.setattr(compat, "_applied", ["a repair"])
    assert compat.untried() == ("nvtabular's repairs were tested with cudf 26.10, but this is cudf 26.12.0",)
    versions["cudf"] = "26.10.2"
    assert compat.untried() == ()


def test_a_repair_is_listed_once_and_only_if_it_was_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "_applied", [])

    def needed() -> bool:
        return True

    def not_needed() -> bool:
        return False

    for repair in (needed, not_needed, needed):
        compat._apply(repair)
    assert compat.applied() == ("needed",)
