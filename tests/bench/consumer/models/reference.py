"""The models in plain NumPy, row by row and in float64. Nothing is shared with the models themselves."""

from __future__ import annotations

import numpy as np
import torch

from feedrate.loaders.base import Batch

Weights = dict[str, np.ndarray]


def weights_of(model: torch.nn.Module) -> Weights:
    return {name: tensor.detach().double().numpy() for name, tensor in model.named_parameters()}


def bags_of(batch: Batch, name: str) -> list[list[int]]:
    values, offsets = (tensor.tolist() for tensor in batch.bags[name])
    return [values[begin:end] for begin, end in zip(offsets, offsets[1:], strict=False)]


def linear(weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    return weights[f"{name}.weight"] @ x + weights[f"{name}.bias"]


def dlrm(weights: Weights, batch: Batch, bottom_layers: int, top_layers: int) -> np.ndarray:
    """Naumov et al. 2019: the vectors are [bottom | multi-hot | single-hot], and each pair is multiplied once."""
    scores = []
    for row in range(batch.rows):
        vectors = []
        if batch.dense:
            x = np.array([float(column[row]) for column in batch.dense.values()])
            x = np.array([np.copysign(np.log(1 + abs(value)), value) for value in x])
            for layer in range(bottom_layers):
                x = np.maximum(linear(weights, f"bottom.{2 * layer}", x), 0)
            vectors.append(x)
        for name in batch.bags:
            table = weights[f"multi_hot.column {name}.weight"]
            vectors.append(sum((table[value] for value in bags_of(batch, name)[row]), np.zeros(table.shape[1])))
        vectors += [weights[f"single_hot.column {name}.weight"][int(ids[row])] for name, ids in batch.ids.items()]
        features = list(vectors[0]) if batch.dense else []
        for first in range(len(vectors)):
            for second in range(first + 1, len(vectors)):
                features.append(sum(a * b for a, b in zip(vectors[first], vectors[second], strict=True)))
        x = np.array(features)
        for layer in range(top_layers):
            x = np.maximum(linear(weights, f"top.{2 * layer}", x), 0)
        scores.append(linear(weights, "output", x)[0])
    return np.array(scores)


def sequence(weights: Weights, batch: Batch, target: str, attention: bool, layers: int) -> np.ndarray:
    """The inputs are [histories | single-hot | histories * target | continuous]. In evaluation, BatchNorm has mean 0, variance 1."""
    scores = []
    for row in range(batch.rows):
        single = {name: weights[f"single_hot.column {name}.weight"][int(ids[row])] for name, ids in batch.ids.items()}
        histories = []
        for name in batch.bags:
            table = weights[f"multi_hot.column {name}.weight"]
            rows = [table[value] for value in bags_of(batch, name)[row]]
            pool = (
                attended(weights, f"attention.column {name}.score", rows, single[target]) if attention else mean(rows)
            )
            histories.append(np.zeros(table.shape[1]) if pool is None else pool)
        dense = [normalized(float(column[row])) for column in batch.dense.values()]
        products = [history * single[target] for history in histories]
        x = np.concatenate([*histories, *single.values(), *products, dense])
        for layer in range(layers):
            x = normalized(np.maximum(linear(weights, f"blocks.{layer}.0", x), 0))
        scores.append(linear(weights, "output", x)[0])
    return np.array(scores)


def mean(rows: list[np.ndarray]) -> np.ndarray | None:
    return sum(rows) / len(rows) if rows else None


def attended(weights: Weights, name: str, rows: list[np.ndarray], target: np.ndarray) -> np.ndarray | None:
    raw = []
    for row in rows:
        hidden = np.maximum(linear(weights, f"{name}.0", np.concatenate([row, target, row * target])), 0)
        raw.append(linear(weights, f"{name}.2", hidden)[0])
    shares = np.exp(raw) / np.exp(raw).sum() if raw else []
    return sum(share * row for share, row in zip(shares, rows, strict=True)) if rows else None


def normalized(x):  # type: ignore[no-untyped-def]
    return x / np.sqrt(1 + 1e-5)
