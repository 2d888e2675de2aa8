"""The comparison as one HTML file that works offline: Plotly's JavaScript inlined once, everything from records escaped."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from jinja2 import Environment as Templates
from markupsafe import Markup

from feedrate.bench.record import RunRecord
from feedrate.reports import text, units
from feedrate.reports.compare import Comparison
from feedrate.reports.figures import figures
from feedrate.reports.metrics import METRICS


def render(comparison: Comparison, *, made_at: datetime | None = None) -> str:
    """The page. made_at is printed at its foot."""
    drawn = figures(comparison)
    folder = files("feedrate.reports")
    template = Templates(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        (folder / "report.html").read_text("utf-8")
    )
    head, *body = text.cells(comparison)
    page: str = template.render(
        answer=text.answer(comparison),
        head=head,
        body=body,
        about={metric.title: metric.about for metric in METRICS},
        figures=drawn,
        figures_json=_script_json([{"name": f.name, "data": f.data, "layout": f.layout} for f in drawn]),
        runs=[
            {"name": name, "record": run, "environment": environment_rows(run), "settings": settings(run)}
            for name, run in comparison.runs
        ],
        rows=comparison.rows,
        sentences={
            row.label: [s for s in (text.stall_split(row), text.auc_parity(row), *row.flags) if s]
            for row in comparison.rows
        },
        not_ok=comparison.not_ok,
        made_at=(made_at or datetime.now(UTC)).isoformat(timespec="seconds"),
        css=Markup((folder / "report.css").read_text("utf-8")),
        js=Markup((folder / "report.js").read_text("utf-8")),
        plotly=Markup((files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8")),
    )
    return page


def environment_rows(run: RunRecord) -> list[tuple[str, str]]:
    """What the run's environment and data were, for people."""
    env, data = run.environment, run.dataset
    commit = f"{env.commit[:12]}{', with changes' if env.dirty else ''}" if env.commit else units.NONE
    return [
        ("GPU", f"{env.gpu}, {units.size(env.gpu_memory_bytes)}, driver {env.driver}" if env.gpu else "none"),
        ("CPU", f"{env.cores} cores of {env.cpu}"),
        ("Memory", units.size(env.memory_bytes)),
        ("System", f"{env.platform}, Python {env.python}"),
        ("Packages", ", ".join(f"{name} {version}" for name, version in env.packages.items())),
        ("feedrate", f"{env.feedrate}, commit {commit}"),
        ("Started", env.started_at),
        ("Command", env.command),
        ("Baseline", run.baseline or units.NONE),
        ("Rounds", run.stopped or "the run did not end by itself"),
        ("Harness", f"{units.seconds(run.harness.step_s)} a step, calibrated" if run.harness else units.NONE),
        ("GPU's condition", gpu_condition(run)),
        (
            "Dataset",
            f"{data.name}: {data.train_rows:,} train and {data.valid_rows:,} valid rows, fingerprint {data.fingerprint[:12]}",
        ),
        ("Cardinalities", ", ".join(f"{name} {size:,}" for name, size in data.cardinalities.items())),
    ]


def gpu_condition(run: RunRecord) -> str:
    """Clocks, power and temperature over the timed epochs of all trials."""
    seen = [trial.gpu for trial in run.trials if trial.gpu]
    if not seen:
        return units.NONE
    clocks = [gpu.sm_clock_hz / 1e6 for gpu in seen if gpu.sm_clock_hz]
    watts = [gpu.power_w for gpu in seen if gpu.power_w]
    degrees = [gpu.temperature_c for gpu in seen if gpu.temperature_c]
    parts = [
        f"{name} {min(values):.0f} to {max(values):.0f} {unit}"
        for name, values, unit in (("SM clock", clocks, "MHz"), ("power", watts, "W"), ("temperature", degrees, "°C"))
        if values
    ]
    held = sorted({reason for gpu in seen for reason in gpu.throttled})
    return ", ".join([*parts, f"throttled: {', '.join(held)}" if held else "not throttled"])


def settings(run: RunRecord) -> list[tuple[str, str]]:
    """Each setting of the trials, with all the values it took."""
    names = (
        [name for name in run.trials[0].spec.__dataclass_fields__ if name not in ("loader", "model")]
        if run.trials
        else []
    )
    rows = [(name, _values([getattr(trial.spec, name) for trial in run.trials])) for name in names]
    models = [trial.spec.model for trial in run.trials]
    fields = models[0].__dataclass_fields__ if models else ()
    return rows + [(f"model: {name}", _values([getattr(model, name) for model in models])) for name in fields]


def _values(values: list[object]) -> str:
    return ", ".join(dict.fromkeys("default" if value is None else str(value) for value in values))


def _script_json(value: Any) -> Markup:
    """JSON that cannot end the script element it stands in."""
    content = json.dumps(value, separators=(",", ":"))
    return Markup(content.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
