"""A folder whose modules have the names of the standard library and of libraries. Importing one of them leaves a mark."""

from __future__ import annotations

from pathlib import Path

NAMES = (
    *"typing random csv email logging socket queue struct string subprocess tempfile threading platform pickle inspect".split(),
    *"dataclasses enum copy argparse statistics hashlib gzip shutil sqlite3 calendar select sitecustomize".split(),
    *"usercustomize torch numpy pyarrow polars numba scipy pandas plotly rich typer msgspec psutil jinja2 pynvml cupy".split(),
    *"cudf nvtx duckdb triton kaleido merlin nvtabular dask ruptures platformdirs datasets lance tensordict".split(),
)
MARK = "imported.txt"
MODULE = f"""
import sys
with open({{folder!r}} + "/{MARK}", "a") as file:
    file.write(__name__ + "\\n")
sys.exit("the current folder was imported: " + __name__)
"""


def shadows(folder: Path) -> Path:
    """Write the modules to a new folder, and mine.py, a loader that works. Return the folder."""
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(MODULE.format(folder=str(folder)))
    (folder / "mine.py").write_text("from feedrate.loaders.native_batched import NativeBatchedLoader as Mine\n")
    return folder


def imported(folder: Path) -> str:
    """The names of the modules that were imported."""
    mark = folder / MARK
    return mark.read_text() if mark.exists() else ""
