"""A setting of an open loader: it can be read, and setting it is an error, because the loader would ignore it."""

from __future__ import annotations

from typing import Generic, Never, NoReturn, Self, TypeVar, overload

from feedrate.loaders.error_text import one_line

Value = TypeVar("Value")


class Setting(Generic[Value]):
    """A read-only attribute. The loader stores its value once, with vars(self)[name]."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, loader: None, owner: type) -> Self: ...
    @overload
    def __get__(self, loader: object, owner: type) -> Value: ...
    def __get__(self, loader: object, owner: type) -> Self | Value:
        if loader is None:
            return self
        value: Value = vars(loader)[self._name]
        return value

    def __set__(self, loader: object, value: Never) -> NoReturn:
        kind = type(loader).__name__
        raise AttributeError(
            one_line(f"{self._name} of an open {kind} cannot be changed to {value!r}: open another one")
        )
