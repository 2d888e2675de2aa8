"""Manages the separate environments of loaders whose libraries conflict with the others.

`feedrate install` creates an environment, and the loader's trials run in it. A layered environment takes the packages
it lacks from the current one. An isolated environment brings every package itself, including torch. Run as a module,
it prints a loader's backend in this interpreter.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Literal

import msgspec

from feedrate.bench.host.lifecycle.folder_lock import only_writer
from feedrate.bench.host.lifecycle.linked_folder import in_place_of
from feedrate.bench.host.lifecycle.run_to_end import run_to_end
from feedrate.bench.host.lifecycle.search_path import module_command
from feedrate.bench.host.locked_install import Locked, Pip, read_lock, run_quietly
from feedrate.bench.host.processes import last_words
from feedrate.loaders import registry
from feedrate.loaders.base import OwnEnvironment
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable

MARK = "feedrate.json"
"""Marker file in an environment's folder. It is written last, so an environment without it is incomplete."""
IMPORT_S = 180
"""Seconds after which importing a library counts as hung. Importing cudf from a cold disk takes tens of seconds."""
Kind = Literal["layered", "isolated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """Content of the marker file."""

    name: str
    kind: Kind


def of(loader: str) -> OwnEnvironment | None:
    """Return the environment that a loader declares, or None. loader: a name with options, as on the command line."""
    return registry.choose(loader).adapter.environment


def declared(loaders: Iterable[str]) -> dict[str, OwnEnvironment]:
    """Return the environments of those loaders that declare one, by loader. Loaders that cannot be imported are left out."""
    environments = {}
    for loader in loaders:
        with suppress(FeedrateError):  # a loader of another package may be broken
            environment = of(loader)
            if environment is not None:
                environments[loader] = environment
    return environments


def folder(environment: OwnEnvironment) -> Path:
    """Return the environment's folder: in the current virtual environment, or in the user's data folder without one."""
    if sys.prefix != sys.base_prefix:
        return Path(sys.prefix) / "environments" / environment.name
    import platformdirs

    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Path(platformdirs.user_data_dir("feedrate")) / "environments" / f"{environment.name}-{version}"


def read_marker(path: Path) -> Marker | None:
    """Read the marker of the environment in a folder. Returns None if it is missing or incomplete."""
    try:
        return msgspec.json.decode((path / MARK).read_bytes(), type=Marker)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def interpreter(loader: str) -> str:
    """Return the Python that runs the loader's trials. Raises LoaderUnavailable if its environment is not installed."""
    try:
        environment = of(loader)
    except FeedrateError:  # its trial will report the reason
        return sys.executable
    current = read_marker(Path(sys.prefix))
    if environment is None or (current is not None and current.name == environment.name):
        return sys.executable
    path = folder(environment)
    if read_marker(path) is not None:
        return str(_python(path))
    if util.find_spec(environment.module) is not None:  # the user has installed it in this environment
        return sys.executable
    raise LoaderUnavailable(f"{environment.name} is not installed: run `feedrate install {environment.name}`")


def enter(loader: str, command: Sequence[str]) -> None:
    """Restart this process in the loader's environment, unless it already runs there.

    For commands that must import the loader's library themselves. command: the arguments after the interpreter.
    """
    python = interpreter(loader)
    if python != sys.executable:
        sys.stdout.flush()
        os.execv(python, [python, *command])


def install(loader: str, *, isolated: bool, find_links: Path | None = None) -> Path:
    """Create or replace a loader's environment, and return its folder.

    isolated: bring every package instead of reusing those of the current environment. find_links: a folder of wheels to
    install from without a network. Raises FeedrateError. The previous environment stays until the new one is complete.
    """
    environment = _to_install(loader)
    if isolated and environment.isolated_requirements is None:
        raise FeedrateError(f"{loader} has no isolated environment: leave out --isolated")
    if util.find_spec("pip") is None:
        raise FeedrateError(f"{sys.executable} has no pip: run `{sys.executable} -m ensurepip` or `uv pip install pip`")
    path = folder(environment)
    with only_writer(path, replaced=True, way_out="stop it"), in_place_of(path) as new:
        _create(new, environment, isolated, find_links)
    return path


def _to_install(loader: str) -> OwnEnvironment:
    """Return the environment of a loader. Raises FeedrateError with the loaders that have one if this one has not."""
    existing = ", ".join(declared(registry.names()))
    if loader.partition(":")[0] not in registry.names() and ":" not in loader:
        raise FeedrateError(f"there is no loader {loader!r}: {existing} have an environment to install")
    environment = of(loader)
    if environment is None:
        raise FeedrateError(
            f"{loader} runs in the current environment: there is nothing to install. `feedrate doctor` checks it. "
            f"{existing} have an environment to install."
        )
    return environment


def _create(path: Path, environment: OwnEnvironment, isolated: bool, find_links: Path | None) -> None:
    run_quietly([sys.executable, "-P", "-m", "venv", "--without-pip", str(path)], f"cannot create {path}")
    pip = Pip(python=_python(path), name=environment.name, find_links=find_links)
    if isolated:
        assert environment.isolated_requirements is not None
        pip.install_locked(read_lock(environment.isolated_requirements), environment.build_tools)
        _install_torch(pip)
        _link_feedrate(_site_packages(path))
    else:
        pip.install_locked(_layered_requirements(environment), environment.build_tools)
        _inherit_packages(_site_packages(path))
    kind: Kind = "isolated" if isolated else "layered"
    (path / MARK).write_bytes(msgspec.json.encode(Marker(name=environment.name, kind=kind)) + b"\n")


def _install_torch(pip: Pip) -> None:
    """Install the build of torch that the current environment has. A build without a lock file has no known hashes."""
    version = metadata.version("torch")
    for lock in ("torch-cpu.lock", "torch-cuda.lock"):
        locked = read_lock(lock)
        if version in [requirement.version for requirement in locked if requirement.name == "torch"]:
            pip.install_locked(locked)
            return
    pip.install(f"torch=={version.partition('+')[0]}")


def packages(path: Path) -> dict[str, str]:
    """Return names and versions of the packages that an environment brings itself, sorted by name."""
    distributions = metadata.distributions(path=[str(_site_packages(path))])
    return {
        dist.metadata["Name"]: dist.version
        for dist in sorted(distributions, key=lambda dist: dist.metadata["Name"].lower())
    }


def backend(loader: str, device: str) -> str:
    """Describe the loader's library and where it runs, as reported by the interpreter of its trials.

    Raises LoaderUnavailable with the reason if that interpreter cannot import the library.
    """
    python = interpreter(loader)
    if python == sys.executable:
        return registry.choose(loader).adapter.backend(device)
    done = run_to_end(module_command(python, __name__, loader, device), timeout_s=IMPORT_S)
    if done.timed_out:
        raise LoaderUnavailable(
            f"importing the library of {loader} took more than {IMPORT_S} s: try again, or import it in {python}"
        )
    if done.code:
        raise LoaderUnavailable(done.why())
    return last_words(done.stdout.decode(errors="replace"))


def _layered_requirements(environment: OwnEnvironment) -> list[Locked]:
    """Return the requirements that the current environment lacks, and those that replace its own versions."""
    always = {*environment.replaced, *environment.build_tools}
    locked = read_lock(environment.requirements)
    return [requirement for requirement in locked if requirement.name in always or not _has(requirement.name)]


def _has(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _inherit_packages(target: Path) -> None:
    """Let an environment fall back to the packages of the current one, including editable installs."""
    folders = [
        path for path in sys.path if Path(path).name in ("site-packages", "dist-packages") and Path(path).is_dir()
    ]
    lines = "; ".join(f"site.addsitedir({path!a})" for path in folders)
    (target / "feedrate-below.pth").write_text(f"import site; {lines}\n", encoding="utf-8")


def _link_feedrate(target: Path) -> None:
    """Link feedrate, and nothing else, from where it is installed."""
    spec = util.find_spec("feedrate")
    assert spec is not None
    assert spec.origin is not None
    (target / "feedrate").symlink_to(Path(spec.origin).parent)


def _python(path: Path) -> Path:
    return path / "bin" / "python"


def _site_packages(path: Path) -> Path:
    return path / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def main() -> None:
    """Print the backend of the loader and the device given as arguments. Exits with the reason if it is unavailable."""
    loader, device = sys.argv[1:]
    try:
        print(registry.choose(loader).adapter.backend(device))
    except FeedrateError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
