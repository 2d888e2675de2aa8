"""Makes NVTabular 23.8's Categorify correct on pandas. Without these repairs it fails, or its ids are wrong without an error.

- pandas 3 made `frame[name].fillna(..., inplace=True)` change nothing: every hashed value got the id -2**63.
- pandas 3 made arrays read-only that Categorify writes the ids of missing values to.
- A part of the rows in which a column has no value raised IndexError.
- Hash buckets were drawn from the value and its row number, so equal values got different ids.
"""

from __future__ import annotations

import inspect
from typing import Any

_REPAIRS = {
    'merged_df["labels"].fillna(df._constructor_sliced(indistinct), inplace=True)': (
        'merged_df["labels"] = merged_df["labels"].fillna(df._constructor_sliced(indistinct))'
    ),
    'labels = merged_df["labels"].values': 'labels = merged_df["labels"].values.copy()',
    "labels = labels.values": "labels = labels.values.copy()",
    "if isinstance(df[cl].dropna().iloc[0], (np.ndarray, list)):": "if list_col:",
}
"""Statements of nvtabular.ops.categorify._encode, and what stands there instead. They do the same on older versions of pandas."""


def repair_categorify() -> None:
    """Repair it, after the import of nvtabular. Raises RuntimeError if it is not the code that the repairs are for."""
    from nvtabular.ops import categorify  # pyright: ignore[reportMissingImports]

    if hasattr(categorify._encode, "repaired"):
        return
    namespace: dict[str, Any] = vars(categorify)
    exec(compile(repaired(inspect.getsource(categorify._encode)), categorify.__file__, "exec"), namespace)
    categorify._encode.repaired = True
    _hash_values_alone()


def repaired(source: str) -> str:
    """Return the function's source with the repairs. Raises RuntimeError if it is not the one of 23.8."""
    for broken, whole in _REPAIRS.items():
        if broken not in source:
            raise RuntimeError(f"nvtabular's Categorify has no statement {broken!r}, which feedrate repairs")
        source = source.replace(broken, whole)
    return source


def _hash_values_alone() -> None:
    """Let merlin.core.dispatch.hash_series hash a pandas Series without its index, as it hashes one of cudf."""
    import pandas as pd
    from merlin.core import dispatch  # pyright: ignore[reportMissingImports]

    original = dispatch.hash_series

    def hash_series(series: Any) -> Any:
        if isinstance(series, pd.Series):
            return pd.util.hash_pandas_object(series, index=False).to_numpy()
        return original(series)

    dispatch.hash_series = hash_series
