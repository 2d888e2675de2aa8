"""The rules that every loader must satisfy, one function per rule, for the tests and `feedrate check`.

The rules need a single-hot column that numbers the rows. `planted_split` writes Parquet files with such a column,
several row groups, and empty and very long bags. `numbered_split` copies a user's own files and adds the column.
"""

from feedrate.loaders.conformance.case import Case
from feedrate.loaders.conformance.checking import RULES, check, check_rest, check_rule
from feedrate.loaders.conformance.splits import ROW, numbered_split, planted_split
from feedrate.loaders.rule_result import Outcome, RuleBroken, RuleResult, broken, describe, grouped

__all__ = [
    "ROW",
    "RULES",
    "Case",
    "Outcome",
    "RuleBroken",
    "RuleResult",
    "broken",
    "check",
    "check_rest",
    "check_rule",
    "describe",
    "grouped",
    "numbered_split",
    "planted_split",
]
