"""Generates the reference of run.json from the published schema, with the sentences that stand at the fields in the code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe
from mkdocs.structure.files import File, Files

PAGE = "reference/run-json.md"
INTRODUCTION = """# run.json

`feedrate run` writes this file, and everything else is derived from it. Durations are in seconds, sizes in bytes, times in UTC, and
shares from 0 to 1. A value that was not measured is null. This page is generated from [run.schema.json](../run.schema.json).
"""


def on_files(files: Files, config: Any) -> Files:
    """Add the page."""
    root = Path(config.config_file_path).parent
    schema = json.loads((root / "docs" / "run.schema.json").read_text())
    files.append(File.generated(config, PAGE, content="\n".join([INTRODUCTION, *sections(schema, root)])))
    return files


def sections(schema: dict[str, Any], root: Path) -> Iterator[str]:
    """Yield a heading and a table of fields for each object of the schema."""
    sentences = field_sentences(root)
    for name, kind in schema["$defs"].items():
        yield f"\n## {name}\n\n{kind.get('description', '')}\n\n| Field | Type | Meaning |\n| --- | --- | --- |"
        required = kind.get("required", ())
        for field, value in kind.get("properties", {}).items():
            words = sentences.get((name, field), "")
            default = "" if field in required else f" Default: `{json.dumps(value.get('default'))}`."
            yield f"| `{field}` | {type_text(value)} | {words}{default} |"


def field_sentences(root: Path) -> dict[tuple[str, str], str]:
    """Return the docstring of each field of the dataclasses, by class and field."""
    package = griffe.load("feedrate.bench.results", search_paths=[root], submodules=True)
    modules = [module for module in package.modules.values() if not module.is_alias]
    return {
        (name, field): " ".join(attribute.docstring.value.split()).replace("|", "\\|")
        for module in modules
        for name, kind in module.classes.items()
        if not kind.is_alias
        for field, attribute in kind.attributes.items()
        if attribute.docstring
    }


def type_text(value: dict[str, Any]) -> str:
    """Return the type of a field for people, with its bounds."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in value:
        return " or ".join(map(type_text, value["anyOf"]))
    if "enum" in value:
        return ", ".join(f"`{choice}`" for choice in value["enum"])
    if value["type"] == "array":
        return f"list of {type_text(value['items'])}" if value.get("items") else "list"
    if value["type"] == "object":
        return f"object of {type_text(value['additionalProperties'])}"
    bounds = [f"{word} {value[bound]:g}" for bound, word in (("minimum", "from"), ("maximum", "to")) if bound in value]
    return " ".join([value["type"], *bounds])
