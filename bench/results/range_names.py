"""Names, colours and payload units of the ranges that the harness and the loaders open."""

from __future__ import annotations

DOMAIN = "feedrate"
BATCH = "batch"
"""Range in a DataLoader's worker process that makes one batch. Only `feedrate profile` records it."""


COLOURS = {
    "epoch": "white", "step": "silver", "next": "orange", "to_device": "red", "forward": "green", "backward": "blue",
    "optimizer": "purple", "evaluate": "gray", "decode": "yellow", "copy": "red", "shuffle": "cyan", "wait": "pink",
}  # fmt: skip
"""Of NVTX ranges; those that are not here are white."""


CATEGORIES = dict.fromkeys(("next", "to_device", "decode", "copy", "shuffle", "wait"), "loader")
"""Of NVTX ranges; the others are the harness's."""


UNITS = {
    "epoch": "number",
    "step": "number",
    "decode": "rows",
    "shuffle": "rows",
    "copy": "bytes",
    "to_device": "bytes",
}
"""What a range's payload counts; the others have none."""
