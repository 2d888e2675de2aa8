"""Tests of the registry: reading the text that chooses a loader, and checking its configuration."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from feedrate.loaders import registry
from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.errors import FeedrateError, LoaderUnavailable


def test_options_are_read_by_their_types() -> None:
    choice = registry.choose("fake:delay_s=0.5:drop_rows=3")
    assert (choice.options.delay_s, choice.options.drop_rows) == (0.5, 3)


def test_workers_and_prefetch_can_be_tuned_for_one_loader_alone(planted: Split) -> None:
    choice = registry.choose("native:workers=2:prefetch=3")
    assert choice.tuned == {"workers": 2, "prefetch": 3}
    loader = choice.open(planted, LoaderConfig(batch_size=512))
    assert sum(batch.rows for batch in loader.epoch(0)) == planted.rows
    assert (loader._loader.num_workers, loader._loader.prefetch_factor) == (2, 3)  # type: ignore[attr-defined]
    loader.close()


def test_bytes_may_carry_a_unit() -> None:
    assert registry.choose("nvtabular:part_size_bytes=2GB").options.part_size_bytes == 2_000_000_000


@pytest.mark.parametrize(
    ("text", "bytes_"), [("1024", 1024), ("2GB", 2_000_000_000), ("1.5MiB", 1_572_864), ("7B", 7), ("3kB", None)]
)
def test_read_bytes(text: str, bytes_: int | None) -> None:
    if bytes_ is None:
        with pytest.raises(ValueError):
            registry.read_bytes(text)
    else:
        assert registry.read_bytes(text) == bytes_


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nativ", "unknown loader 'nativ': choose one of `feedrate list`"),
        ("fake:speed=3", "has no option 'speed=3': its options are delay_s"),
        ("fake:delay_s=soon", "delay_s='soon' is not a valid float"),
        ("native:x=1", "its options are workers, prefetch"),
        ("math:nothing", "module math has no 'nothing'"),
        ("no_such_module:Loader", "there is no module 'no_such_module'"),
        ("native:workers=-1", "workers is -1, but must be at least 0"),
        ("cupy:decode=foo", "decode is 'foo', but must be one of"),
        ("cupy:window_rows=-1", "window_rows is -1"),
        ("math:pi", "neither an Adapter nor a class or function that takes"),
    ],
)
def test_a_mistake_is_an_error_with_advice(text: str, sentence: str) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        registry.choose(text)


def test_a_loader_whose_library_is_missing_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needs_another.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(LoaderUnavailable, match="no_such_library"):
        registry.choose("needs_another:Loader")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("import os\n\nos.foo\n", "AttributeError: module 'os' has no attribute 'foo' (broken.py, line 3)"),
        ("x = 1\ndef f(:\n", "SyntaxError: invalid syntax (broken.py, line 2)"),
        ("import sys\nsys.exit(3)\n", "it called sys.exit(3) (broken.py, line 2)"),
        ("import json\njson.loads('{')\n", "JSONDecodeError: Expecting property name .* (broken.py, line 2)"),
        ("import no_such_library\n", "ModuleNotFoundError: No module named 'no_such_library' (broken.py, line 1)"),
        ("from os import foo\n", "ImportError: cannot import name 'foo' from 'os' .*(broken.py, line 1)"),
        ("raise ValueError\n", "ValueError without a message (broken.py, line 1)"),
        ("class E(BaseException):\n  def __str__(self): raise self\nraise E\n", "E with a message that cannot be printed (broken.py, line 3)"),
    ],
)  # fmt: skip
def test_an_error_while_a_module_is_imported_is_that_error_with_its_place(
    source: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "broken", raising=False)
    pattern = re.escape(f"loader broken:Loader cannot be imported: {sentence}").replace(r"\.\*", ".*")
    with pytest.raises(FeedrateError, match=pattern):
        registry.choose("broken:Loader")


def test_a_plain_class_of_split_and_config_is_a_loader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: Split
) -> None:
    (tmp_path / "their_loader.py").write_text(
        "class Mine:\n    def __init__(self, split, config): self.rows = split.rows\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    loader = registry.choose("their_loader:Mine").open(planted, LoaderConfig())
    assert loader.rows == planted.rows  # type: ignore[attr-defined]


def test_listing_the_loaders_imports_none_of_them() -> None:
    import subprocess

    code = "import sys; from feedrate.loaders import registry; registry.names(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"batch_size": 0}, "batch_size is 0, but must be at least 1"),
        ({"workers": -1}, "workers is -1"),
        ({"rank": 2, "world_size": 2}, r"rank is 2, but must be less than world_size \(2\)"),
    ],
)
def test_an_invalid_configuration_is_refused(settings: dict[str, int], sentence: str) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        LoaderConfig(**settings)  # type: ignore[arg-type]
