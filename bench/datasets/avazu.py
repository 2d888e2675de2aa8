"""The clicks of Kaggle's Avazu challenge: train.csv, whose header names 24 columns.

`hour` holds YYMMDDHH. It becomes ids like every other column, and orders the rows for `--split time --time-column hour`.
"""

from __future__ import annotations

import re

import polars as pl

from feedrate.bench.datasets.layout import Layout

_IDS = (
    *("hour", "C1", "banner_pos", "site_id", "site_domain", "site_category", "app_id", "app_domain", "app_category"),
    *("device_id", "device_ip", "device_model", "device_type", "device_conn_type"),
    *(f"C{i}" for i in range(14, 22)),
)
_COLUMNS = ("id", "click", *_IDS)

AVAZU = Layout(
    title="Avazu's click log",
    columns=_COLUMNS,
    label="click",
    ids=_IDS,
    dropped=("id",),
    spellings=({**{name.lower(): name for name in _COLUMNS}, "label": "click"},),
    types={**{name: pl.String() for name in _COLUMNS}, "click": pl.Int64(), "hour": pl.Int64()},
    file_names=re.compile(r"^(train|valid|val|test|sample_?submission)(\.(gz|zst))?$", re.IGNORECASE),
)
