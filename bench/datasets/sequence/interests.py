"""The planted model behind the clicks on items, and rows that are drawn from it.

Each item has a topic, and each user prefers a few topics. A history holds items that its user would look at, and the
target is one that the user might. The log-odds of a click are effects of the user and of the target, plus the share of
the history that has the target's topic. A model can know that share only from the history and the target together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from feedrate.loaders.base import Categorical, Schema

USER, ITEM, HISTORY, LABEL = "user", "item", "history", "clicked"
MAX_HISTORY = 200
"""Ids of the longest history. The shortest has one."""
MEDIAN_HISTORY, HISTORY_SIGMA = 12.0, 1.1
"""Of the lognormal lengths, before they are cut at MAX_HISTORY: the mean is then about 20, and 0.5 % of the rows have the maximum."""
ROWS_PER_USER, ROWS_PER_ITEM = 100, 500
MIN_USERS, MIN_ITEMS = 150, 100
"""They differ, so that the target item is the only column with as many ids as the history."""
TOPICS = 8
PREFERRED = np.array([0.5, 0.2, 0.1])
"""Shares of an item's draws that come from a user's first, second and third topic. The rest comes from all items."""
POPULARITY = 2.0
"""An item's place by popularity is u ** POPULARITY of all, with u uniform: half of the draws are of a quarter of the items."""
USER_SPREAD, ITEM_SPREAD = 0.3, 0.3
"""Standard deviations of the users' and items' effects on the log-odds."""
INTEREST = 4.0
"""Log-odds that a history gains over another if all of it, instead of nothing, has the target's topic."""
CLICKED_FRACTION = 0.25
INTERCEPT_SAMPLE_ROWS = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Users and items, numbered from 0 by expected frequency, and their topics and effects."""

    preferred: np.ndarray
    """Topics that each user prefers, int64 [users, 3]."""
    topic_of_item: np.ndarray
    """int64 [items]."""
    items_by_topic: np.ndarray
    """All items, topic by topic, the most frequent first, int64 [items]."""
    topic_begins: np.ndarray
    """Where each topic begins in items_by_topic, and the end of the last one, int64 [topics + 1]."""
    user_effect: np.ndarray
    """float32 [users]."""
    item_effect: np.ndarray
    """float32 [items]."""
    intercept: float

    @property
    def schema(self) -> Schema:
        """The columns of the dataset. The history and the target item have the same ids."""
        items = len(self.topic_of_item) + 1
        return Schema(
            single_hot=(
                Categorical(name=USER, cardinality=len(self.user_effect) + 1),
                Categorical(name=ITEM, cardinality=items),
            ),
            multi_hot=(Categorical(name=HISTORY, cardinality=items),),
            label=LABEL,
        )


@dataclass(frozen=True, slots=True)
class Rows:
    """Drawn rows, with ids from 1."""

    user: np.ndarray
    """int32 [rows]."""
    item: np.ndarray
    """int32 [rows]."""
    history: np.ndarray
    """The ids of all histories, int32 [values]."""
    offsets: np.ndarray
    """int32 [rows + 1]."""
    clicked: np.ndarray
    """float32 [rows], 0 or 1."""
    log_odds: np.ndarray
    """Log-odds of a click, float64 [rows]."""


def make_world(rows: int, rng: np.random.Generator) -> World:
    """Draw users and items. Both grow with the rows, so that a model can learn about each of them."""
    users = max(MIN_USERS, rows // ROWS_PER_USER)
    items = max(MIN_ITEMS, rows // ROWS_PER_ITEM)
    # every topic has items: the first ones are dealt in turn
    topics = rng.permutation(np.arange(items) % TOPICS)
    world = World(
        preferred=rng.integers(TOPICS, size=(users, len(PREFERRED))),
        topic_of_item=topics,
        items_by_topic=np.argsort(topics, kind="stable"),
        topic_begins=np.searchsorted(np.sort(topics), np.arange(TOPICS + 1)),
        user_effect=rng.standard_normal(users, dtype=np.float32) * np.float32(USER_SPREAD),
        item_effect=rng.standard_normal(items, dtype=np.float32) * np.float32(ITEM_SPREAD),
        intercept=0.0,
    )
    sample = draw(world, INTERCEPT_SAMPLE_ROWS, rng)
    return replace(world, intercept=_intercept(sample.log_odds))


def draw(world: World, rows: int, rng: np.random.Generator) -> Rows:
    """Draw rows. The label is drawn from the probability that the log-odds give."""
    user = (rng.random(rows) ** POPULARITY * len(world.user_effect)).astype(np.int64)
    wished = np.rint(rng.lognormal(np.log(MEDIAN_HISTORY), HISTORY_SIGMA, rows)).astype(np.int64)
    lengths = np.clip(wished, 1, MAX_HISTORY)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    history = _items_for(world, np.repeat(user, lengths), rng)
    item = _items_for(world, user, rng)
    matches = world.topic_of_item[history] == np.repeat(world.topic_of_item[item], lengths)
    interest = np.add.reduceat(matches, offsets[:-1], dtype=np.int64) / lengths
    log_odds = world.intercept + world.user_effect[user] + world.item_effect[item] + INTEREST * interest
    clicked = rng.random(rows) < _probability(log_odds)
    return Rows(
        user=(user + 1).astype(np.int32),
        item=(item + 1).astype(np.int32),
        history=(history + 1).astype(np.int32),
        offsets=offsets.astype(np.int32),
        clicked=clicked.astype(np.float32),
        log_odds=log_odds,
    )


def _items_for(world: World, user: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw an item for each user, int64 [len(user)]: from one of the preferred topics, or from all items."""
    slot = np.searchsorted(np.cumsum(PREFERRED), rng.random(len(user)), side="right")
    place = rng.random(len(user)) ** POPULARITY
    topic = world.preferred[user, np.minimum(slot, len(PREFERRED) - 1)]
    begin, end = world.topic_begins[topic], world.topic_begins[topic + 1]
    of_topic = world.items_by_topic[begin + (place * (end - begin)).astype(np.int64)]
    of_all = (place * len(world.topic_of_item)).astype(np.int64)
    return np.where(slot < len(PREFERRED), of_topic, of_all)


def _probability(log_odds: np.ndarray) -> np.ndarray:
    probability: np.ndarray = 1 / (1 + np.exp(-log_odds))
    return probability


def _intercept(log_odds: np.ndarray) -> float:
    """Return the number to add to the log-odds so that their mean probability is CLICKED_FRACTION."""
    low, high = -20.0, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _probability(log_odds + middle).mean() < CLICKED_FRACTION else (low, middle)
    return low
