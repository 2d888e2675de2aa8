"""Types of a record's fields with their bounds, which reading a record checks."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

MAX_ROWS_PER_S = 1e13
"""No device reads a byte for each of so many rows."""
TOLERANCE = 1e-6
"""The most that rounding adds to a share or to seconds."""
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Cores = Annotated[int, Meta(ge=1, le=1_000_000)]
Bytes = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Amount = Annotated[float, Meta(ge=0)]
"""Bytes, watts, hertz and the like, and rates of them."""
Seconds = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=-TOLERANCE, le=1 + TOLERANCE)]
"""A fraction of 1."""
SampledShare = Annotated[float, Meta(ge=-0.01, le=1.5)]
"""A fraction of about 1, estimated from a sample."""
