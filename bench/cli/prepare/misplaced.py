"""Refuses options of `feedrate prepare` that the source does not have, so that none is ignored silently."""

from __future__ import annotations

import typer

from feedrate.loaders.errors import FeedrateError


def refuse_misplaced(context: typer.Context, source: str, *, is_table: bool) -> None:
    """Raise FeedrateError if an option was given that the source does not have."""
    from feedrate.bench.datasets import sources

    not_for = {*(NAMED_ONLY if is_table else TABLES_ONLY), *sources.options_ignored(source)}
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name)
        if given is not None and given.name == "COMMANDLINE" and name in not_for:
            shown = "a PATH" if name == "paths" else max(parameter.opts, key=len)
            kind = GOES_WITH.get(name, "your own tables (feedrate prepare parquet PATH)")
            if not is_table:
                sources.require_known(source)
            raise FeedrateError(f"{shown} does not go with {source}: it is for {kind}")


GOES_WITH = {
    "archive": "movielens sources",
    "rows": "synthetic sources",
    "positive_fraction": "synthetic-criteo",
    "workflow": "movielens sources with --etl nvtabular",
    "trust_workflow": "movielens sources with --etl nvtabular",
}
"""What the options of named sources are for. All others in TABLES_ONLY are for tables."""
NAMED_ONLY = frozenset(GOES_WITH)
TABLES_ONLY = frozenset(
    (
        *("paths", "label", "label_above", "single_hot", "multi_hot", "continuous", "vector", "categorify", "drop"),
        *("fill", "clip", "log1p", "normalize", "min_count", "hash_buckets", "null_values", "split", "valid"),
        *("valid_fraction", "time_column", "group_by", "like", "strict", "yes"),
    )
)
