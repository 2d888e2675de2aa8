"""A twin of MovieLens-25M. Users, popularity and genres follow published statistics, and taste follows a planted model.

Rows are independent draws (a user by activity, a movie by popularity), so they are shuffled, and a pair may occur twice.
The label is drawn from a known probability, so the best AUC that any model can reach is known, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from feedrate.bench.datasets.canonical import Dataset, read_dataset
from feedrate.bench.datasets.drawing import Drawing
from feedrate.bench.datasets.options import DEFAULTS, PrepareOptions
from feedrate.bench.datasets.rows.hashed_rows import SplitRows, split_rows
from feedrate.bench.datasets.writer import new_dataset
from feedrate.loaders.base import Categorical, Schema
from feedrate.loaders.errors import FeedrateError

CHUNK_ROWS = 262_144
VALID_EVERY = 5
MIN_ROWS = 1000

# MovieLens-25M: ratings, users, and the movies that the reference notebook's table holds.
ML25M_RATINGS, ML25M_USERS, ML25M_MOVIES = 25_000_095, 162_541, 56_603
GENRES = 20
LIKED_FRACTION = 0.625
LATENT = 8
# Standard deviations of the parts of the log-odds. With these, user and movie alone reach about the AUC they reach in MovieLens.
SPREAD = {"user": 0.85, "movie": 0.95, "genre": 0.5, "taste": 0.85}


@dataclass(frozen=True, slots=True)
class World:
    """Users, movies and what users like. Users and movies are numbered by expected frequency, from 1."""

    user_cdf: np.ndarray
    movie_cdf: np.ndarray
    user_bias: np.ndarray
    movie_bias: np.ndarray
    user_taste: np.ndarray
    movie_taste: np.ndarray
    genre_values: np.ndarray
    genre_offsets: np.ndarray
    intercept: float

    @property
    def schema(self) -> Schema:
        """The columns of the dataset."""
        return Schema(
            single_hot=(
                Categorical(name="userId", cardinality=len(self.user_cdf) + 1),
                Categorical(name="movieId", cardinality=len(self.movie_cdf) + 1),
            ),
            multi_hot=(Categorical(name="genres", cardinality=GENRES + 1),),
            label="rating",
        )


def prepare_synthetic(folder: Path, options: PrepareOptions = DEFAULTS, *, rows: int) -> Dataset:
    """Write `rows` rows, every fifth of them to the valid split. The same rows and seed give the same data.

    Progress is in rows. Raises FeedrateError for fewer than 1000 rows.
    """
    from feedrate.bench.consumer.auc import auc

    if rows < MIN_ROWS:
        raise FeedrateError(f"--rows is {rows}, but a synthetic dataset needs at least {MIN_ROWS}")
    seed = options.seed
    world = make_world(rows, np.random.default_rng((seed, 0)))
    scores, labels = [], []
    with new_dataset(folder, world.schema, options) as writer:
        done, drawing = 0, Drawing(world=world, rows=rows, seed=seed, part_rows=CHUNK_ROWS)
        for part, log_odds, liked in options.runner.run(draw_part, drawing, drawing.parts):
            writer.add_split(part)
            scores.append(log_odds)
            labels.append(liked)
            done += part.rows
            options.progress(done, rows)
        best = auc(np.concatenate(scores), np.concatenate(labels))
        provenance = {"source": "synthetic-movielens", "rows": rows, "seed": seed}
        writer.finish(f"synthetic-movielens, {rows:,} rows", provenance, best_auc=round(best, 6))
    return read_dataset(folder)


def draw_part(drawing: Drawing[World], number: int) -> Iterator[tuple[SplitRows, np.ndarray, np.ndarray]]:
    """Yield the rows of a part, and the log-odds and labels of the valid ones."""
    places, rng = drawing.part(number)
    table, log_odds = draw(drawing.world, len(places), rng)
    valid = places % VALID_EVERY == VALID_EVERY - 1
    yield split_rows(table, valid, drawing.world.schema), log_odds[valid], table["rating"].to_numpy()[valid]


def make_world(rows: int, rng: np.random.Generator) -> World:
    """Draw a world in which users grow with the rows (153.8 ratings each), and movies are those that so many draws would touch."""
    users = max(20, -(-rows * ML25M_USERS // ML25M_RATINGS))
    activity = np.clip(18.6 + 39.9 * np.exp(1.589 * rng.standard_normal(users)), 20, 32_202)
    user_p = np.sort(activity)[::-1] / activity.sum()
    movie_p = movie_popularity(rows)
    genre_values, genre_offsets = draw_genres(movie_p, rng)
    world = World(
        user_cdf=np.cumsum(user_p),
        movie_cdf=np.cumsum(movie_p),
        user_bias=_normal(rng, users, SPREAD["user"]),
        movie_bias=_normal(rng, len(movie_p), SPREAD["movie"])
        + _genre_effect(genre_values, genre_offsets, _normal(rng, GENRES + 1, SPREAD["genre"])),
        user_taste=_normal(rng, (users, LATENT), (SPREAD["taste"] / LATENT**0.5) ** 0.5),
        movie_taste=_normal(rng, (len(movie_p), LATENT), (SPREAD["taste"] / LATENT**0.5) ** 0.5),
        genre_values=genre_values,
        genre_offsets=genre_offsets,
        intercept=0.0,
    )
    return _with_liked_fraction(world, rng)


def movie_popularity(rows: int) -> np.ndarray:
    """Return the share of ratings by rank r, (r + 146.76)^-1.365 exp(-r / 15966), for the movies that `rows` draws should touch."""
    rank = np.arange(1, ML25M_MOVIES + 1)
    share = (rank + 146.76) ** -1.365 * np.exp(-rank / 15_966)
    share /= share.sum()
    touched = -np.expm1(-rows * share)
    reference = -np.expm1(-ML25M_RATINGS * share)
    movies = max(50, round(ML25M_MOVIES * min(1.0, touched.sum() / reference.sum())))
    kept: np.ndarray = share[:movies] / share[:movies].sum()
    return kept


def draw_genres(movie_p: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return (values int32, offsets [movies + 1]). The lower half of the movies has 1.95 genres on average, the top 1 % has 2.88."""
    movies = len(movie_p)
    place = (np.arange(movies) + 0.5) / movies
    mean = np.interp(np.log(place), np.log([0.01, 0.5]), [2.88, 1.95])
    counts = np.clip(1 + rng.poisson(mean - 1), 1, 8)
    # distinct genres for each movie: the largest of popularity-weighted exponential races (Efraimidis, Spirakis 2006)
    weight = 1 / np.arange(1, GENRES + 1) ** 0.8
    race = rng.standard_exponential((movies, GENRES)) / weight
    order = np.argsort(race, axis=1)
    kept = np.arange(GENRES) < counts[:, None]
    return (order[kept] + 1).astype(np.int32), np.concatenate([[0], np.cumsum(counts)])


def draw(world: World, rows: int, rng: np.random.Generator) -> tuple[pa.Table, np.ndarray]:
    """Draw a table of rows, and the log-odds behind their labels (float32 [rows])."""
    user = _draw_from(world.user_cdf, rows, rng)
    movie = _draw_from(world.movie_cdf, rows, rng)
    log_odds = _log_odds(world, user, movie)
    liked = rng.random(rows, dtype=np.float32) < 1 / (1 + np.exp(-log_odds))
    values, offsets = _take_bags(world.genre_values, world.genre_offsets, movie)
    table = pa.table(
        {
            "userId": (user + 1).astype(np.int32),
            "movieId": (movie + 1).astype(np.int32),
            "genres": pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values)),
            "rating": liked.astype(np.float32),
        }
    )
    return table, log_odds


def _log_odds(world: World, user: np.ndarray, movie: np.ndarray) -> np.ndarray:
    taste = np.einsum("ij,ij->i", world.user_taste[user], world.movie_taste[movie])
    total: np.ndarray = world.intercept + world.user_bias[user] + world.movie_bias[movie] + taste
    return total


def _with_liked_fraction(world: World, rng: np.random.Generator) -> World:
    """Set the intercept so that LIKED_FRACTION of the labels are 1."""
    sample = 200_000
    log_odds = _log_odds(world, _draw_from(world.user_cdf, sample, rng), _draw_from(world.movie_cdf, sample, rng))
    low, high = -5.0, 5.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if np.mean(1 / (1 + np.exp(-log_odds - middle))) < LIKED_FRACTION else (low, middle)
    return replace(world, intercept=low)


def _draw_from(cdf: np.ndarray, rows: int, rng: np.random.Generator) -> np.ndarray:
    return np.minimum(np.searchsorted(cdf, rng.random(rows), side="right"), len(cdf) - 1)


def _genre_effect(values: np.ndarray, offsets: np.ndarray, effect: np.ndarray) -> np.ndarray:
    total: np.ndarray = np.add.reduceat(effect[values], offsets[:-1]) / np.diff(offsets)
    return total.astype(np.float32)


def _take_bags(values: np.ndarray, offsets: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import torch

    from feedrate.loaders.parquet.columns import take_bags

    taken = take_bags(torch.from_numpy(values), torch.from_numpy(offsets), torch.from_numpy(rows))
    return taken[0].numpy(), taken[1].numpy()


def _normal(rng: np.random.Generator, shape: int | tuple[int, ...], spread: float) -> np.ndarray:
    drawn: np.ndarray = rng.standard_normal(shape, dtype=np.float32) * np.float32(spread)
    return drawn
