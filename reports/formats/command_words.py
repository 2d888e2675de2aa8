"""Splits a command where a line may end."""

from __future__ import annotations


def options(command: str) -> list[str]:
    """Split a command before each option. An option and its value stay together, and so does a quoted value."""
    parts: list[str] = []
    for word in command.split(" "):
        last = parts[-1] if parts else ""
        quoted, option = last.count("'") % 2 == 1, last.startswith("-")
        if last and (quoted or (not word.startswith("-") and not (option and " " in last))):
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    return parts
