"""Users' modules are imported in another process: whatever they do there, this one stays as it is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from feedrate.bench.run import loader_lookup
from feedrate.bench.run.loader_lookup import Answer, check_texts, look_up
from feedrate.bench.run.plan import Plan
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable

LOADER = "\nclass Loader:\n    def __init__(self, split, config): pass\n"
MODULES = {
    "fine": LOADER,
    "prints": "import os\nprint('noise', flush=True)\nos.write(1, b'noise')" + LOADER,
    "exits": "import sys\nsys.exit(3)",
    "leaves": "import os\nos._exit(7)",
    "aborts": "import os\nos.abort()",
    "sleeps": "import time\ntime.sleep(3600)",
    "attribute": "import os\n\nos.foo",
    "needs": "import no_such_library",
    "patches": "import json, os\njson.loads = None\nos.write = None\nos._exit = None" + LOADER,
    "writes": "import os\nfor fd in range(3, 20):\n  try: os.write(fd, b'lies\\n')\n  except OSError: pass" + LOADER,
}


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, source in MODULES.items():
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loader_lookup, "_ANSWERS", {})


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("exits", "loader exits:Loader cannot be imported: it called sys.exit(3) (exits.py, line 2)"),
        ("leaves", "loader leaves:Loader cannot be imported: its process exited with code 7 before it delivered an answer"),
        ("aborts", "loader aborts:Loader cannot be imported: its process was killed by SIGABRT"),
        ("attribute", "loader attribute:Loader cannot be imported: AttributeError: module 'os' has no attribute 'foo' (attribute.py, line 3)"),
        ("writes", "loader writes:Loader cannot be imported: its module wrote to a file descriptor that it did not open"),
        ("nothing", "there is no module 'nothing' for loader nothing:Loader: check the spelling and the Python path"),
    ],
)  # fmt: skip
def test_a_module_that_cannot_be_imported_is_refused_and_the_next_is_looked_up(name: str, sentence: str) -> None:
    answers = look_up([f"{name}:Loader", "fine:Loader"])
    assert answers == {f"{name}:Loader": Answer(refused=sentence), "fine:Loader": Answer()}
    assert name not in sys.modules


def test_modules_that_print_or_patch_change_nothing_here() -> None:
    check_texts(["prints:Loader", "patches:Loader", "needs:Loader", "native-batched"])
    assert json.loads("1") == 1
    assert loader_lookup.interpreter("patches:Loader") == sys.executable
    with pytest.raises(FeedrateError, match="loader exits:Loader cannot be imported: it called sys.exit"):
        Plan(loaders=("fine:Loader", "exits:Loader"))
    with pytest.raises(FeedrateError, match="'fine:Loader:speed=3' has no option 'speed=3'"):
        Plan(loaders=("fine:Loader:speed=3",))


@pytest.mark.slow
def test_a_module_that_does_not_end_is_refused_after_a_while() -> None:
    [answer] = look_up(["sleeps:Loader"], timeout_s=1.5).values()
    assert answer.refused == "loader sleeps:Loader cannot be imported: the import took more than 1.5 s"


def test_a_loader_whose_environment_is_missing_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "apart.py").write_text(
        "from feedrate.loaders.base import Adapter, NoOptions, OwnEnvironment\n"
        "ADAPTER = Adapter(open=None, options=NoOptions, backend=lambda device: '', environment=OwnEnvironment(\n"
        "    name='apart', module='no_such_module', requirements='x', replaced=(), isolated_requirements='x'))\n"
    )
    with pytest.raises(LoaderUnavailable, match="apart is not installed: run `feedrate install apart`"):
        loader_lookup.interpreter("apart:ADAPTER")
