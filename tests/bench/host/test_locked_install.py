"""Lock files, and what pip makes of them: a file with another SHA-256 is not installed."""

from __future__ import annotations

import hashlib
import re
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from feedrate.bench.host.locked_install import Locked, Pip, read_lock
from feedrate.loaders.errors import FeedrateError

ROOT = Path(__file__).parents[3]
LOCKS = sorted(path.relative_to(ROOT / "loaders").as_posix() for path in (ROOT / "loaders").rglob("*.lock"))
NO_PLACE = "../requirements.lock"


@pytest.mark.parametrize("name", [*LOCKS, NO_PLACE, "../.ci/audit.lock"])
def test_every_requirement_is_pinned_with_hashes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.resources.files", lambda _package: ROOT / "loaders")
    requirements = read_lock(name)
    assert requirements
    for locked in requirements:
        text, *hashes = locked.text.split(" --hash=sha256:")
        requirement = Requirement(text)
        [version] = requirement.specifier
        assert (requirement.name, version.operator, version.version) == (locked.name, "==", locked.version)
        assert not requirement.extras
        assert hashes
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in hashes)
    assert len({locked.name for locked in requirements}) == len(requirements)


def test_both_builds_of_torch_have_one_version() -> None:
    [cpu] = read_lock("torch-cpu.lock")
    cuda = {locked.name: locked.version for locked in read_lock("torch-cuda.lock")}
    assert cpu.version == f"{cuda['torch']}+cpu"
    assert f"torch={cuda['torch']}\n" in (ROOT / ".ci" / "lock").read_text()


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with a wheel of a package that is on no index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "feedrate_probe-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("feedrate_probe.py", "")
        wheel.writestr(
            "feedrate_probe-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: feedrate-probe\nVersion: 1.0\n"
        )
        wheel.writestr(
            "feedrate_probe-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("feedrate_probe-1.0.dist-info/RECORD", "")
    return folder


@pytest.mark.slow
def test_a_wheel_with_another_hash_is_refused(wheels: Path, tmp_path: Path) -> None:
    """pip only looks: the wheel is not installed anywhere."""
    [wheel] = wheels.iterdir()
    right = hashlib.sha256(wheel.read_bytes()).hexdigest()
    pip = Pip(python=Path(sys.executable), name="probe", find_links=wheels)
    for digest in (right, "0" * 64):
        locked = Locked(
            name="feedrate-probe",
            version="1.0",
            text=f"feedrate-probe==1.0 --hash=sha256:{digest} --hash=sha256:{'1' * 64}",
        )
        options = ("--only-binary", ":all:", "--target", str(tmp_path / digest[:4]))
        if digest == right:
            pip._install_with_hashes([locked], options)
            assert (tmp_path / digest[:4] / "feedrate_probe.py").exists()
        else:
            with pytest.raises(FeedrateError, match="^cannot install probe: "):
                pip._install_with_hashes([locked], options)
            assert not (tmp_path / digest[:4]).exists()
