"""`feedrate install`: the separate environment of a loader whose library conflicts with others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def install(
    loader: Annotated[str, typer.Argument(help="A loader that needs an environment of its own: nvtabular.")],
    isolated: Annotated[
        bool,
        typer.Option(
            "--isolated",
            help="Install everything again (old numpy and pandas, torch too), instead of a layer over this environment.",
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

    with err.status(f"installing {loader}: about a minute"):
        path = venvs.install(loader, isolated=isolated, find_links=find_links)
        library = venvs.backend(loader, "cpu")
    out.print(Text(f"{library}; {len(venvs.packages(path))} packages in {path}"), soft_wrap=True)


COMMANDS = {"install": install}
