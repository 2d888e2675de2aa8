"""Generates the reference of the command line from the commands themselves."""

from __future__ import annotations

import re
from typing import Any

from mkdocs.structure.files import File, Files
from typer import Context
from typer.cli import get_docs_for_click
from typer.main import get_command

PAGE = "reference/commands.md"


def on_files(files: Files, config: Any) -> Files:
    """Add the page."""
    from feedrate.bench.cli.app import app

    command = get_command(app)
    text = get_docs_for_click(
        obj=command, ctx=Context(command, info_name="feedrate"), name="feedrate", title="Command line"
    )
    files.append(File.generated(config, PAGE, content=with_whole_sentences(text, command)))
    return files


def with_whole_sentences(text: str, command: Any) -> str:
    """Return the page with links to all commands, and their whole first sentences. Typer cuts these at 45 characters."""
    for name, sub in command.commands.items():
        sentence = " ".join((sub.help or "").partition("\n\n")[0].split())
        entry = f"* [`{name}`](#feedrate-{name}): {sentence}"
        text = re.sub(rf"^\* `{name}`: .*$", entry.replace("\\", r"\\"), text, flags=re.MULTILINE)
    return text
