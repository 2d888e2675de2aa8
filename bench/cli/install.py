"""`feedrate install`: the separate environment of a loader whose library conflicts with others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def install(
    loader: Annotated[
        str | None,
        typer.Argument(help="A loader with an environment of its own. Without it, these loaders are listed."),
    ] = None,
    isolated: Annotated[
        bool,
        typer.Option(
            "--isolated",
            help="nvtabular: install everything again (old numpy and pandas, torch too) instead of a layer over this environment.",
        ),
    ] = False,
    find_links: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Install offline from this folder of wheels."),
    ] = None,
) -> None:
    """Create the environment in which a loader's trials run. Replaces an existing environment."""
    from rich.text import Text

    from feedrate.bench.cli.terminal import err, out
    from feedrate.bench.host import venvs

    if loader is None:
        _list_environments()
        return
    with err.status(f"installing {loader}: about a minute"):
        path = venvs.install(loader, isolated=isolated, find_links=find_links)
        library = venvs.backend(loader, "cpu")
    out.print(Text(f"{library}; {len(venvs.packages(path))} packages in {path}"), soft_wrap=True)


def _list_environments() -> None:
    """Print a line for each loader that has an environment: whether it is there, and the command that installs it."""
    from rich.text import Text

    from feedrate.bench.cli.terminal import out
    from feedrate.bench.host import venvs
    from feedrate.loaders import registry

    for loader, environment in venvs.declared(registry.names()).items():
        path = venvs.folder(environment)
        state = f"installed in {path}" if venvs.read_marker(path) else "not installed"
        out.print(Text(f"{loader}: {state}; `feedrate install {loader}`"), soft_wrap=True)


COMMANDS = {"install": install}
