"""What must hold of every case, whatever its input is."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fuzz.case import Outcome

MAX_SECONDS = 20.0
MAX_GROWTH_BYTES = 2_000_000_000
MAX_CHARACTERS = 300
_TRACES = ("Traceback (most recent call last)", "panicked at", "Fatal Python error")


def violations(outcome: Outcome) -> Iterator[str]:
    """Yield a sentence for each rule that the outcome breaks."""
    if outcome.code not in (0, 1, 2):
        yield f"ended with {outcome.code}"
    if outcome.seconds > MAX_SECONDS:
        yield f"took {outcome.seconds:.0f} s"
    if outcome.grown_bytes > MAX_GROWTH_BYTES:
        yield f"took {outcome.grown_bytes / 1e6:.0f} MB of memory"
    for name in outcome.touched:
        yield f"touched {name!r}"
    for stream in (outcome.stdout, outcome.stderr):
        yield from _of_text(stream)
    errors = _errors(outcome.stderr.decode(errors="replace"))
    if outcome.code == 2 and not errors and not outcome.stdout.strip():
        yield "ended with 2 and no sentence"
    for line in errors:
        if len(line) > MAX_CHARACTERS:
            yield f"has a sentence of {len(line)} characters: {line[:200]}"
    if len(errors) > 1 and not errors[0].endswith(" problems:"):
        yield f"has {len(errors)} lines of errors: {errors}"


def _errors(said: str) -> list[str]:
    """The lines from the one on that begins with the program's name."""
    lines = said.splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith("feedrate: ")), len(lines))
    return [line.removeprefix("feedrate: ").strip() for line in lines[start:]]


def _of_text(stream: bytes) -> Iterator[str]:
    try:
        text = stream.decode()
    except UnicodeDecodeError as error:
        yield f"printed bytes that are no UTF-8: {error}"
        return
    for trace in _TRACES:
        if trace in text:
            yield f"printed {trace!r}: {text[:3000]}"
    raw = sorted({c for c in text if not c.isprintable() and c != "\n"})
    if raw:
        place = text.index(raw[0])
        yield f"printed raw {raw[:5]!r} in {text[max(0, place - 100) : place + 40]!r}"
