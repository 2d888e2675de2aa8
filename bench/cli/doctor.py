"""`feedrate doctor` and `feedrate list`: the loaders and devices of this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from feedrate.loaders.errors import FeedrateError

if TYPE_CHECKING:
    from rich.text import Text

    from feedrate.bench.results.record import Environment


def doctor() -> None:
    """Show which loaders work on this machine, and how to install the others."""
    from feedrate.bench.cli.terminal import out
    from feedrate.bench.host.environment import observe
    from feedrate.loaders import registry

    environment = observe()
    _show_machine(environment)
    loaders = [name for name in registry.names() if not registry.is_for_tests(name)]
    for line in _backends(loaders, gpu=environment.gpu is not None):
        out.print(line, soft_wrap=True)
    for line in _environments(loaders):
        out.print(line, soft_wrap=True)


def list_loaders(
    testing: Annotated[
        bool, typer.Option("--testing", help="Also list the loaders that feedrate's own tests use.")
    ] = False,
) -> None:
    """List the loaders with their options.

    Every loader also takes the options workers and prefetch, which replace those of the run for it alone.
    """
    from feedrate.bench.cli.terminal import out
    from feedrate.loaders import registry
    from feedrate.reports.formats.terminal.paragraphs import print_paragraph

    for name in (name for name in registry.names() if testing or not registry.is_for_tests(name)):
        about, options = _described(name)
        print_paragraph(out, name, style="bold")
        print_paragraph(out, f"  {about}")
        if options:
            print_paragraph(out, f"  options: {', '.join(options)}")


def _described(name: str) -> tuple[str, list[str]]:
    """Return what a loader is, and its options with their defaults."""
    from feedrate.loaders import registry

    try:
        choice = registry.choose(name)
    except FeedrateError as error:  # a loader of another package may be broken: the list goes on
        return str(error), []
    fields = choice.adapter.options.__dataclass_fields__
    module = sys.modules[choice.adapter.open.__module__]
    about = (module.__doc__ or "").strip().splitlines()[0] if module.__doc__ else ""
    if choice.adapter.environment is not None:
        about += f" Its library has an environment of its own: `feedrate install {name}`"
    return about, [f"{field}={getattr(choice.options, field)}" for field in fields]


def _show_machine(environment: Environment) -> None:
    from feedrate.bench.cli.terminal import out
    from feedrate.reports import units

    memory = units.format_size(environment.memory_bytes)
    out.print(f"python {environment.python}, {environment.platform}", markup=False)
    out.print(f"{environment.cores} cores of {environment.cpu}, {memory} memory", markup=False)
    if environment.gpu:
        gpu_memory = units.format_size(environment.gpu_memory_bytes)
        out.print(f"{environment.gpu}, {gpu_memory}, driver {environment.driver}, CUDA {environment.cuda}")
    else:
        built_for = f"CUDA {environment.cuda}" if environment.cuda else "the CPU"
        out.print(f"no CUDA device: loaders run on the CPU (torch is built for {built_for})")
    packages = ", ".join(f"{name} {version}" for name, version in environment.packages.items())
    out.print(packages, markup=False)


def _backends(loaders: Iterable[str], *, gpu: bool) -> Iterator[Text]:
    """A line for each loader and device: the library, or the reason why it does not work."""
    from rich.text import Text

    from feedrate.bench.host import venvs

    for name in loaders:
        for device in ("cpu", "cuda") if gpu else ("cpu",):
            try:
                yield Text.assemble(("  ok       ", "green"), f"{name} on {device}: {venvs.backend(name, device)}")
            except FeedrateError as error:  # a loader of another package may be broken: the list goes on
                yield Text.assemble(("  missing  ", "yellow"), f"{name} on {device}: {error}")


def _environments(loaders: Iterable[str]) -> Iterator[Text]:
    """A line for each loader that has an environment of its own."""
    from rich.text import Text

    from feedrate.bench.host import venvs

    for environment in venvs.declared(loaders).values():
        path = venvs.folder(environment)
        existing = venvs.read_marker(path)
        if existing is None:
            yield Text(
                f"environment {environment.name}: missing; create {path} with `feedrate install {environment.name}`"
            )
            continue
        packages = ", ".join(f"{package} {version}" for package, version in venvs.packages(path).items())
        yield Text(f"environment {environment.name} ({existing.kind}) in {path}: {packages}")


COMMANDS = {"list": list_loaders, "doctor": doctor}
