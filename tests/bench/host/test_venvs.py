"""Environments of loaders: created, found, and missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from feedrate.bench.cli import app
from feedrate.bench.datasets.canonical import Dataset
from feedrate.bench.host import venvs
from feedrate.bench.host.locked_install import read_lock
from feedrate.bench.results.spec import TrialSpec
from feedrate.bench.run.suite import run_suite
from feedrate.loaders import registry
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable
from feedrate.loaders.nvtabular import ENVIRONMENT
from tests.samples.processes.linked_packages import link_packages

ROOT = Path(__file__).parents[3]
ENVIRONMENTS = ["nvtabular", "litdata", "mosaic-streaming", "tf-data"]


@pytest.fixture
def no_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an environment that is not installed."""
    if find_spec("nvtabular") is not None:
        pytest.skip("nvtabular is installed in this environment")
    monkeypatch.setattr(venvs, "folder", lambda _environment: tmp_path / "nvtabular")
    return tmp_path / "nvtabular"


def test_a_loader_without_an_environment_runs_in_this_one() -> None:
    assert venvs.interpreter("cupy") == sys.executable


def test_the_error_for_a_missing_environment_names_the_command_that_installs_it(no_environment: Path) -> None:
    with pytest.raises(LoaderUnavailable, match="nvtabular is not installed: run `feedrate install nvtabular`"):
        venvs.interpreter("nvtabular:defaults")


def test_an_unfinished_environment_counts_as_missing(no_environment: Path) -> None:
    (no_environment / "bin").mkdir(parents=True)
    (no_environment / "bin" / "python").symlink_to(sys.executable)
    with pytest.raises(LoaderUnavailable):
        venvs.interpreter("nvtabular")
    (no_environment / venvs.MARK).write_text('{"name": "nvtabular", "kind": "layered"}')
    assert venvs.interpreter("nvtabular") == str(no_environment / "bin" / "python")


def test_without_its_environment_a_trial_is_unavailable_and_the_others_go_on(
    no_environment: Path, small: Dataset
) -> None:
    specs = [
        TrialSpec(loader=loader, mode="load", repeat=0, seed=0, batch_size=512, epochs=1, device="cpu")
        for loader in ("nvtabular", "fake")
    ]
    missing, fine = run_suite(specs, small.folder)
    assert missing.status == "unavailable"
    assert "`feedrate install nvtabular`" in missing.detail
    assert fine.status == "ok"


def test_a_layered_environment_installs_missing_packages_and_those_that_must_be_older(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(venvs, "_has", lambda package: package != "partd")
    names = {requirement.name for requirement in venvs._layered_requirements(ENVIRONMENT)}
    assert names == {*ENVIRONMENT.replaced, *ENVIRONMENT.build_tools, "partd"}


def test_several_loaders_have_an_environment_and_the_others_none() -> None:
    assert list(venvs.declared(registry.names())) == ENVIRONMENTS


@pytest.mark.parametrize("loader", ENVIRONMENTS)
def test_an_environment_s_lock_file_has_what_it_replaces(loader: str) -> None:
    environment = venvs.of(loader)
    assert environment is not None
    names = {requirement.name for requirement in read_lock(environment.requirements)}
    assert names >= {*environment.replaced, *environment.build_tools}
    assert environment.name == loader  # the name that `feedrate install` takes


@pytest.mark.parametrize("loader", ENVIRONMENTS)
def test_the_docs_tell_how_to_install_each_environment(loader: str) -> None:
    assert f"feedrate install {loader}" in (ROOT / "docs" / "loaders.md").read_text()


@pytest.mark.parametrize("loader", ENVIRONMENTS)
def test_an_installation_that_fails_says_so_in_one_sentence(
    loader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venvs, "folder", lambda _environment: tmp_path / "environment")
    empty = tmp_path / "empty"
    empty.mkdir()
    result = CliRunner().invoke(app.app, ["install", loader, "--find-links", str(empty)])
    assert isinstance(result.exception, FeedrateError)
    message = str(result.exception)
    assert message.startswith(f"cannot install {loader}: No matching distribution found for ")
    assert "\n" not in message
    assert not (tmp_path / "environment").exists()


def test_install_without_a_loader_lists_the_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(venvs, "folder", lambda environment: tmp_path / environment.name)
    (tmp_path / "litdata").mkdir()
    (tmp_path / "litdata" / venvs.MARK).write_text('{"name": "litdata", "kind": "layered"}')
    lines = CliRunner().invoke(app.app, ["install"]).output.splitlines()
    assert [line.partition(":")[0] for line in lines] == ENVIRONMENTS
    assert f"litdata: installed in {tmp_path / 'litdata'}; `feedrate install litdata`" in lines
    assert "tf-data: not installed; `feedrate install tf-data`" in lines


def test_an_unknown_loader_and_an_isolated_layer_are_refused() -> None:
    with pytest.raises(FeedrateError, match="there is no loader 'litdat': nvtabular, litdata, .* have an environment"):
        venvs.install("litdat", isolated=False)
    with pytest.raises(FeedrateError, match="litdata has no isolated environment: leave out --isolated"):
        venvs.install("litdata", isolated=True)


def test_a_loader_without_an_environment_cannot_be_installed() -> None:
    with pytest.raises(FeedrateError, match="cupy runs in the current environment: there is nothing to install"):
        venvs.install("cupy", isolated=False)


def test_a_failed_installation_keeps_the_old_environment(no_environment: Path, tmp_path: Path) -> None:
    (no_environment / "bin").mkdir(parents=True)
    (no_environment / "bin" / "python").symlink_to(sys.executable)
    (no_environment / venvs.MARK).write_text('{"name": "nvtabular", "kind": "layered"}')
    with pytest.raises(FeedrateError, match="cannot install nvtabular: "):
        venvs.install("nvtabular", isolated=False, find_links=tmp_path)  # a folder without wheels
    assert venvs.interpreter("nvtabular") == str(no_environment / "bin" / "python")
    assert [path.name for path in tmp_path.iterdir()] == ["nvtabular"]


def test_the_error_for_a_python_without_pip_says_how_to_get_it(
    no_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venvs.util, "find_spec", lambda _name: None)
    with pytest.raises(FeedrateError, match=r"has no pip: run .*-m ensurepip"):
        venvs.install("nvtabular", isolated=False)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with feedrate, installed as a user does, and links to the packages that it requires.

    A file that the package omits would be missing, and so would a package that pyproject.toml omits.
    """
    folder = tmp_path_factory.mktemp("fresh")
    source = folder / "source"
    source.mkdir()
    for name in ("feedrate", "bench", "loaders", "reports"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("published"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    _run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    link_packages([*required, "pip"], folder / "venv")
    _run(folder / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", source)
    return folder / "venv" / "bin"


@pytest.mark.slow
def test_one_command_installs_nvtabular_in_a_fresh_virtual_environment(
    fresh: Path, tmp_path: Path, small: Dataset
) -> None:
    feedrate = fresh / "feedrate"
    assert "`feedrate install nvtabular`" in _run(feedrate, "doctor")
    assert "nvtabular 23.8.0 on pandas" in _run(feedrate, "install", "nvtabular")
    assert "every rule holds or is declared as a deviation" in _run(feedrate, "check", "nvtabular")
    doctor = _run(feedrate, "doctor")
    assert "environment nvtabular (layered)" in doctor
    assert "dask 2024.12.1" in doctor
    with pytest.raises(subprocess.CalledProcessError):
        _run(fresh / "python", "-c", "import nvtabular")
    words = "--loaders nvtabular --modes load --epochs 1 --repeats 1 --seeds 0 --batch-size 512".split()
    assert "nvtabular" in _run(feedrate, "run", small.folder, *words, "-o", tmp_path / "run")


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pandas 1 has no wheels after Python 3.11")
def test_nvtabular_works_in_an_isolated_environment(fresh: Path) -> None:
    feedrate = fresh / "feedrate"
    assert "nvtabular 23.8.0 on pandas 1.5" in _run(feedrate, "install", "nvtabular", "--isolated")
    assert "every rule holds or is declared as a deviation" in _run(feedrate, "check", "nvtabular")


def _run(*command: str | Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    arguments = [str(argument) for argument in command]
    return subprocess.run(arguments, check=True, capture_output=True, text=True, env=environment).stdout
