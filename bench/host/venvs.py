"""Environments of loaders whose library cannot live beside the others: made by `feedrate install`, and trials run in them.

One is laid over the current environment (what it does not bring comes from there), or isolated (it brings everything,
torch too). Run as a module, it says what a loader is in this interpreter.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Literal

import msgspec

from feedrate.bench.host.processes import last_words
from feedrate.loaders import registry
from feedrate.loaders.base import OwnEnvironment
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable

MARK = "feedrate.json"
"""In the environment's folder, written last: without it, it is not whole."""
IMPORT_S = 180
"""In which a library is imported, or never; cudf from a cold disk takes tens of seconds."""
Kind = Literal["layered", "isolated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """MARK."""

    name: str
    kind: Kind


def of(loader: str) -> OwnEnvironment | None:
    """The environment that a loader (as in LoaderChoice's text) declares."""
    return registry.choose(loader).adapter.environment


def folder(environment: OwnEnvironment) -> Path:
    """In the current virtual environment, or in the user's data folder where there is none."""
    if sys.prefix != sys.base_prefix:
        return Path(sys.prefix) / "environments" / environment.name
    import platformdirs

    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Path(platformdirs.user_data_dir("feedrate")) / "environments" / f"{environment.name}-{version}"


def made(path: Path) -> Made | None:
    """What is in an environment's folder; None where nothing is, or not all."""
    try:
        return msgspec.json.decode((path / MARK).read_bytes(), type=Made)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def interpreter(loader: str) -> str:
    """The Python that runs the loader's trials. Raises LoaderUnavailable where its environment is still to be made."""
    try:
        environment = of(loader)
    except FeedrateError:  # its trial will say what is wrong with it
        return sys.executable
    here = made(Path(sys.prefix))
    if environment is None or (here is not None and here.name == environment.name):
        return sys.executable
    path = folder(environment)
    if made(path) is not None:
        return str(_python(path))
    if util.find_spec(environment.module) is not None:  # the user has put it beside the others after all
        return sys.executable
    raise LoaderUnavailable(
        f"{environment.name} is not installed here: `feedrate install {environment.name}` brings it"
    )


def enter(loader: str, command: Sequence[str]) -> None:
    """Start again in the loader's environment, unless this is it: for what must import the library itself.

    command: what follows the interpreter's name.
    """
    python = interpreter(loader)
    if python != sys.executable:
        sys.stdout.flush()
        os.execv(python, [python, *command])


def install(loader: str, *, isolated: bool, find_links: Path | None = None) -> Path:
    """Make a loader's environment anew, and return its folder.

    find_links: a folder of wheels to take everything from, without a network. Raises FeedrateError.
    """
    environment = of(loader)
    if environment is None:
        raise FeedrateError(f"{loader} needs no environment of its own: `feedrate doctor` says what it lacks")
    if util.find_spec("pip") is None:
        raise FeedrateError(
            f"{sys.executable} has no pip: `{sys.executable} -m ensurepip`, or `uv pip install pip`, brings it"
        )
    path = folder(environment)
    with _replacing(path):
        _make(path, environment, isolated, find_links)
    return path


def _make(path: Path, environment: OwnEnvironment, isolated: bool, find_links: Path | None) -> None:
    _run([sys.executable, "-m", "venv", "--without-pip", str(path)], f"{path} cannot be made")
    requirements = _isolated(environment) if isolated else _layered(environment)
    source = ["--no-index", "--find-links", str(find_links)] if find_links else []
    into = [sys.executable, "-m", "pip", "--python", str(_python(path))]
    pip = [*into, "install", "--quiet", "--disable-pip-version-check", *source]
    if requirements:
        _run([*pip, *([] if isolated else ["--no-deps"]), *requirements], f"{environment.name} cannot be installed")
    if isolated:
        _link_feedrate(_site(path))
    else:
        _lay_over(_site(path))
    kind: Kind = "isolated" if isolated else "layered"
    (path / MARK).write_bytes(msgspec.json.encode(Made(name=environment.name, kind=kind)) + b"\n")


@contextmanager
def _replacing(path: Path) -> Iterator[None]:
    """Put what is at `path` aside, and back where the new one does not come about."""
    aside = path.with_name(f"{path.name}.old")
    if made(path) is None and made(aside) is not None:  # the last try was killed
        shutil.rmtree(path, ignore_errors=True)
    elif path.exists():
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
    try:
        yield
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        if aside.exists():
            aside.rename(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def packages(path: Path) -> dict[str, str]:
    """Name and version of what an environment brings itself."""
    found = metadata.distributions(path=[str(_site(path))])
    return {
        dist.metadata["Name"]: dist.version for dist in sorted(found, key=lambda dist: dist.metadata["Name"].lower())
    }


def backend(loader: str, device: str) -> str:
    """What the loader's library is and where it works, said by the interpreter that runs its trials.

    Raises LoaderUnavailable with the reason where that cannot import it.
    """
    python = interpreter(loader)
    if python == sys.executable:
        return registry.choose(loader).adapter.backend(device)
    command = [python, "-m", __name__, loader, device]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=IMPORT_S)
    except subprocess.TimeoutExpired as error:
        raise LoaderUnavailable(f"{loader}'s library was not imported in {IMPORT_S} s by {python}") from error
    if done.returncode:
        raise LoaderUnavailable(last_words(done.stderr))
    return last_words(done.stdout)


def _layered(environment: OwnEnvironment) -> list[str]:
    """The pinned requirements that the current environment does not have, and those that replace its own."""
    lines = _read(environment.requirements)
    names = {line: re.split(r"[=<>!~ ;]", line)[0] for line in lines}
    return [line for line in lines if names[line] in environment.replaced or not _has(names[line])]


def _isolated(environment: OwnEnvironment) -> list[str]:
    torch = metadata.version("torch").partition("+")[0]
    return [f"torch=={torch}", *_read(environment.isolated_requirements)]


def _read(name: str) -> list[str]:
    from importlib import resources

    lines = (resources.files("feedrate.loaders") / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _has(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _lay_over(target: Path) -> None:
    """What the environment does not have comes from the current one, editable installs in it included."""
    folders = [
        path for path in sys.path if Path(path).name in ("site-packages", "dist-packages") and Path(path).is_dir()
    ]
    lines = "; ".join(f"site.addsitedir({path!a})" for path in folders)
    (target / "feedrate-below.pth").write_text(f"import site; {lines}\n", encoding="utf-8")


def _link_feedrate(target: Path) -> None:
    """feedrate itself, and nothing else, from where it lies."""
    spec = util.find_spec("feedrate")
    assert spec is not None
    assert spec.origin is not None
    (target / "feedrate").symlink_to(Path(spec.origin).parent)


def _python(path: Path) -> Path:
    return path / "bin" / "python"


def _site(path: Path) -> Path:
    return path / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def _run(command: list[str], otherwise: str) -> None:
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise FeedrateError(f"{otherwise}: {_reason(done.stderr)}")


def _reason(text: str) -> str:
    """pip's last error, or what a program said last."""
    errors = [line.removeprefix("ERROR: ") for line in text.splitlines() if line.startswith("ERROR: ")]
    return errors[-1] if errors else last_words(text)


def main() -> None:
    loader, device = sys.argv[1:]
    try:
        print(registry.choose(loader).adapter.backend(device))
    except FeedrateError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
