"""The reference model has the notebook's shapes and parameter count, and follows an independently computed formula."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD, Adagrad, Adam, Optimizer

from feedrate.bench.consumer.model import build_model, build_optimizer, loss_of
from feedrate.bench.consumer.models.embeddings import embedding_width
from feedrate.bench.consumer.models.mlp import EmbeddingMLP
from feedrate.bench.results.spec import ModelSpec
from feedrate.loaders.base import Categorical, Schema, Split
from feedrate.loaders.errors import FeedrateError
from feedrate.loaders.parquet.columns import Columns, read_columns

NOTEBOOK = Schema(
    single_hot=(Categorical(name="userId", cardinality=162_542), Categorical(name="movieId", cardinality=56_604)),
    multi_hot=(Categorical(name="genres", cardinality=21),),
    label="rating",
)


def test_the_model_has_the_notebook_s_shapes() -> None:
    with torch.device("meta"):
        model = EmbeddingMLP(NOTEBOOK, ModelSpec())
    shapes = [tuple(parameter.shape) for parameter in model.parameters()]
    tables = [(162_542, 512), (56_604, 512), (21, 16)]
    block = [(128,), (128,), (128,)]  # bias, and BatchNorm's weight and bias
    assert shapes == [*tables, (128, 1040), *block, (128, 128), *block, (128, 128), *block, (1, 128), (1,)]
    parameter_count = 162_542 * 512 + 56_604 * 512 + 21 * 16 + (1040 + 3) * 128 + 2 * (128 + 3) * 128 + 129
    assert sum(parameter.numel() for parameter in model.parameters()) == parameter_count == 112_370_257


@pytest.mark.parametrize(("cardinality", "width"), [(2, 16), (21, 16), (1000, 77), (6041, 210), (56_604, 512)])
def test_embedding_widths_follow_nvtabular_s_rule(cardinality: int, width: int) -> None:
    assert embedding_width(cardinality) == width


@pytest.fixture(scope="module")
def columns(planted: Split) -> Columns:
    return read_columns(planted)


@pytest.mark.parametrize("training", [True, False])
def test_the_forward_pass_follows_the_formula(training: bool, planted: Split, columns: Columns) -> None:
    model = build_model(planted.schema, ModelSpec(hidden=(32, 16)), seed=5, device="cpu").double()
    model.train(training)
    batch = columns.slice(100, 400)
    dense = {name: column.double() for name, column in batch.dense.items()}
    output = model(type(batch)(batch.ids, batch.bags, dense, batch.label)).detach().numpy()
    wanted = _reference_output(model, batch, training)
    assert np.linalg.norm(output - wanted) / np.linalg.norm(wanted) < 1e-12


def _reference_output(model: EmbeddingMLP, batch, training: bool) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Compute the model with NumPy in float64, and its bags row by row."""
    weights = {name: tensor.detach().numpy() for name, tensor in model.named_parameters()}
    parts = []
    for name, (values, offsets) in batch.bags.items():
        table = weights[f"multi_hot.column {name}.weight"]
        bounds = zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
        parts.append(np.stack([table[values[a:b].numpy()].sum(0) for a, b in bounds]))
    parts += [weights[f"single_hot.column {name}.weight"][ids.numpy()] for name, ids in batch.ids.items()]
    dense = np.stack([column.double().numpy() for column in batch.dense.values()], 1)
    parts.append(_batch_norm(dense, weights["continuous.weight"], weights["continuous.bias"], training))
    x = np.concatenate(parts, 1)
    for block in range(2):
        x = np.maximum(x @ weights[f"blocks.{block}.0.weight"].T + weights[f"blocks.{block}.0.bias"], 0)
        x = _batch_norm(x, weights[f"blocks.{block}.2.weight"], weights[f"blocks.{block}.2.bias"], training)
    return (x @ weights["output.weight"].T + weights["output.bias"])[:, 0]


def _batch_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, training: bool) -> np.ndarray:
    mean, variance = (x.mean(0), x.var(0)) if training else (0.0, 1.0)
    return (x - mean) / np.sqrt(variance + 1e-5) * weight + bias


@pytest.mark.nvtabular
def test_the_forward_pass_equals_nvtabular_s_model(small) -> None:  # type: ignore[no-untyped-def]
    from nvtabular.framework_utils.torch.models import Model  # pyright: ignore[reportMissingImports]

    schema = small.info.schema
    ours = build_model(schema, ModelSpec(), seed=2, device="cpu").eval()
    single = {c.name: (c.cardinality, embedding_width(c.cardinality)) for c in schema.single_hot}
    multi = {c.name: (c.cardinality, embedding_width(c.cardinality)) for c in schema.multi_hot}
    theirs = Model((single, multi), 0, 0.0, [128] * 3, [0.0] * 3).eval()
    # theirs also has an unused BatchNorm over zero continuous columns
    names = [name for name in theirs.state_dict() if not name.startswith("initial_cont_layer")]
    theirs.load_state_dict(dict(zip(names, ours.state_dict().values(), strict=True)), strict=False)
    batch = read_columns(small.split("valid")).slice(0, 300)
    ids = torch.stack(list(batch.ids.values()), 1).long()
    bags = {name: (values.long(), offsets[:-1, None].long()) for name, (values, offsets) in batch.bags.items()}
    with torch.no_grad():
        assert torch.equal(ours(batch), theirs((ids, bags), None))


def test_the_same_seed_gives_the_same_weights_and_leaves_torch_s_generator_alone() -> None:
    schema = Schema(single_hot=(Categorical(name="a.b", cardinality=50),), label="y")
    torch.manual_seed(9)
    before = torch.get_rng_state()
    first, second, different = (build_model(schema, ModelSpec(), seed=seed, device="cpu") for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(next(first.parameters()), next(different.parameters()))


@pytest.mark.parametrize("loss", ["mse", "bce"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "adagrad"])
def test_every_loss_and_optimizer_learns(loss: str, optimizer: str, planted: Split, columns: Columns) -> None:
    spec = ModelSpec(loss=loss, optimizer=optimizer, hidden=(16,))  # type: ignore[arg-type]
    model = build_model(planted.schema, spec, seed=0, device="cpu")
    torch_optimizer = build_optimizer(model.parameters(), spec)
    batch, losses = columns.slice(0, 500), []
    for _ in range(30):
        loss_value = loss_of(model(batch), batch.label, spec)
        torch_optimizer.zero_grad()
        loss_value.backward()
        torch_optimizer.step()
        losses.append(float(loss_value.detach()))
    assert losses[-1] < 0.95 * losses[0]


@pytest.mark.parametrize(("optimizer", "torch_class"), [("adam", Adam), ("sgd", SGD), ("adagrad", Adagrad)])
def test_an_optimizer_takes_the_same_steps_as_torch_s_own(
    optimizer: str, torch_class: type[Optimizer], planted: Split, columns: Columns
) -> None:
    spec, batch = ModelSpec(optimizer=optimizer, hidden=(16,)), columns.slice(0, 500)  # type: ignore[arg-type]

    def trained(build: Callable[[nn.Module], Optimizer]) -> nn.Module:
        model = build_model(planted.schema, spec, seed=0, device="cpu")
        built = build(model)
        for _ in range(5):
            built.zero_grad()
            loss_of(model(batch), batch.label, spec).backward()
            built.step()
        return model

    ours = trained(lambda model: build_optimizer(model.parameters(), spec))
    theirs = trained(lambda model: torch_class(model.parameters(), lr=spec.learning_rate))
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_an_optimizer_steps_without_importing_the_compiler() -> None:
    code = (
        "import sys, torch\n"
        "from feedrate.bench.consumer.model import build_optimizer\n"
        "from feedrate.bench.results.spec import ModelSpec\n"
        "model = torch.nn.Linear(2, 1)\n"
        "for name, fused in (('adam', False), ('adam', True), ('sgd', False), ('adagrad', False)):\n"
        "    optimizer = build_optimizer(model.parameters(), ModelSpec(optimizer=name), fused=fused)\n"
        "    optimizer.zero_grad(); model(torch.ones(1, 2)).sum().backward(); optimizer.step()\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"hidden": ()}, r"hidden is \[\], but needs at least one layer of at least 1 unit each"),
        ({"loss": "l1"}, "loss is 'l1', but must be one of mse, bce"),
        ({"optimizer": "lion"}, "optimizer is 'lion'"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"learning_rate": 0.0}, "learning_rate is 0, but must be greater than 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan, but must be finite and greater than 0"),
        ({"embedding_width": 0}, "embedding_width is 0"),
    ],
)
def test_an_invalid_model_spec_is_rejected(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        ModelSpec(**settings)  # type: ignore[arg-type]
