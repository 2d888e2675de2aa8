"""Renders a comparison as one HTML file that works offline. It contains Plotly's JavaScript, and escapes everything from records."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from feedrate.bench.results.profiles.explained import Explained
from feedrate.bench.results.record import RunRecord
from feedrate.bench.results.settings import NOT_RECORDED
from feedrate.loaders.errors import FeedrateError
from feedrate.reports import units
from feedrate.reports.analysis.answers.run_concerns import FIRST_WITH_REASON
from feedrate.reports.analysis.metrics import BY_NAME
from feedrate.reports.analysis.run_comparison import Line, Side, compare_runs
from feedrate.reports.analysis.summarize import Comparison, Row
from feedrate.reports.analysis.tidy import SPEC
from feedrate.reports.analysis.verdicts import NO_SHARE, change, rate_text, share_state, share_text, word
from feedrate.reports.figures.figure import READING
from feedrate.reports.figures.overview import figures
from feedrate.reports.figures.profile_tables import profile_tables
from feedrate.reports.figures.profiles import heading, profile_figures
from feedrate.reports.figures.timelines import LEGEND, chart_data, charts
from feedrate.reports.formats import pagekit, sentences
from feedrate.reports.formats.first_screen.citation import citation
from feedrate.reports.formats.first_screen.ratio_bar import WIDTH
from feedrate.reports.formats.first_screen.record_link import RecordLink
from feedrate.reports.formats.first_screen.view import first_screen
from feedrate.reports.formats.page_tables.results import results_table

OLD_PROFILE = (
    "An older version of feedrate recorded this profile. It lacks the kernels and functions of each part of a step, the calls that launched work, and "
    "the numbers of steps."
)
PROFILE_SCRIPTS = ("profile-layout.js", "profile-input.js", "profile.js")


def render(
    comparison: Comparison,
    *,
    profiles: Sequence[Explained] = (),
    records: Sequence[RecordLink] = (),
    made_at: datetime | None = None,
) -> str:
    """Return the page.

    profiles: profiles of the runs' loaders. records: the files of the runs, in their order, for links.
    made_at: time printed at the foot of the page. Default: now.
    """
    notes = [sentences.of_row(row, comparison) for row in comparison.rows]
    page_figures = [*figures(comparison), *profile_figures(profiles)]
    plotly, js = pagekit.plotly(), pagekit.page_script("report.js", "zoom.js")
    profile_charts = charts([explained.profile for explained in profiles])
    profile_js = "".join(map(pagekit.page_file, PROFILE_SCRIPTS)) if profile_charts else ""
    page: str = pagekit.template("report.html").render(
        first=first_screen(comparison, notes),
        task=sentences.task(comparison),
        against=against_first(comparison),
        policy=pagekit.policy_of_one_file(plotly, js, *filter(None, [profile_js]), images="data: blob:"),
        table=results_table(comparison),
        cards=[card(row, lines) for row, lines in zip(comparison.rows, notes, strict=True)],
        figures=page_figures,
        how_to_read=READING,
        figures_json=pagekit.figures_json(page_figures),
        runs=[
            run_of(name, run, records[place] if place < len(records) else None)
            for (name, run), place in zip(comparison.runs, comparison.records, strict=True)
        ],
        bar_width=WIDTH,
        options=options_table(comparison),
        profiles=[profile_of(explained) for explained in profiles],
        profile_charts=profile_charts,
        profile_legend=LEGEND,
        profiles_json=pagekit.script_json(chart_data(profile_charts)),
        profile_js=Markup(profile_js),
        rows=comparison.rows,
        not_ok=comparison.not_ok,
        made_at=(made_at or datetime.now(UTC)).isoformat(timespec="seconds"),
        css=Markup(pagekit.page_style("report.css") + (pagekit.page_file("profile.css") if profiles else "")),
        plotly=Markup(plotly),
        js=Markup(js),
    )
    return page


def run_of(name: str, run: RunRecord, link: RecordLink | None) -> dict[str, Any]:
    """Return what the page says of a run, by the template's names."""
    return {
        "name": name,
        "environment": environment_rows(run),
        "settings": settings(run, link.unrecorded if link else ()),
        "file": link,
        "cite": citation(run),
    }


def profile_of(explained: Explained) -> dict[str, Any]:
    """Return the content of a loader's profile on the page, by the template's names."""
    profile = explained.profile
    return {
        "loader": profile.spec.loader,
        "title": profile.title,
        "heading": heading(profile),
        "findings": explained.findings,
        "busy": explained.busy,
        "notes": [*profile.notes, *([OLD_PROFILE] if not (profile.parts or profile.marks) else [])],
        "tables": profile_tables(profile),
    }


def against_first(comparison: Comparison) -> list[tuple[str, list[list[str]], str]]:
    """Compare every other run with the first. Returns a list of (title, lines, reason why there are no lines)."""
    if len(comparison.runs) < 2:
        return []
    (name, first), *others = comparison.runs
    comparisons: list[tuple[str, list[list[str]], str]] = []
    for other_name, record in others:
        title = f"{other_name} against {name}"
        try:
            lines = compare_runs(Side(name, first, None), Side(other_name, record, None))
        except FeedrateError as error:
            comparisons.append((title, [], str(error)))
        else:
            comparisons.append((title, [_line(line) for line in lines if line.metric.in_table], ""))
    return comparisons


def _line(line: Line) -> list[str]:
    numbers = [line.metric.text(line.base_mean), line.metric.text(line.head_mean), change(line.verdict, line.metric)]
    return [
        line.head,
        str(line.batch_size),
        line.metric.title,
        *numbers,
        word(line.verdict, line.metric),
        str(line.verdict.change.n),
    ]


def card(row: Row, notes: Sequence[str]) -> dict[str, Any]:
    """Return the content of a loader's card on the page, by the template's names. notes: what a reader must know of it."""
    state = share_state(row.share, row.ceiling)
    share = None if state in NO_SHARE or row.share is None else row.share.estimate
    bar = None if share is None else share.high if state == "held back" else share.mean
    rates = [
        (BY_NAME[name], row.metrics.get(name)) for name in ("train_rows_per_s", "load_rows_per_s", "all_in_rows_per_s")
    ]
    facts = [
        *((metric.title, rate_text(samples, metric.text)) for metric, samples in rates if samples),
        ("Stall", units.format_percent(row.mean("stall_fraction"))),
        ("AUC", units.format_auc(row.mean("auc"))),
        ("First batch", units.format_seconds(row.mean("first_batch_s"))),
        (f"Against {row.baseline}", sentences.against(row)),
    ]
    return {
        "label": row.label,
        "verdict": sentences.verdict(row),
        "share": None if bar is None else round(min(bar, 1.0) * 100, 1),
        "share_text": share_text(row.share, row.ceiling),
        "facts": [(name, value) for name, value in facts if value != units.NONE],
        "sentences": notes,
        "deviations": row.deviations,
        "backend": row.backend or "no result",
    }


def options_table(comparison: Comparison) -> list[tuple[str, list[tuple[str, bool]]]]:
    """Return (option, values). Values has one (text, set by the user) for each row of the comparison, in its order."""
    names = dict.fromkeys(name for row in comparison.rows for name in row.options)
    return [
        (
            name,
            [
                (units.format_setting(row.options.get(name, units.NONE)), f":{name}" in row.loader)
                for row in comparison.rows
            ],
        )
        for name in names
    ]


def environment_rows(run: RunRecord) -> list[tuple[str, str]]:
    """Return facts about the run's environment and dataset as (name, text)."""
    env, data = run.environment, run.dataset
    ends_said = run.schema_version >= FIRST_WITH_REASON
    commit = f"{env.commit[:12]}{', with uncommitted changes' if env.dirty else ''}" if env.commit else units.NONE
    return [
        ("GPU", f"{env.gpu}, {units.format_size(env.gpu_memory_bytes)}, driver {env.driver}" if env.gpu else "none"),
        ("CPU", f"{env.cores} cores of {env.cpu}"),
        ("Memory", units.format_size(env.memory_bytes)),
        ("System", f"{env.platform}, Python {env.python}"),
        ("Packages", ", ".join(f"{name} {version}" for name, version in env.packages.items())),
        ("feedrate", f"{env.feedrate}, commit {commit}"),
        ("Started", env.started_at),
        ("Command", env.command),
        ("Baseline", run.baseline or units.NONE),
        ("Rounds", run.stopped or ("the run did not finish" if ends_said else NOT_RECORDED)),
        ("Harness", f"{units.format_seconds(run.harness.step_s)} per step, calibrated" if run.harness else units.NONE),
        ("GPU condition", gpu_condition(run)),
        (
            "Dataset",
            f"{data.name}: {data.train_rows:,} train and {data.valid_rows:,} valid rows, fingerprint {data.fingerprint[:12]}",
        ),
        ("Cardinalities", ", ".join(f"{name} {size:,}" for name, size in data.cardinalities.items())),
    ]


def gpu_condition(run: RunRecord) -> str:
    """Return the ranges of clock, power and temperature over the timed epochs of all trials, as text."""
    records = [trial.gpu for trial in run.trials if trial.gpu]
    if not records:
        return units.NONE
    clocks = [gpu.sm_clock_hz / 1e6 for gpu in records if gpu.sm_clock_hz]
    watts = [gpu.power_w for gpu in records if gpu.power_w]
    degrees = [gpu.temperature_c for gpu in records if gpu.temperature_c]
    parts = [
        f"{name} {min(values):.0f} to {max(values):.0f} {unit}"
        for name, values, unit in (("SM clock", clocks, "MHz"), ("power", watts, "W"), ("temperature", degrees, "°C"))
        if values
    ]
    reasons = sorted({reason for gpu in records for reason in gpu.throttled})
    return ", ".join([*parts, f"throttled: {', '.join(reasons)}" if reasons else "not throttled"])


def settings(run: RunRecord, unrecorded: Collection[str] = ()) -> list[tuple[str, str]]:
    """Return each setting of the trials as (name, text). The text lists all values that the setting took.

    unrecorded: settings that the record lacks. Today's default would stand there.
    """
    names = [name for name in SPEC if name != "loader"] if run.trials else []
    rows = [(name, _values(name, [getattr(trial.spec, name) for trial in run.trials])) for name in names]
    models = [trial.spec.model for trial in run.trials]
    fields = models[0].__dataclass_fields__ if models else ()
    rows += [(f"model: {name}", _values(name, [getattr(model, name) for model in models])) for name in fields]
    return [(name, NOT_RECORDED if name in unrecorded else text) for name, text in rows]


UNSET = {"memory_budget_bytes": "no limit", "memory_limit_bytes": "no limit", "embedding_width": "NVTabular's rule"}
"""What it means if a setting has no value."""


def _values(name: str, values: Sequence[object]) -> str:
    unset = UNSET.get(name, "none")
    texts = list(
        dict.fromkeys(unset if value is None else units.format_setting(value) for value in dict.fromkeys(values))
    )
    return (" or " if any(", " in text for text in texts) else ", ").join(texts)
