"""Tables in documents are what the records give, and say where they come from."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from feedrate.bench.cli.app import app
from feedrate.bench.results import store
from feedrate.bench.results.record import RunRecord
from feedrate.loaders.errors import FeedrateError
from feedrate.reports.analysis.answers.answer import summary
from feedrate.reports.analysis.summarize import summarize
from feedrate.reports.formats.documents import rewritten
from feedrate.reports.formats.table import cells
from tests.samples.sample_record import RUN, record, trial

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
IDS = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
SIMULATED = ROOT / "docs" / "scale.md"
"""Its tables are of `feedrate simulate`, and each names its command."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_the_tables_are_what_the_records_give(document: Path) -> None:
    text = document.read_text()
    now = rewritten(text, document, ROOT / "reports" / "published")
    assert now.splitlines() == text.splitlines(), "write them with `make tables`"


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if path != SIMULATED], ids=lambda path: path.name)
def test_no_table_of_rates_is_typed_by_hand(document: Path) -> None:
    outside = re.sub(r"(?s)<!-- (table|answer): .*?<!-- end -->", "", document.read_text())
    rates = [line for line in outside.splitlines() if line.startswith("|") and re.search(r"\d [kMG]? ?rows/s|±", line)]
    assert rates == []


def test_readme_results_and_which_loader_have_tables() -> None:
    for name in ("README.md", "docs/results.md", "docs/which-loader.md"):
        assert "\n<!-- table: " in (ROOT / name).read_text()


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """A document in a folder beside records: a, b/one and b/two."""
    own = [
        replace(
            trial("own:x=1", "train", 90 + repeat, repeat, auc=0.7 + repeat / 1000), deviations={"ranks_even": "why"}
        )
        for repeat in range(3)
    ]
    own = [replace(one, preparation_s=12.5, preparation_bytes=2_000_000_000) for one in own]
    write(tmp_path / "records" / "a", replace(RUN, baseline="fast"))
    write(tmp_path / "records" / "b" / "one", record(*own, *(trial("slow", "train", 80 + n, n) for n in range(3))))
    write(
        tmp_path / "records" / "b" / "two", record(trial("fast", "load", 7000), trial("fast", "load", 9000, size=200))
    )
    (tmp_path / "docs").mkdir()
    return tmp_path / "docs" / "page.md"


def write(folder: Path, run: RunRecord) -> None:
    store.write(folder, run)


def block(document: Path, words: str, kind: str = "table") -> str:
    text = rewritten(f"<!-- {kind}: {words} -->\n<!-- end -->\n", document, document.parents[1] / "records")
    return text.removeprefix(f"<!-- {kind}: {words} -->\n\n").removesuffix("\n\n<!-- end -->\n")


def table(document: Path, words: str) -> list[list[str]]:
    lines = [line for line in block(document, words).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if "---" not in line]


def test_the_cells_are_those_of_the_report(document: Path) -> None:
    head, *body = cells(summarize([(Path("a"), replace(RUN, baseline="fast"))]))
    expected = [[line[head.index(title)] for title in ("Loader only", "Training", "Share of ceiling")] for line in body]
    head, *lines = table(document, "a columns=load,train,share")
    assert head == ["Loader", "Loader only", "Training", "Share of ceiling", "Rows checked"]
    assert [line[1:4] for line in lines] == expected
    assert [line[0] for line in lines] == ["`fast`", "`slow`", "`gone`", "replay (ceiling)"]


def test_a_table_names_the_record_machine_date_data_and_command(document: Path) -> None:
    assert block(document, "a").splitlines()[-1] == (
        "[a](../records/a): A GPU, 2 cores of A CPU, 2026-01-01, d (1,000 for training), batch size 100, "
        "`feedrate run DATA -o RUN`."
    )


def test_ratio_auc_preparation_and_deviations_have_columns(document: Path) -> None:
    head, own, slow = table(document, "b/one baseline=slow columns=against,auc-difference,preparation,deviations")
    assert head[:5] == ["Loader", "Against `slow`", "AUC against `slow`", "Preparation", "Deviations"]
    assert own[0] == "`own:x=1`"
    assert re.fullmatch(r"faster: \+1\d\.\d % \(.* to .*\)", own[1])
    assert own[2].startswith("-0.0990")
    assert own[3:5] == ["12.5 s, 2.00 GB", "`ranks_even`"]
    assert slow[:5] == ["`slow`", "-", "-", "-", "-"]


def test_loaders_and_batch_sizes_can_be_chosen(document: Path) -> None:
    assert [line[0] for line in table(document, "a loaders=slow columns=train")] == [
        "Loader",
        "`slow`",
        "replay (ceiling)",
    ]
    assert [line[1] for line in table(document, "b/two columns=load batch=200")] == [
        "Loader only",
        "9.00 k rows/s (n = 1)",
    ]
    assert "batch size 200," in block(document, "b/two batch=200")


def test_a_folder_of_records_and_several_records_give_one_table(document: Path) -> None:
    for words in ("b batch=100", "b/one b/two batch=100"):
        lines = block(document, words).splitlines()
        assert lines[2].startswith("| `own:x=1`, one | ")
        assert [line[:40] for line in lines[-2:]] == [
            "- `one`: [b/one](../records/b/one): A GP",
            "- `two`: [b/two](../records/b/two): A GP",
        ]


def test_records_of_two_tasks_are_told_apart_and_those_of_two_datasets_refused(document: Path) -> None:
    sentence = "The records differ in epochs: compare speeds and AUC only within a record."
    assert sentence not in block(document, "b batch=100")
    longer = trial("fast", "load", 10)
    write(document.parents[1] / "records" / "longer", record(replace(longer, spec=replace(longer.spec, epochs=2))))
    assert sentence in block(document, "b/one longer").splitlines()
    other = replace(record(trial("fast", "load", 10)), dataset=replace(RUN.dataset, name="e", fingerprint="f" * 64))
    write(document.parents[1] / "records" / "other", other)
    with pytest.raises(FeedrateError, match=r"different datasets \(d 0123456789ab and e ffffffffffff\): write a table"):
        block(document, "a other")


def test_an_answer_is_that_of_the_report_with_its_record(document: Path) -> None:
    text = summary(summarize([(Path("a"), replace(RUN, baseline="fast"))]))
    assert block(document, "a", "answer") == f"{text} Record: [a](../records/a)."


def test_a_record_that_is_pending_is_not_measured_yet_until_it_is_there(document: Path) -> None:
    assert block(document, "c pending columns=train") == "Not measured yet: `c`."
    assert block(document, "c pending", "answer") == "Not measured yet: `c`."
    assert block(document, "a c pending").endswith("\n\nNot measured yet: `c`.")
    assert block(document, "a pending") == block(document, "a")


def test_writing_twice_changes_nothing_and_other_text_stays(document: Path) -> None:
    text = "# Head\n\n```\n<!-- table: example -->\n```\n\n<!-- table: a -->\nold\n<!-- end -->\n\n- after\n"
    once = rewritten(text, document, document.parents[1] / "records")
    assert once.startswith("# Head\n\n```\n<!-- table: example -->\n```\n\n<!-- table: a -->\n\n| Loader |")
    assert once.endswith("\n<!-- end -->\n\n- after\n")
    assert "old" not in once
    assert rewritten(once, document, document.parents[1] / "records") == once


def test_names_from_records_cannot_leave_their_cell(document: Path) -> None:
    write(document.parents[1] / "records" / "e", record(trial("a`|b <b>\n<!-- end -->", "load", 10)))
    lines = block(document, "e columns=load").splitlines()
    assert lines[2].startswith("| `a'\\|b <b> <!-- end -->` | 10.0 rows/s (n = 1) |")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x\n<!-- table: c -->\n<!-- end -->", r"page\.md, line 2: .*c has no record: correct the name, or add `pending`"),
        ("<!-- table: a columns=speed -->\n<!-- end -->", r"line 1: unknown column 'speed': choose from load, train, "),
        ("<!-- table: a loaders=none -->\n<!-- end -->", r"has the loader 'none': its loaders are fast, slow, gone"),
        ("<!-- table: a size=3 -->\n<!-- end -->", r"unknown option 'size=3': choose from columns, loaders, baseline, batch"),
        ("<!-- table: a batch=many -->\n<!-- end -->", r"batch is 'many', but must be a whole number"),
        ("<!-- table: a batch=7 -->\n<!-- end -->", r"a has no trial with batch size 7"),
        ("<!-- table: a baseline=cupy -->\n<!-- end -->", r"a has no trial of the baseline 'cupy'"),
        ("<!-- table: pending -->\n<!-- end -->", r"names no record"),
        ("<!-- table: a -->\n<!-- table: a -->\n<!-- end -->", r"line 2: the block of line 1 has no `<!-- end -->`"),
        ("<!-- table: a -->\n", r"page\.md: the block of line 1 has no `<!-- end -->`"),
    ],
)  # fmt: skip
def test_a_comment_that_cannot_be_followed_is_named_with_its_line(text: str, sentence: str, document: Path) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        rewritten(text, document, document.parents[1] / "records")


def test_the_command_writes_files_and_checks_them(document: Path) -> None:
    document.write_text("<!-- table: a -->\n<!-- end -->\n")
    words = ["tables", str(document), "--records", str(document.parents[1] / "records")]
    checked = CliRunner().invoke(app, [*words, "--check"])
    assert isinstance(checked.exception, FeedrateError)
    assert "is not what the records give: run the same command without --check" in str(checked.exception)
    assert document.read_text() == "<!-- table: a -->\n<!-- end -->\n"
    assert CliRunner().invoke(app, words).exit_code == 0
    assert "| `fast` |" in document.read_text()
    assert CliRunner().invoke(app, [*words, "--check"]).exit_code == 0


def test_a_file_that_is_no_text_is_named(document: Path) -> None:
    document.write_bytes(b"\xff\xfe table")
    result = CliRunner().invoke(app, ["tables", str(document)])
    assert isinstance(result.exception, FeedrateError)
    assert str(result.exception) == f"{document} is not UTF-8 text: specify Markdown files"
