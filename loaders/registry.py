"""Turns what a user writes ("nvtabular:part_size_bytes=1GB", "package.module:Factory") into an open loader.

A loader's module is imported only when that loader is opened.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import inspect
from collections.abc import Callable, Mapping
from importlib import metadata
from math import isfinite
from pathlib import Path
from typing import Any, cast, get_type_hints

from feedrate.loaders.base import Adapter, Loader, LoaderConfig, NoOptions, Split
from feedrate.loaders.error_text import describe_import, one_line
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable
from feedrate.loaders.importing.user_folder import add_current_folder

BUILT_IN = {
    "native": "feedrate.loaders.native:ADAPTER",
    "native-batched": "feedrate.loaders.native_batched:ADAPTER",
    "nvtabular": "feedrate.loaders.nvtabular:ADAPTER",
    "cupy": "feedrate.loaders.cupy:ADAPTER",
    "torch-resident": "feedrate.loaders.adapters.torch_resident:ADAPTER",
    "arrow": "feedrate.loaders.adapters.arrow:ADAPTER",
    "cudf": "feedrate.loaders.adapters.cudf:ADAPTER",
    "polars": "feedrate.loaders.adapters.polars:ADAPTER",
    "duckdb": "feedrate.loaders.adapters.duckdb:ADAPTER",
    "hf-datasets": "feedrate.loaders.adapters.hf_datasets:ADAPTER",
    "torchdata": "feedrate.loaders.adapters.torchdata:ADAPTER",
    "tensordict": "feedrate.loaders.adapters.tensordict:ADAPTER",
    "lance": "feedrate.loaders.adapters.lance:ADAPTER",
    "grain": "feedrate.loaders.adapters.grain:ADAPTER",
    "spdl": "feedrate.loaders.adapters.spdl:ADAPTER",
    "vortex": "feedrate.loaders.adapters.vortex:ADAPTER",
    "ray-data": "feedrate.loaders.adapters.ray_data:ADAPTER",
    "litdata": "feedrate.loaders.adapters.environments.litdata:ADAPTER",
    "mosaic-streaming": "feedrate.loaders.adapters.environments.mosaic_streaming:ADAPTER",
    "tf-data": "feedrate.loaders.adapters.environments.tf_data:ADAPTER",
    "replay": "feedrate.loaders.replay:ADAPTER",
    "fake": "feedrate.loaders.testing.fake:ADAPTER",
    "slow": "feedrate.loaders.testing.slow:ADAPTER",
    "planted": "feedrate.loaders.testing.planted:ADAPTER",
}
ENTRY_POINT_GROUP = "feedrate.loaders"


TUNABLE = ("workers", "prefetch")
"""Fields of LoaderConfig that the text may set for one loader alone, so that each is compared at its best."""


@dataclasses.dataclass(frozen=True, slots=True)
class LoaderChoice:
    """A loader with its own options, as the user chose them."""

    adapter: Adapter[Any]
    options: Any
    tuned: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """The fields of LoaderConfig that the text sets for this loader alone."""
    replays: bool = False
    """Whether this is the built-in loader that replays batches. Other adapters cannot leave out the gate."""

    def open(self, split: Split, config: LoaderConfig) -> Loader:
        """Open the loader on `split`, with `tuned` replacing fields of `config`. Raises what the adapter raises."""
        return self.adapter.open(split, dataclasses.replace(config, **self.tuned), self.options)

    def prepare(self, split: Split, config: LoaderConfig) -> Path | None:
        """Write `split` in the library's own format unless it is there. Return the folder; None if Parquet is read."""
        if self.adapter.prepare is None:
            return None
        return self.adapter.prepare(split, dataclasses.replace(config, **self.tuned), self.options)

    def described(self) -> dict[str, str]:
        """Return every option and every tuned field with its value as text."""
        return {name: str(value) for name, value in {**dataclasses.asdict(self.options), **self.tuned}.items()}

    def in_force(self, loader: Loader) -> dict[str, str]:
        """Return the values, as text, of the options that leave a choice to the open loader."""
        return {name: str(value) for name, value in self.adapter.in_force(loader).items()}


def names() -> dict[str, str]:
    """Return every registered loader as name -> "module:object", including the entry points of other packages."""
    entry_points = {point.name: point.value for point in metadata.entry_points(group=ENTRY_POINT_GROUP)}
    return {**entry_points, **BUILT_IN}


def is_for_tests(name: str) -> bool:
    """Return whether a registered loader only serves feedrate's own tests."""
    return BUILT_IN.get(name, "").startswith("feedrate.loaders.testing.")


def choose(text: str) -> LoaderChoice:
    """Read `NAME[:option=value...]` or `package.module:Factory[:option=value...]`.

    An option is one of the loader's own or one of TUNABLE. `:option` without a value sets a Boolean option to true.

    A loader of the user's may be a module of the current folder, which is put last on the search path for it.

    Raises FeedrateError for an unknown loader or option, or an invalid value, and LoaderUnavailable if an import fails.
    """
    name, *rest = text.split(":")
    target = names().get(name)
    if target is None and rest and "=" not in rest[0]:
        target = f"{name}:{rest.pop(0)}"
        add_current_folder()
    if target is None:
        raise FeedrateError(
            f"unknown loader {one_line(name, 60)!r}: choose one of `feedrate list`, or specify your own as package.module:Factory"
        )
    adapter = _import(target)
    values = _read_options(text, adapter.options, rest)
    tuned = {option: values.pop(option) for option in TUNABLE if option in values}
    LoaderConfig(**tuned)  # raises for invalid values
    replays = adapter.replays and target == BUILT_IN["replay"]
    return LoaderChoice(adapter, adapter.options(**values), tuned, replays)


def choice_of(factory: object) -> LoaderChoice:
    """Wrap an Adapter, or a class or function that takes (split, config), as a choice with default options."""
    name = getattr(factory, "__qualname__", repr(factory))
    adapter = factory if isinstance(factory, Adapter) else _wrap(name, factory)
    return LoaderChoice(adapter, adapter.options())


def check_text(text: str) -> None:
    """Raise FeedrateError if `choose` would refuse the text, as far as one can tell without the loader's library."""
    with contextlib.suppress(LoaderUnavailable):
        choose(text)


def _import(target: str) -> Adapter[Any]:
    module_name, _, attribute = target.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if isinstance(missing, str) and f"{module_name}.".startswith(f"{missing}."):
            raise FeedrateError(
                f"there is no module {missing!r} for loader {target}: check the spelling and the Python path"
            ) from error
        raise LoaderUnavailable(_import_failed(target, error)) from error
    except KeyboardInterrupt:  # the user stops feedrate
        raise
    except BaseException as error:  # importing somebody else's module may fail in any way, sys.exit included
        raise FeedrateError(_import_failed(target, error)) from error
    try:
        loader = getattr(module, attribute)
    except AttributeError as error:
        raise FeedrateError(
            f"module {module_name} has no {attribute!r}: specify the loader's class, factory function or Adapter"
        ) from error
    except Exception as error:  # a module's own __getattr__ may fail in any way
        raise FeedrateError(_import_failed(target, error)) from error
    return loader if isinstance(loader, Adapter) else _wrap(target, loader)


def _import_failed(target: str, error: BaseException) -> str:
    return f"loader {target} cannot be imported: {describe_import(error)}"


def _wrap(target: str, factory: object) -> Adapter[Any]:
    """Make an Adapter without options from a plain class or function that takes (split, config)."""
    if not callable(factory):
        raise FeedrateError(f"{target} is neither an Adapter nor a class or function that takes (split, config)")
    if not _takes_two(factory):
        raise FeedrateError(
            f"{target} cannot be called with (split, config): specify a class or function that returns a loader for them"
        )
    make = cast("Callable[[Split, LoaderConfig], Loader]", factory)
    return Adapter(
        open=lambda split, config, _options: make(split, config),
        options=NoOptions,
        backend=lambda _device: target,
    )


def _takes_two(factory: Callable[..., object]) -> bool:
    """Return whether a call with two arguments can succeed. True if Python does not know the parameters."""
    try:
        inspect.signature(factory).bind(None, None)
    except TypeError:
        return False
    except Exception:  # it has no signature, or its author's own code for it fails
        return True
    return True


def _read_options(text: str, options: type[Any], words: list[str]) -> dict[str, Any]:
    types = {**get_type_hints(options), **dict.fromkeys(TUNABLE, int)}
    known = [*(field.name for field in dataclasses.fields(options)), *TUNABLE]
    values: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if types.get(name) is bool and not equals:
            equals, value = "=", "true"
        if not equals or name not in known:
            raise FeedrateError(f"loader {text!r} has no option {word!r}: its options are {', '.join(known)}")
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
        raise FeedrateError(
            f"loader {text!r}: {name}={value!r} is not a valid {getattr(kind, '__name__', kind)}"
        ) from error


def read_bytes(text: str) -> int:
    """Read a number of bytes with an optional unit: "2GB" is 2_000_000_000, "64MiB" is 67_108_864, "1024" is 1024.

    Raises ValueError for anything else, infinite numbers included.
    """
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "B": 1}
    for unit, size in units.items():
        if text.endswith(unit):
            nbytes = float(text.removesuffix(unit)) * size
            if not isfinite(nbytes):
                raise ValueError(f"{text} is not finite")
            return int(nbytes)
    return int(text)
