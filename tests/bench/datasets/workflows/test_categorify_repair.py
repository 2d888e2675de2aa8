"""Another Categorify than the one that is repaired is refused, and not run as it is."""

from __future__ import annotations

import inspect

import pytest

from feedrate.bench.datasets.workflows.categorify_repair import repair_categorify, repaired


def test_a_categorify_without_the_statements_is_refused() -> None:
    with pytest.raises(RuntimeError, match="has no statement"):
        repaired("def _encode(): ...")


@pytest.mark.nvtabular
def test_the_installed_categorify_has_them_and_is_repaired_once() -> None:
    from feedrate.loaders.nvtabular import import_nvtabular

    import_nvtabular()
    from nvtabular.ops import categorify

    source = inspect.getsource(categorify._encode)
    assert repaired(source) != source
    repair_categorify()
    first = categorify._encode
    repair_categorify()
    assert categorify._encode is first


@pytest.mark.nvtabular
def test_equal_values_are_hashed_alike_wherever_they_stand() -> None:
    from feedrate.loaders.nvtabular import import_nvtabular

    import_nvtabular()
    import pandas as pd
    from merlin.core import dispatch

    repair_categorify()
    first, second, third = dispatch.hash_series(pd.Series(["a", "b", "a"]))
    assert first == third != second
