"""The models of dlrm and sequence follow their formulas, have the sizes that these give, and learn in both steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from feedrate.bench.consumer import lazy_adam
from feedrate.bench.consumer.model import build_model
from feedrate.bench.consumer.models.attention import BagAttention, softmax_by_bag
from feedrate.bench.consumer.models.embeddings import embedding_width
from feedrate.bench.consumer.models.task_columns import require_columns
from feedrate.bench.consumer.steps import FastStep, LazyStep, make_step
from feedrate.bench.results.spec import ModelSpec, model_of
from feedrate.loaders.base import Batch, Categorical, Schema
from feedrate.loaders.errors import FeedrateError
from tests.bench.consumer.models import reference
from tests.samples.compiled_kernels import COMPILER, CompiledKernels

USER, ITEM = Categorical(name="user", cardinality=30), Categorical(name="item", cardinality=12)
SEEN, TAGS = Categorical(name="seen", cardinality=12), Categorical(name="tags", cardinality=5)
SCHEMA = Schema(single_hot=(USER, ITEM), multi_hot=(SEEN, TAGS), continuous=("price", "age"), label="y")
LENGTHS = [0, 3, 1, 0, 200, 2, 5, 0]  # empty bags at the ends, too
SPECS = {
    "dlrm": model_of("dlrm", {"hidden": (7, 5), "embedding_width": 4, "bottom": (6,)}),
    "pooled": model_of("sequence", {"hidden": (7, 5), "embedding_width": 4, "history": "pooled"}),
    "attention": model_of("sequence", {"hidden": (7, 5), "embedding_width": 4, "history": "attention"}),
}


def batch_of(schema: Schema, lengths: list[int] = LENGTHS, seed: int = 0) -> Batch:
    random = torch.Generator().manual_seed(seed)
    rows = len(lengths)
    offsets = torch.tensor([0, *lengths]).cumsum(0).int()

    def ids(column: Categorical, count: int) -> torch.Tensor:
        return torch.randint(column.cardinality, (count,), generator=random, dtype=torch.int32)

    return Batch(
        {column.name: ids(column, rows) for column in schema.single_hot},
        {column.name: (ids(column, int(offsets[-1])), offsets) for column in schema.multi_hot},
        {name: 20 * torch.randn(rows, generator=random) for name in schema.continuous},
        torch.randint(2, (rows,), generator=random).float(),
    )


def in_double(batch: Batch) -> Batch:
    return batch.map(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)


@pytest.mark.parametrize("schema", [SCHEMA, replace(SCHEMA, continuous=())], ids=["continuous", "none continuous"])
def test_dlrm_follows_the_formula(schema: Schema) -> None:
    model, batch = build_model(schema, SPECS["dlrm"], seed=3, device="cpu").double(), in_double(batch_of(schema))
    wanted = reference.dlrm(reference.weights_of(model), batch, bottom_layers=2, top_layers=2)
    np.testing.assert_allclose(model(batch).detach().numpy(), wanted, rtol=1e-10)
    assert np.ptp(wanted) > 1e-3


@pytest.mark.parametrize("history", ["pooled", "attention"])
@pytest.mark.parametrize("schema", [SCHEMA, replace(SCHEMA, continuous=())], ids=["continuous", "none continuous"])
def test_a_sequence_follows_the_formula_and_empty_histories_are_zero(history: str, schema: Schema) -> None:
    model = build_model(schema, SPECS[history], seed=3, device="cpu").double().eval()
    batch = in_double(batch_of(schema))
    wanted = reference.sequence(reference.weights_of(model), batch, "item", history == "attention", layers=2)
    np.testing.assert_allclose(model(batch).detach().numpy(), wanted, rtol=1e-10)
    assert np.ptp(wanted) > 1e-3


def test_the_target_that_is_named_is_the_one_that_is_used() -> None:
    model = build_model(SCHEMA, replace(SPECS["pooled"], target="user"), seed=3, device="cpu").double().eval()
    batch = in_double(batch_of(SCHEMA))
    outputs = [
        reference.sequence(reference.weights_of(model), batch, target, False, layers=2) for target in ("user", "item")
    ]
    np.testing.assert_allclose(model(batch).detach().numpy(), outputs[0], rtol=1e-10)
    assert not np.allclose(*outputs)


def test_the_models_have_as_many_parameters_as_the_formula_says() -> None:
    tables, width = 30 + 12 + 12 + 5, 4
    bottom, top = (2 * 6 + 6) + (6 * 4 + 4), (14 * 7 + 7) + (7 * 5 + 5) + (5 + 1)  # 4 + 5 vectors in 10 pairs
    blocks = (26 * 7 + 3 * 7) + (7 * 5 + 3 * 5) + (5 + 1) + 2 * 2  # 2 * 2 histories, 2 single-hot; BatchNorm of 2
    attention = 2 * ((12 * 36 + 36) + (36 + 1))
    counts = {
        "dlrm": tables * width + bottom + top,
        "pooled": tables * width + blocks,
        "attention": tables * width + blocks + attention,
    }
    for name, spec in SPECS.items():
        model = build_model(SCHEMA, spec, seed=0, device="cpu")
        assert sum(parameter.numel() for parameter in model.parameters()) == counts[name], name


def test_attention_of_empty_bags_has_finite_gradients_and_ignores_other_rows() -> None:
    torch.manual_seed(0)
    attend = BagAttention(3).double()
    values = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    target = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    output = attend(values, torch.tensor([0, 0, 2, 5, 5]), target)
    assert not output[[0, 3]].any()
    output[1].sum().backward()
    assert values.grad is not None
    assert target.grad is not None
    assert values.grad[:2].all()
    assert not values.grad[2:].any()
    assert target.grad.isfinite().all()
    assert not target.grad[[0, 2, 3]].any()
    nothing = attend(values[:0], torch.tensor([0, 0]), target[:1])
    assert not nothing.any()


def test_a_softmax_by_bag_survives_large_scores() -> None:
    weights = softmax_by_bag(torch.tensor([1000.0, 1000.0, -1000.0, 3.0]), torch.tensor([0, 0, 0, 2]), 3)
    assert weights.tolist() == [0.5, 0.5, 0.0, 1.0]


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "adagrad"])
@pytest.mark.parametrize("name", SPECS)
def test_both_steps_lead_to_the_same_weights(name: str, optimizer: Any) -> None:
    spec = replace(SPECS[name], optimizer=optimizer)
    models = [build_model(SCHEMA, spec, seed=1, device="cpu").double() for _ in range(2)]
    steps = [make_step(models[0], spec), make_step(models[1], replace(spec, step="fast"))]
    assert isinstance(steps[1], FastStep)
    for seed in range(10):
        batch = in_double(batch_of(SCHEMA, seed=seed))
        losses = [float(step(batch)) for step in steps]
        assert losses[0] == pytest.approx(losses[1], rel=1e-9)
    eager, fast = (model.state_dict() for model in models)
    for key, tensor in eager.items():
        torch.testing.assert_close(fast[key], tensor, rtol=1e-7, atol=1e-9)


@pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler: g++ or clang++")
@pytest.mark.parametrize("name", ["dlrm", "pooled"])
def test_the_step_of_the_graph_predicts_and_learns_what_the_eager_step_does(name: str, tmp_path: Path) -> None:
    spec = SPECS[name]
    models = [build_model(SCHEMA, spec, seed=1, device="cpu") for _ in range(2)]
    kernels = CompiledKernels(lazy_adam.kernel_source(), tmp_path, lazy_adam.KERNEL_NAMES)
    eager, lazy = make_step(models[0], spec), LazyStep(models[1], replace(spec, step="fast"), kernels)
    for seed in range(5):
        batch = batch_of(SCHEMA, seed=seed)
        assert float(lazy(batch)) == pytest.approx(float(eager(batch)), rel=1e-3)
    lazy.flush()
    models[1].eval()
    batch = batch_of(SCHEMA, seed=9)
    torch.testing.assert_close(lazy.predict(batch), models[1](batch), rtol=1e-5, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("name", SPECS)
def test_on_a_gpu_both_steps_learn_the_same(name: str) -> None:
    spec = SPECS[name]
    models = [build_model(SCHEMA, spec, seed=1, device="cuda") for _ in range(2)]
    steps = [make_step(models[0], spec), make_step(models[1], replace(spec, step="fast"))]
    for seed in range(12):  # the graph is recorded after a few
        batch = batch_of(SCHEMA, seed=seed).to("cuda")
        losses = [float(step(batch)) for step in steps]
        assert losses[1] == pytest.approx(losses[0], rel=0.02)
    for step, model in zip(steps, models, strict=True):
        step.flush()
        model.eval()
    batch = batch_of(SCHEMA, seed=99).to("cuda")
    with torch.no_grad():
        torch.testing.assert_close(steps[1].predict(batch), steps[0].predict(batch), rtol=0.05, atol=0.05)


def test_the_embedding_mlp_draws_the_same_weights_as_before_there_were_tasks() -> None:
    """Drawn here in the order that every record so far was made with: single-hot, multi-hot, blocks, output."""
    model = build_model(SCHEMA, ModelSpec(hidden=(6, 3)), seed=4, device="cpu")
    torch.manual_seed(4)
    wanted = [torch.nn.Embedding(c.cardinality, embedding_width(c.cardinality)).weight for c in SCHEMA.single_hot]
    wanted += [torch.nn.EmbeddingBag(c.cardinality, embedding_width(c.cardinality)).weight for c in SCHEMA.multi_hot]
    for sizes in ((4 * 16 + 2, 6), (6, 3), (3, 1)):
        wanted += torch.nn.Linear(*sizes).parameters()
    normal = (
        "continuous.weight",
        "continuous.bias",
        *(f"blocks.{n}.2.{k}" for n in (0, 1) for k in ("weight", "bias")),
    )
    drawn = [parameter for name, parameter in model.named_parameters() if name not in normal]
    assert len(drawn) == len(wanted)
    assert all(torch.equal(*pair) for pair in zip(drawn, wanted, strict=True))


@pytest.mark.parametrize(
    ("task", "schema", "sentence"),
    [
        ("sequence", replace(SCHEMA, multi_hot=()), "task sequence needs a history, a multi-hot column"),
        ("sequence", replace(SCHEMA, single_hot=(USER,)), "no single-hot column has as many .* --target: 'user'"),
        ("sequence", replace(SCHEMA, single_hot=()), "--target: the dataset has none"),
        ("sequence", replace(SCHEMA, single_hot=(ITEM, replace(ITEM, name="b"))), "several columns .*: 'item', 'b'"),
        ("dlrm", replace(SCHEMA, single_hot=(), multi_hot=()), "only continuous columns: use --task mlp"),
        ("dlrm", Schema(single_hot=(ITEM,), label="y"), "only one categorical column"),
    ],
)
def test_a_dataset_without_what_the_task_needs_is_refused(task: Any, schema: Schema, sentence: str) -> None:
    for refuse in (require_columns, lambda schema, spec: build_model(schema, spec, seed=0, device="cpu")):
        with pytest.raises(FeedrateError, match=sentence) as raised:
            refuse(schema, model_of(task, {}))
        assert len(str(raised.value)) <= 300


def test_every_dataset_has_what_mlp_needs_and_one_categorical_column_beside_numbers_is_enough_for_dlrm() -> None:
    require_columns(Schema(label="y"), ModelSpec())
    require_columns(Schema(single_hot=(ITEM,), continuous=("price",), label="y"), model_of("dlrm", {}))


@pytest.mark.parametrize(
    ("task", "given", "sentence"),
    [
        ("ranking", {}, "task is 'ranking', but must be one of mlp, dlrm, sequence"),
        ("mlp", {"history": "pooled"}, "history is 'pooled', but only --task sequence has it, and the task is mlp"),
        ("dlrm", {"target": "item"}, "target is 'item', but only --task sequence has it"),
        ("sequence", {"bottom": (8,)}, r"bottom is \(8,\), but only --task dlrm has it"),
        ("dlrm", {"bottom": (8, 0)}, r"bottom is \[8, 0\], but each layer needs at least 1 unit"),
        ("sequence", {"history": "last"}, "history is 'last', but must be one of pooled, attention"),
    ],
)
def test_a_setting_of_another_task_is_refused(task: Any, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(FeedrateError, match=sentence):
        model_of(task, given)


def test_a_model_without_the_settings_that_its_task_needs_is_refused() -> None:
    with pytest.raises(FeedrateError, match="embedding_width is not set, but task dlrm needs one width"):
        ModelSpec(task="dlrm")
    with pytest.raises(FeedrateError, match="history is not set"):
        ModelSpec(task="sequence", embedding_width=4)
    with pytest.raises(FeedrateError, match="target is 'shop', but must be a single-hot column: 'user', 'item'"):
        require_columns(SCHEMA, model_of("sequence", {"target": "shop"}))
