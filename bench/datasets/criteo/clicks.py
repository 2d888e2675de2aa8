"""The planted model behind the clicks, and rows that are drawn from it.

The log-odds of a click are the sum of effects of some ids, of log1p of some counts, and of products of two ids' factors.
Every effect is a table that is looked up with an id or a count. Rare ids and high counts share the table's last entry,
so tables stay in the cache, whatever the cardinality.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from feedrate.bench.datasets.criteo.columns import CountColumn, IdColumn, count_columns, id_columns
from feedrate.loaders.base import Categorical, Schema

FREQUENT_IDS = 1 << 14
"""The most frequent ids of a column have effects of their own. Rarer ones have none."""
INTERCEPT_SAMPLE_ROWS = 100_000
LABEL = "label"

# Columns with effects, and the standard deviations of the parts of the log-odds. The best AUC is then 0.81 to 0.83, a little above what models reach on Criteo.
ID_EFFECTS = ("C1", "C2", "C3", "C5", "C8", "C10", "C12", "C14", "C16", "C17", "C19", "C21", "C24", "C26")
COUNT_EFFECTS = ("I1", "I4", "I6", "I7", "I11", "I13")
PAIRS = (("C2", "C13"), ("C7", "C14"), ("C15", "C23"), ("C10", "C18"))
ID_SPREAD, COUNT_SPREAD, PAIR_SPREAD = 0.3, 0.2, 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The columns and the effects of their values on a click."""

    ids: tuple[IdColumn, ...]
    counts: tuple[CountColumn, ...]
    effects: Mapping[str, np.ndarray]
    """Column -> log-odds by id or count, float32. Larger ids and counts have the last entry's."""
    pairs: Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray]]
    """Two columns -> the factors of their ids, float32. The product of both is added to the log-odds."""
    intercept: float

    @property
    def schema(self) -> Schema:
        """The columns of the dataset."""
        return Schema(
            single_hot=tuple(Categorical(name=column.name, cardinality=column.cardinality) for column in self.ids),
            continuous=tuple(column.name for column in self.counts),
            label=LABEL,
        )


def make_world(rows: int, positive_fraction: float, rng: np.random.Generator) -> World:
    """Draw the effects. rows: of the dataset. positive_fraction: expected share of clicks."""
    ids, counts = id_columns(rows), count_columns()
    values = {column.name: column.values for column in ids}
    effects = {name: _id_table(values[name], ID_SPREAD, rng) for name in ID_EFFECTS}
    effects.update({column.name: _count_table(column, rng) for column in counts if column.name in COUNT_EFFECTS})
    spread = PAIR_SPREAD**0.5
    pairs = {pair: (_id_table(values[pair[0]], spread, rng), _id_table(values[pair[1]], spread, rng)) for pair in PAIRS}
    world = World(ids=ids, counts=counts, effects=effects, pairs=pairs, intercept=0.0)
    _, log_odds = draw(world, INTERCEPT_SAMPLE_ROWS, rng)
    return replace(world, intercept=_intercept(log_odds, positive_fraction))


def draw(world: World, rows: int, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Draw the columns of `rows` rows (int32 ids, float32 counts and label) and the log-odds of their labels, float32 [rows]."""
    drawn: dict[str, np.ndarray] = {}
    present: dict[float, np.ndarray] = {}
    columns: tuple[IdColumn | CountColumn, ...] = (*world.ids, *world.counts)
    for column in columns:
        drawn[column.name] = column.draw(rows, rng)
        gap = column.gap_fraction
        if gap:
            if gap not in present:
                present[gap] = rng.random(rows, dtype=np.float32) >= gap
            drawn[column.name] *= present[gap]
    log_odds = _log_odds(world, drawn)
    # in float64: a rounding that differs between machines then changes no label
    clicked = rng.random(rows) < _probability(log_odds)
    for count in world.counts:
        drawn[count.name] = drawn[count.name].astype(np.float32)
    drawn[LABEL] = clicked.astype(np.float32)
    return drawn, log_odds


def _log_odds(world: World, drawn: Mapping[str, np.ndarray]) -> np.ndarray:
    total = np.full(len(drawn[world.ids[0].name]), world.intercept, np.float32)
    for name, table in world.effects.items():
        total += np.take(table, drawn[name], mode="clip")
    for (left, right), (left_table, right_table) in world.pairs.items():
        product = np.take(left_table, drawn[left], mode="clip")
        product *= np.take(right_table, drawn[right], mode="clip")
        total += product
    return total


def _probability(log_odds: np.ndarray) -> np.ndarray:
    odds = np.exp(log_odds.astype(np.float64))
    probability: np.ndarray = odds / (1 + odds)
    return probability


def _id_table(values: int, spread: float, rng: np.random.Generator) -> np.ndarray:
    table = rng.standard_normal(min(values, FREQUENT_IDS) + 1, dtype=np.float32) * np.float32(spread)
    return table if values <= FREQUENT_IDS else np.append(table, np.float32(0))


def _count_table(column: CountColumn, rng: np.random.Generator) -> np.ndarray:
    log = np.log1p(np.arange(FREQUENT_IDS + 1))
    weight = COUNT_SPREAD * rng.choice((-1.0, 1.0))
    table: np.ndarray = (weight * (log - np.log1p(column.mean))).astype(np.float32)
    return table


def _intercept(log_odds: np.ndarray, positive_fraction: float) -> float:
    """Return the number to add to the log-odds so that their mean probability is positive_fraction."""
    low, high = -20.0, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _probability(log_odds + middle).mean() < positive_fraction else (low, middle)
    return low
