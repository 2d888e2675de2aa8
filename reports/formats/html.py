"""The comparison as one HTML file that works offline: Plotly's JavaScript inlined once, everything from records escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from feedrate.bench.results.profiles.explained import Explained
from feedrate.bench.results.record import RunRecord
from feedrate.loaders.errors import FeedrateError
from feedrate.reports import units
from feedrate.reports.analysis.metrics import METRICS
from feedrate.reports.analysis.run_comparison import Line, Side, change_text, compare_runs
from feedrate.reports.analysis.summarize import Comparison, Row
from feedrate.reports.analysis.tidy import SPEC
from feedrate.reports.figures.overview import figures
from feedrate.reports.figures.profiles import heading, profile_figures
from feedrate.reports.formats import pagekit, sentences, table


def render(
    comparison: Comparison,
    *,
    profiles: Sequence[Explained] = (),
    made_at: datetime | None = None,
) -> str:
    """The page. profiles: those of the runs' loaders, with what they show; made_at is printed at its foot."""
    drawn = [*figures(comparison), *profile_figures(profiles)]
    plotly, js = pagekit.plotly(), pagekit.page_script("report.js")
    page: str = pagekit.template("report.html").render(
        answer=sentences.answer(comparison),
        unlike=sentences.unlike(comparison),
        against=against_first(comparison),
        policy=pagekit.policy_of_one_file(plotly, js, images="data: blob:"),
        table=sortable_table(comparison),
        cards=[card(row) for row in comparison.rows],
        about={metric.title: metric.about for metric in METRICS},
        figures=drawn,
        figures_json=pagekit.script_json([{"name": f.name, "data": f.data, "layout": f.layout} for f in drawn]),
        runs=[
            {"name": name, "record": run, "environment": environment_rows(run), "settings": settings(run)}
            for name, run in comparison.runs
        ],
        options=options_table(comparison),
        profiles=[(found.profile.spec.loader, heading(found.profile), found) for found in profiles],
        rows=comparison.rows,
        not_ok=comparison.not_ok,
        made_at=(made_at or datetime.now(UTC)).isoformat(timespec="seconds"),
        css=Markup(pagekit.page_file("report.css")),
        plotly=Markup(plotly),
        js=Markup(js),
    )
    return page


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    value: float | None
    """What it is sorted by."""


def against_first(comparison: Comparison) -> list[tuple[str, list[list[str]], str]]:
    """Every other run against the first: (which, its lines, why there are none)."""
    if len(comparison.runs) < 2:
        return []
    (name, first), *others = comparison.runs
    found: list[tuple[str, list[list[str]], str]] = []
    for other, record in others:
        title = f"{other} against {name}"
        try:
            lines = compare_runs(Side(name, first, None), Side(other, record, None))
        except FeedrateError as error:
            found.append((title, [], str(error)))
        else:
            found.append((title, [_line(line) for line in lines if line.metric.in_table], ""))
    return found


def _line(line: Line) -> list[str]:
    numbers = [line.metric.text(line.base_mean), line.metric.text(line.head_mean), change_text(line)]
    return [line.head, str(line.batch_size), line.metric.title, *numbers, line.word, str(line.verdict.change.n)]


def sortable_table(comparison: Comparison) -> tuple[list[str], list[list[Cell]]]:
    """Return (head, lines), with the ceilings' lines last."""
    head, *body = table.cells(comparison)
    names = {metric.title: metric.name for metric in METRICS}
    lines = []
    for number, words in enumerate(body):
        row = comparison.rows[number] if number < len(comparison.rows) else None
        lines.append([Cell(word, _value(row, title, names)) for title, word in zip(head, words, strict=True)])
    return head, lines


def _value(row: Row | None, title: str, names: dict[str, str]) -> float | None:
    if row is None:
        return None
    if title == table.SHARE:
        return row.ceiling_fraction
    if title == table.AGAINST:
        verdict = row.verdicts.get("train_rows_per_s")
        return verdict.change.mean if verdict else None
    return row.mean(names[title]) if title in names else None


def card(row: Row) -> dict[str, Any]:
    """Return what a loader's card on the page shows."""
    share = row.ceiling_fraction
    facts = [
        ("Training", units.format_rate(row.mean("train_rows_per_s"))),
        ("Alone", units.format_rate(row.mean("load_rows_per_s"))),
        ("Stall", units.format_percent(row.mean("stall_fraction"))),
        ("AUC", units.format_auc(row.mean("auc"))),
        ("First batch", units.format_seconds(row.mean("first_batch_s"))),
        ("Against baseline", sentences.against(row)),
    ]
    return {
        "label": row.label,
        "verdict": sentences.verdict(row),
        "share": None if share is None else round(min(share, 1.0) * 100, 1),
        "share_text": units.format_percent(share),
        "facts": [(name, value) for name, value in facts if value != units.NONE],
        "sentences": [s for s in (sentences.stall_split(row), sentences.auc_parity(row), *row.flags) if s],
        "deviations": row.deviations,
        "backend": row.backend or "no result",
    }


def options_table(comparison: Comparison) -> list[tuple[str, list[tuple[str, bool]]]]:
    """Return each option with every loader's value, and whether the user set it."""
    names = dict.fromkeys(name for row in comparison.rows for name in row.options)
    return [
        (name, [(row.options.get(name, units.NONE), f":{name}" in row.loader) for row in comparison.rows])
        for name in names
    ]


def environment_rows(run: RunRecord) -> list[tuple[str, str]]:
    """Return the run's environment and data as (name, text)."""
    env, data = run.environment, run.dataset
    commit = f"{env.commit[:12]}{', with changes' if env.dirty else ''}" if env.commit else units.NONE
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
        ("Rounds", run.stopped or "the run did not end by itself"),
        ("Harness", f"{units.format_seconds(run.harness.step_s)} a step, calibrated" if run.harness else units.NONE),
        ("GPU's condition", gpu_condition(run)),
        (
            "Dataset",
            f"{data.name}: {data.train_rows:,} train and {data.valid_rows:,} valid rows, fingerprint {data.fingerprint[:12]}",
        ),
        ("Cardinalities", ", ".join(f"{name} {size:,}" for name, size in data.cardinalities.items())),
    ]


def gpu_condition(run: RunRecord) -> str:
    """Return clocks, power and temperature over the timed epochs of all trials, as text."""
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
    held = sorted({reason for gpu in records for reason in gpu.throttled})
    return ", ".join([*parts, f"throttled: {', '.join(held)}" if held else "not throttled"])


def settings(run: RunRecord) -> list[tuple[str, str]]:
    """Return each setting of the trials, with all the values that it took."""
    names = [name for name in SPEC if name != "loader"] if run.trials else []
    rows = [(name, _values([getattr(trial.spec, name) for trial in run.trials])) for name in names]
    models = [trial.spec.model for trial in run.trials]
    fields = models[0].__dataclass_fields__ if models else ()
    return rows + [(f"model: {name}", _values([getattr(model, name) for model in models])) for name in fields]


def _values(values: list[object]) -> str:
    return ", ".join(dict.fromkeys("default" if value is None else str(value) for value in values))
