from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from feedrate.bench.cli.app import app
from feedrate.bench.results import store
from feedrate.bench.results.record import RunRecord, TrialResult
from feedrate.bench.results.whole_file import LOCK_FILE, scratch_of
from feedrate.loaders.errors import FeedrateError
from feedrate.reports import units
from feedrate.reports.formats.pagekit import script_json
from feedrate.reports.formats.site import MARK, build
from feedrate.reports.formats.site_pages.index import loader_file
from feedrate.reports.names import file_name, plain, short
from tests.samples.chromium import dump_dom, needs_chromium
from tests.samples.sample_record import RUN, record, trial
from tests.samples.snapshot import check_page

PUBLISHED = Path(__file__).parents[3] / "reports" / "published"
SCRIPT = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
NAMES = (
    SCRIPT,
    "../../x",
    "..\\..\\x",
    "/etc/passwd",
    "'\"><svg onload=alert(1)>",
    "long " * 1000,
    "\u202etxt.exe",
    "אבג",
    "\x1b[31m\x00",
    "\ud83d{{ 7 * 7 }}{% include 'x' %}".encode("utf-8", "replace").decode(),
    "",
    ".",
    "<b>bold</b>&amp;",
    "javascript:alert(1)",
)


class _Elements(HTMLParser):
    """Every start tag of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def _named(name: str) -> RunRecord:
    """A record with `name` in every field that takes free text."""
    env = replace(RUN.environment, gpu=name, cpu=name, commit=name, command=name, packages={name: name})
    trials = (
        *RUN.trials,
        replace(trial(name, "train", 500), backend=name, flags=(name,), deviations={name: name}),
        TrialResult(spec=trial(name + "x", "load", 1).spec, status="failed", detail=name),
    )
    data = replace(RUN.dataset, name=name, fingerprint=name)
    return replace(RUN, environment=env, dataset=data, trials=trials, baseline=name)


def _site(tmp_path: Path, *runs: RunRecord) -> tuple[Path, list[str]]:
    for i, run in enumerate(runs):
        store.write(tmp_path / "runs" / f"r{i}", run)
    warnings: list[str] = []
    build(tmp_path / "runs", tmp_path / "site", warnings.append)
    return tmp_path / "site", warnings


def _pages(site: Path) -> dict[str, str]:
    return {path.relative_to(site).as_posix(): path.read_text("utf-8") for path in site.rglob("*.html")}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site, warnings = _site(tmp_path_factory.mktemp("hostile"), *map(_named, NAMES))
    assert not warnings
    return site


def test_hostile_names_write_no_file_elsewhere(hostile: Path) -> None:
    assert sorted(path.name for path in hostile.parent.iterdir()) == ["runs", "site"]
    assert sorted(path.name for path in hostile.iterdir()) == ["assets", "index.html", "loaders", "results"]
    names = [path.name for path in (hostile / "results").iterdir()]
    assert len(names) == len(NAMES)
    assert all(re.fullmatch(r"[a-z0-9-]{1,80}\.html", name) for name in names)


def test_hostile_names_stay_text(hostile: Path) -> None:
    for name, page in _pages(hostile).items():
        for tag, attributes in _Elements(page).elements:
            assert tag not in ("img", "b", "iframe", "style", "base", "form", "object"), name
            assert tag != "svg" or attributes["class"] == "ratio", name
            assert not [key for key in attributes if key.startswith("on") or key == "style"], name
        assert "\x1b" not in page
        assert "\u202e" not in page
    assert "&lt;/script&gt;&lt;script&gt;" in _pages(hostile)["index.html"]
    assert ">no name</a>" in _pages(hostile)["index.html"]


def test_pages_load_only_the_files_of_the_site(hostile: Path) -> None:
    for name, page in _pages(hostile).items():
        addresses = [
            a.get("src") or a.get("href") or "" for _, a in _Elements(page).elements if "src" in a or "href" in a
        ]
        assert addresses
        for address in addresses:
            assert ":" not in address
            assert not address.startswith("/")
            file = address.partition("#")[0]
            assert ((hostile / name).parent / file).resolve().is_relative_to(hostile.resolve())
            assert ((hostile / name).parent / file).is_file()
    for sheet in (hostile / "assets").glob("*.css"):
        assert not re.search(r"url\(|@import", sheet.read_text("utf-8"))


def test_every_page_has_the_strict_policy_and_no_inline_script(hostile: Path) -> None:
    for page in _pages(hostile).values():
        elements = _Elements(page).elements
        [policy] = [a["content"] or "" for tag, a in elements if a.get("http-equiv") == "Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert all("src" in a or a.get("type") == "application/json" for tag, a in elements if tag == "script")


def test_data_of_figures_cannot_end_their_script() -> None:
    data = script_json([{"name": SCRIPT + "<!--"}])
    assert "<" not in data
    assert json.loads(data) == [{"name": SCRIPT + "<!--"}]


def test_plotly_is_written_once(hostile: Path) -> None:
    assert sum(path.stat().st_size > 1_000_000 for path in hostile.rglob("*")) == 1


def test_file_names_differ_if_the_names_differ() -> None:
    assert file_name("a", "b") != file_name("a b")
    assert file_name("a/b") != file_name("a-b")
    assert file_name("x" * 1000) != file_name("x" * 1001)
    assert file_name("") == file_name("")
    assert short("y" * 100) != short("y" * 101)
    assert plain("a\x1bb\u202ec\n") == "a\\x1bb\\u202ec\\n"


def test_the_index_has_a_row_for_each_loader_data_set_and_machine(tmp_path: Path) -> None:
    elsewhere = replace(
        RUN, environment=replace(RUN.environment, gpu="Another GPU"), trials=(trial("slow", "train", 70),)
    )
    site, _ = _site(tmp_path, RUN, elsewhere)
    rows = re.findall(r"<tr data-row.*?</tr>", _pages(site)["index.html"], re.DOTALL)
    assert len(rows) == 3
    [row] = [row for row in rows if "A GPU" in row and ">fast<" in row]
    assert ">fastest<" in row
    assert ">1<" in row  # ratios are to it: of equally common loaders, it is the first by name
    assert "800 rows/s" in row
    assert "2026-01-01" in row
    assert "abcdef0" in row
    [slow] = [row for row in rows if "A GPU" in row and ">slow<" in row]
    assert ">at most 0.206<" in slow
    [other_row] = [row for row in rows if "Another GPU" in row]
    assert ">slow<" in other_row
    assert ">-<" in other_row


def test_machines_with_another_cpu_are_not_compared(tmp_path: Path) -> None:
    elsewhere = replace(RUN, environment=replace(RUN.environment, cpu="Another CPU"))
    site, _ = _site(tmp_path, RUN, elsewhere)
    assert len(list((site / "results").iterdir())) == 2


def test_a_loader_has_a_page_with_all_of_its_runs(tmp_path: Path) -> None:
    newer = replace(RUN, environment=replace(RUN.environment, started_at="2026-02-01T00:00:00+00:00", commit="f" * 40))
    site, _ = _site(tmp_path, RUN, newer)
    page = (site / "loaders" / loader_file("fast")).read_text()
    dates = re.findall(r"<th scope=\"row\">([^<]*)<", page)
    assert dates == ["2026-02-01, fffffff", "2026-02-01, fffffff", "2026-01-01, abcdef0", "2026-01-01, abcdef0"][::2]
    assert "800 rows/s" in page
    assert "Settings with fewer than 5 runs" in page


def test_the_newest_run_of_each_loader_is_shown(tmp_path: Path) -> None:
    newer = replace(
        RUN,
        environment=replace(RUN.environment, started_at="2026-02-01T00:00:00+00:00", commit="fedcba9876543210"),
        trials=(trial("fast", "train", 600), trial("replay", "replay", 1000)),
    )
    site, _ = _site(tmp_path, RUN, newer)
    [page] = [page for name, page in _pages(site).items() if name.startswith("results")]
    rows = re.findall(r"<tr data-row.*?</tr>", page, re.DOTALL)
    [fast] = [row for row in rows if ">fast, r1<" in row]
    assert ">600 (n~=~1)<" in fast.replace(units.NO_BREAK, "~")
    assert "fedcba9" in fast
    assert not any(">800 " in row for row in rows)
    assert any(">slow, r0<" in row for row in rows)


def test_results_of_other_settings_have_their_own_table(tmp_path: Path) -> None:
    spec = RUN.trials[0].spec
    longer = replace(RUN, trials=(replace(RUN.trials[0], spec=replace(spec, epochs=9)),))
    site, _ = _site(tmp_path, RUN, longer)
    [page] = [page for name, page in _pages(site).items() if name.startswith("results")]
    assert page.count('<table class="results"') == 2
    assert "9 epochs, cpu" in page


def test_broken_records_are_named_on_the_index_and_skipped(tmp_path: Path) -> None:
    store.write(tmp_path / "runs" / "good", RUN)
    spec = trial("fast", "train", 1)
    store.write(tmp_path / "runs" / "huge", replace(RUN, trials=(replace(spec, auc=(1e308, 1e308)),)))
    (tmp_path / "runs" / "bad").mkdir()
    (tmp_path / "runs" / "bad" / "run.json").write_text("{")
    done = CliRunner().invoke(app, ["site", str(tmp_path / "runs"), "-o", str(tmp_path / "site")])
    assert done.exit_code == 0, done.output
    index = _pages(tmp_path / "site")["index.html"]
    assert "bad/run.json is not a run record" in index
    assert re.search(
        r"huge/run.json is not a run record: Expected `float` &lt;= 1.000001 - at `\$.trials\[0\].auc\[0\]`", index
    )
    assert index.count("<tr data-row") == 2


def test_a_site_is_replaced_and_another_folder_is_not(tmp_path: Path) -> None:
    site, _ = _site(tmp_path, RUN)
    old = [site / folder / "old.html" for folder in ("results", "loaders")]
    for page in old:
        page.write_text("gone")
    build(tmp_path / "runs", site, print)
    assert not [page for page in old if page.exists()]
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("mine")
    with pytest.raises(FeedrateError, match="not empty"):
        build(tmp_path / "runs", tmp_path / "home", print)


def test_a_site_that_was_killed_at_its_start_is_built_anew(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "assets").mkdir(parents=True)
    (site / LOCK_FILE).write_text("{}")
    scratch_of(site / MARK).write_text("a part")
    assert _site(tmp_path, RUN)[0] == site
    assert (site / "index.html").is_file()
    assert not scratch_of(site / MARK).exists()


def test_the_committed_records_make_a_site(tmp_path: Path) -> None:
    warnings: list[str] = []
    pages = build(PUBLISHED, tmp_path / "site", warnings.append)
    assert pages == len([*(tmp_path / "site").glob("results/*.html"), *(tmp_path / "site").glob("loaders/*.html")]) > 8
    assert not warnings
    assert "NVIDIA H100" in _pages(tmp_path / "site")["index.html"]


@needs_chromium
def test_a_browser_draws_the_site_with_an_empty_console(hostile: Path, tmp_path: Path) -> None:
    """Runs Chromium under the site's own policy, from disk. Blocked requests and script errors would appear on the console."""
    page = hostile / "results" / file_name(SCRIPT, SCRIPT, "2", SCRIPT, SCRIPT)
    for path, figures in ((hostile / "index.html", len(NAMES)), (page, 11)):
        done = dump_dom(path, tmp_path / "profile")
        assert done.returncode == 0, done.stderr
        assert "CONSOLE" not in done.stderr
        assert "<title>feedrate: " in done.stdout
        assert "<img" not in done.stdout
        assert done.stdout.count('class="plot-container plotly"') == figures


def test_the_pages_match_their_snapshots(tmp_path: Path) -> None:
    store.write(tmp_path / "runs" / "a", RUN)
    build(tmp_path / "runs", tmp_path / "site", pytest.fail, made_at=datetime(2026, 1, 2, tzinfo=UTC))
    check_page((tmp_path / "site" / "index.html").read_text(), "site-index.html")
    [place] = (tmp_path / "site" / "results").glob("*.html")
    check_page(place.read_text(), "site-place.html")


def test_the_index_calls_no_loader_the_fastest_that_cannot_be_told_apart_from_another(tmp_path: Path) -> None:
    equal = [trial(name, "train", 100 * wobble, n) for name in "ab" for n, wobble in enumerate((0.99, 1.0, 1.02))]
    single = [trial(name, "train", 100) for name in "ab"]
    for name, trials, words in (
        ("equal", equal, ">not told apart from b<"),
        ("single", single, ">1 round, no interval<"),
    ):
        store.write(tmp_path / name / "run", record(*trials))
        build(tmp_path / name, tmp_path / name / "site", lambda _: None)
        assert words in (tmp_path / name / "site" / "index.html").read_text()
