"""Folders, files and functions stay small enough to read."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    path
    for name in ("bench", "loaders", "reports", "tests", "examples", "docs")
    for path in (ROOT / name).rglob("*.py")
)
MAX_MODULES, MAX_LINES, MAX_FUNCTION_LINES = 15, 300, 50


@pytest.mark.parametrize(
    "folder", sorted({path.parent for path in MODULES}), ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_folder_has_few_modules(folder: Path) -> None:
    modules = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MAX_MODULES, modules


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_and_its_functions_are_short(module: Path) -> None:
    text = module.read_text()
    assert len(text.splitlines()) <= MAX_LINES
    too_long = {
        f"{node.name}, line {node.lineno}": body_lines(node)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_lines(node) > MAX_FUNCTION_LINES
    }
    assert not too_long


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from def to the end. A command's signature is its list of options, so there only the body counts."""
    assert function.end_lineno is not None
    command = "typer." in ast.unparse(function.args)
    begin = function.body[0].lineno if command else function.lineno
    return function.end_lineno - begin + 1
