"""From the words a user writes ("nvtabular:part_size_bytes=1GB", "package.module:Factory") to an open loader.

A loader's module is imported only when that loader is opened.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
from collections.abc import Callable, Mapping
from importlib import metadata
from math import isfinite
from typing import Any, cast, get_type_hints

from feedrate.loaders.base import Adapter, Loader, LoaderConfig, NoOptions, Split
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable

BUILT_IN = {
    "native": "feedrate.loaders.native:ADAPTER",
    "native-batched": "feedrate.loaders.native_batched:ADAPTER",
    "nvtabular": "feedrate.loaders.nvtabular:ADAPTER",
    "cupy": "feedrate.loaders.cupy:ADAPTER",
    "replay": "feedrate.loaders.replay:ADAPTER",
    "fake": "feedrate.loaders.testing.fake:ADAPTER",
    "slow": "feedrate.loaders.testing.slow:ADAPTER",
    "planted": "feedrate.loaders.testing.planted:ADAPTER",
}
ENTRY_POINT_GROUP = "feedrate.loaders"


TUNABLE = ("workers", "prefetch")
"""Fields of LoaderConfig that a loader's text may set for that loader alone: each is compared at its own best."""


@dataclasses.dataclass(frozen=True, slots=True)
class LoaderChoice:
    """A loader and its own options, as the user asked for them."""

    adapter: Adapter[Any]
    options: Any
    tuned: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """What the text sets of the configuration."""

    def open(self, split: Split, config: LoaderConfig) -> Loader:
        return self.adapter.open(split, dataclasses.replace(config, **self.tuned), self.options)

    def described(self) -> dict[str, str]:
        """Every option with its value."""
        return {name: str(value) for name, value in {**dataclasses.asdict(self.options), **self.tuned}.items()}


def names() -> dict[str, str]:
    """Every registered loader: name -> "module:object"; entry points of other packages included."""
    found = {point.name: point.value for point in metadata.entry_points(group=ENTRY_POINT_GROUP)}
    return {**found, **BUILT_IN}


def choose(text: str) -> LoaderChoice:
    """Read `NAME[:option=value...]` or `package.module:Factory[:option=value...]`.

    An option is one of the loader's own, or of TUNABLE; `:option` alone sets one that is true or false.

    Raises FeedrateError for an unknown name or option and LoaderUnavailable where the import fails.
    """
    name, *rest = text.split(":")
    target = names().get(name)
    if target is None and rest and "=" not in rest[0]:
        target = f"{name}:{rest.pop(0)}"
    if target is None:
        raise FeedrateError(
            f"there is no loader {name!r}: choose from {', '.join(names())}, or name your own as package.module:Factory"
        )
    adapter = _import(target)
    values = _read_options(text, adapter.options, rest)
    tuned = {option: values.pop(option) for option in TUNABLE if option in values}
    LoaderConfig(**tuned)  # refuses what cannot be
    return LoaderChoice(adapter, adapter.options(**values), tuned)


def choice_of(factory: object) -> LoaderChoice:
    """Of a class or function of (split, config), or an Adapter, that is at hand; with its default options."""
    name = getattr(factory, "__qualname__", repr(factory))
    adapter = factory if isinstance(factory, Adapter) else _wrap(name, factory)
    return LoaderChoice(adapter, adapter.options())


def check_text(text: str) -> None:
    """Raise FeedrateError for what `choose` would refuse, as far as that can be told without the loader's library."""
    with contextlib.suppress(LoaderUnavailable):
        choose(text)


def _import(target: str) -> Adapter[Any]:
    module_name, _, attribute = target.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise FeedrateError(
                f"there is no module {error.name!r} for loader {target}: is its name right, and on the path?"
            ) from error
        raise LoaderUnavailable(f"loader {target} cannot be imported: {error}") from error
    except ImportError as error:
        raise LoaderUnavailable(f"loader {target} cannot be imported: {error}") from error
    except AttributeError as error:
        raise FeedrateError(
            f"module {module_name} has no {attribute!r}: name the loader's class or its Adapter"
        ) from error
    except Exception as error:  # somebody else's module may fail in any way as it is imported
        raise FeedrateError(f"loader {target} cannot be imported ({type(error).__name__}: {error})") from error
    return found if isinstance(found, Adapter) else _wrap(target, found)


def _wrap(target: str, factory: object) -> Adapter[Any]:
    """A plain class or function of (split, config) is a loader, too."""
    if not callable(factory):
        raise FeedrateError(f"{target} is neither an Adapter nor something to call with (split, config)")
    make = cast("Callable[[Split, LoaderConfig], Loader]", factory)
    return Adapter(
        open=lambda split, config, _options: make(split, config),
        options=NoOptions,
        backend=lambda _device: target,
    )


def _read_options(text: str, options: type[Any], words: list[str]) -> dict[str, Any]:
    types = {**get_type_hints(options), **dict.fromkeys(TUNABLE, int)}
    known = [*(field.name for field in dataclasses.fields(options)), *TUNABLE]
    values: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if types.get(name) is bool and not equals:
            equals, value = "=", "true"
        if not equals or name not in known:
            accepted = ", ".join(known)
            raise FeedrateError(f"loader {text!r} has no option {word!r}: its options are {accepted}")
        values[name] = _convert(text, name, value, types[name])
    return values


def _convert(text: str, name: str, value: str, kind: object) -> object:
    try:
        if kind is bool:
            return {"true": True, "false": False}[value.lower()]
        if name.endswith("_bytes"):
            return read_bytes(value)
        return {int: int, float: float, str: str}[cast("type", kind)](value)
    except (KeyError, ValueError) as error:
        raise FeedrateError(f"loader {text!r}: {name}={value!r} is not a {getattr(kind, '__name__', kind)}") from error


def read_bytes(text: str) -> int:
    """ "2GB" -> 2_000_000_000, "64MiB" -> 67_108_864, "1024" -> 1024. Raises ValueError, for what is endless, too."""
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "B": 1}
    for unit, size in units.items():
        if text.endswith(unit):
            nbytes = float(text.removesuffix(unit)) * size
            if not isfinite(nbytes):
                raise ValueError(f"{text} has no end")
            return int(nbytes)
    return int(text)
