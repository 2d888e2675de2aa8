"""A loader under test: how it is opened, and what was already read of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from feedrate.loaders.base import Loader, LoaderConfig, Split
from feedrate.loaders.registry import LoaderChoice

OPENING, READING, CLOSING = "while it was opened", "in the middle of an epoch", "while it was closed"
"""Where a loader is at work, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Case:
    """A loader, and the split and the configuration it is checked with.

    The rules share what they read: it is kept here, an error included.
    """

    choice: LoaderChoice
    split: Split
    config: LoaderConfig
    say: Callable[[str], None] = field(default=lambda _place: None, compare=False)
    """Called before each piece of the loader's work with OPENING, READING or CLOSING."""
    alone: bool = field(default=False, compare=False)
    """True: this process only checks rules and gets no Ctrl-C, so a KeyboardInterrupt comes from the loader."""
    broken: set[str] = field(default_factory=set, init=False, compare=False)
    """Names of the rules that are known to be broken or spoilt."""
    _kept: dict[object, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def open(self, **changes: object) -> Loader:
        """Open the loader with these changes to the configuration."""
        self.say(OPENING)
        settings = {name: getattr(self.config, name) for name in LoaderConfig.__dataclass_fields__}
        return self.choice.open(self.split, LoaderConfig(**{**settings, **changes}))

    @contextlib.contextmanager
    def opened(self, **changes: object) -> Iterator[Loader]:
        """Open the loader with these changes to the configuration, and close it at the end of the context."""
        loader = self.open(**changes)
        try:
            yield loader
        except BaseException:
            with contextlib.suppress(Exception):  # the first error is the one to report
                self._close(loader)
            raise
        self._close(loader)

    def kept(self, key: object, make: Callable[[], Any]) -> Any:
        """Return what `make` returned or raise what it raised when this was first called with the key."""
        if key not in self._kept:
            try:
                self._kept[key] = make(), None
            except BaseException as error:
                if self.is_users(error):
                    raise
                self._kept[key] = None, error
        value, raised = self._kept[key]
        if raised is not None:
            raise raised
        return value

    def is_users(self, error: BaseException) -> bool:
        """Return whether the exception is the user's Ctrl-C. Every other one comes from the loader."""
        return isinstance(error, KeyboardInterrupt) and not self.alone

    def _close(self, loader: Loader) -> None:
        self.say(CLOSING)
        loader.close()
