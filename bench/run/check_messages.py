"""What `feedrate check` and its worker process send each other: JSON, one message per line. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from feedrate.loaders.base import LoaderConfig
from feedrate.loaders.rule_result import RuleResult


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTask:
    """What the worker reads from standard input."""

    loader: str
    config: LoaderConfig
    folder: str
    """An empty folder, or one in which an earlier worker wrote the files of the same split."""
    data: str | None
    """A prepared dataset whose training rows are used. None: generated rows."""
    rows: int
    """Number of generated rows."""
    import_path: list[str]
    """Folders that the loader's module is looked for in, after the usual ones."""
    results: list[RuleResult]
    """Results of rules that earlier workers checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckMessage:
    """A line of the worker's output. One field is set, or none for a sign of life."""

    backend: str | None = None
    """The loader's library and where it works. Sent once, before the first rule."""
    deviations: Mapping[str, str] = field(default_factory=dict)
    """The rules that the adapter declares as deviations, with the reasons. Sent with the backend."""
    error: str | None = None
    """Why nothing can be checked, for the user. Nothing follows."""
    python: str | None = None
    """The interpreter of the loader's own environment, if it is not this one. Nothing follows."""
    rule: str | None = None
    """The rule that is begun."""
    place: str | None = None
    """What the loader does now, as the end of a sentence."""
    result: RuleResult | None = None
    done: bool = False
    """All rules have results."""
