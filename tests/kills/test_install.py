"""An installation that is killed leaves the old environment or the new one, and the next one removes what it left."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import feedrate
from tests.kills.killing import Commands

ADAPTER = """
from feedrate.loaders.base import Adapter, OwnEnvironment
from feedrate.loaders.native_batched import ADAPTER as native

def backend(_device):
    import tiny
    return f"tiny {tiny.VERSION}"

ENVIRONMENT = OwnEnvironment(name="tiny", requirements="REQUIREMENTS", replaced=("tiny",), module="tiny")
ADAPTER = Adapter(open=native.open, options=native.options, backend=backend, environment=ENVIRONMENT)
"""


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """Commands in a virtual environment over this one, with a loader whose library is on two wheels."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    [packages] = (tmp_path / "venv").glob("lib/python*/site-packages")
    (packages / "below.pth").write_text("".join(f"{path}\n" for path in sys.path if path.endswith("site-packages")))
    (tmp_path / "tiny_loader.py").write_text(ADAPTER.replace("REQUIREMENTS", str(tmp_path / "tiny.lock")))
    for version in ("1.0", "2.0"):
        _write_wheel(tmp_path / "wheels", version)
    python = str(tmp_path / "venv" / "bin" / "python")
    root = str(Path(feedrate.__file__).parents[1])
    return Commands(
        tmp_path,
        command=(python, "-P", "-c", "from feedrate.__main__ import main; main()"),
        variables={"PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))},
    )


@pytest.mark.slow
def test_an_installation_that_is_killed_leaves_the_old_environment_or_the_new_one(
    commands: Commands, tmp_path: Path
) -> None:
    words = ("install", "tiny_loader:ADAPTER", "--find-links", tmp_path / "wheels")
    for version in ("1.0", "2.0"):
        _require(tmp_path, version)
        assert f"tiny {version}; 1 packages in " in commands.whole(*words).out
        assert _installed(tmp_path) == version
    for number, after_s in commands.times("install"):
        while True:
            old = _installed(tmp_path)
            new = "1.0" if old == "2.0" else "2.0"
            _require(tmp_path, new)
            killed = commands.killed(number, after_s, *words)
            if not killed.finished:
                break
            assert _installed(tmp_path) == new
            after_s *= 0.8
        assert _installed(tmp_path) in ((new,) if f"tiny {new}; " in killed.out else (old, new))
        assert commands.dirty or _names(tmp_path) == ["env", "tiny"]
    commands.whole(*words)
    assert _names(tmp_path) == ["env", "tiny"]
    commands.remove_temporary()


def _require(folder: Path, version: str) -> None:
    wheel = folder / "wheels" / f"tiny-{version}-py3-none-any.whl"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (folder / "tiny.lock").write_text(f"tiny=={version} --hash=sha256:{digest}\n")


def _installed(folder: Path) -> str:
    """Version of the library in the environment. Fails if the environment is not complete."""
    environment = folder / "venv" / "environments" / "tiny"
    assert (environment / "feedrate.json").exists()
    command = [environment / "bin" / "python", "-P", "-c", "import tiny, numpy; print(tiny.VERSION)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _names(folder: Path) -> list[str]:
    """The environments' folder: "env" for a folder that holds one."""
    names = [path.name for path in (folder / "venv" / "environments").iterdir()]
    return sorted("env" if name.startswith(".tiny.new-") and "link" not in name else name for name in names)


def _write_wheel(folder: Path, version: str) -> None:
    folder.mkdir(exist_ok=True)
    info = f"tiny-{version}.dist-info"
    files = {
        "tiny.py": f'VERSION = "{version}"\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"tiny-{version}-py3-none-any.whl", "w") as wheel:
        for name, text in {**files, f"{info}/RECORD": "".join(f"{name},,\n" for name in files)}.items():
            wheel.writestr(name, text)
