"""The documents as a site: strict, readable from disk without a network, and complete."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.samples.chromium import needs_chromium, open_browser

pytest.importorskip("mkdocs", reason="needs mkdocs: `pip install 'feedrate[docs]'`")
ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(ROOT, tmp_path_factory.mktemp("site"))


def built(root: Path, target: Path, **settings: Any) -> Path:
    """Build the site. A warning raises mkdocs' Abort."""
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    config = load_config(str(root / "mkdocs.yml"), site_dir=str(target), strict=True, **settings)
    build(config)
    return target


@pytest.fixture(scope="module")
def page(site: Path) -> Iterator[Any]:
    with open_browser() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("request", lambda request: page.faults.append(request.url) if "http" in request.url[:5] else None)
        page.goto((site / "index.html").as_uri())
        yield page


def test_every_page_loads_from_disk_without_a_request(page: Any, site: Path) -> None:
    for path in sorted(site.rglob("*.html")):
        page.goto(path.as_uri())
        broken = page.evaluate("[...document.images].filter(image => !image.naturalWidth).map(image => image.src)")
        assert broken == [], path
    assert page.faults == []


def test_search_works_from_disk(page: Any, site: Path) -> None:
    page.goto((site / "index.html").as_uri())
    page.click(".md-search__input")
    page.keyboard.type("void")
    page.wait_for_selector(".md-search-result__item")
    assert "Why is a trial void?" in page.locator(".md-search-result__list").inner_text()


def test_the_references_have_every_command_field_and_name(site: Path) -> None:
    commands, fields, names = (
        (site / "reference" / f"{page}.html").read_text() for page in ("commands", "run-json", "python")
    )
    assert 'id="feedrate-run"' in commands
    assert "Show which loaders work on this machine, and how to install the others." in commands.partition("<h2")[0]
    assert "--memory-budget" in commands
    assert "Cores that the process may use." in fields
    for name in ("CupyLoader", "Batch", "from_dataloader", "load", "show", "benchmark_request"):
        assert f".{name}" in names


@pytest.mark.parametrize(
    ("link", "warning"),
    [
        ("[x](faq.md#no-such-heading)", "contains a link 'faq.md#no-such-heading'"),
        ("[x](none.md)", "contains a link 'none.md'"),
        ("[x](../loaders/none.py)", "page.md links to ../loaders/none.py, which does not exist"),
        ("[x](../README.md#none)", "page.md links to ../README.md#none, but there is no such heading"),
    ],
)
def test_a_broken_link_fails_the_build(
    link: str, warning: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from mkdocs.exceptions import Abort

    (tmp_path / "docs").mkdir()
    shutil.copytree(ROOT / "docs" / "hooks", tmp_path / "docs" / "hooks")
    shutil.copy(ROOT / "docs" / "faq.md", tmp_path / "docs" / "page.md")
    (tmp_path / "docs" / "faq.md").write_text("# Questions\n")
    (tmp_path / "README.md").write_text("# Read me\n")
    (tmp_path / "docs" / "page.md").write_text(f"# A page\n\n{link}\n")
    (tmp_path / "mkdocs.yml").write_text((ROOT / "mkdocs.yml").read_text().partition("\nnav:")[0])
    only = {"hooks": ["docs/hooks/outside_links.py"], "plugins": [], "nav": ["page.md", "faq.md"]}
    with caplog.at_level(logging.WARNING), pytest.raises(Abort):
        built(tmp_path, tmp_path / "site", **only)
    assert warning in caplog.text
