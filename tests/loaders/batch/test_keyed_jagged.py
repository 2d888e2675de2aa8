"""A batch as TorchRec's KeyedJaggedTensor."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest
import torch

from feedrate.loaders.base import Batch
from feedrate.loaders.errors import LoaderUnavailable

needs_torchrec = pytest.mark.skipif(
    find_spec("torchrec") is None,
    reason="needs TorchRec: pip install torchrec==1.8.0 fbgemm-gpu==1.8.0, and without CUDA fbgemm-gpu-cpu in its place",
)


def _batch(dtype: torch.dtype = torch.int32) -> Batch:
    ids = {"user": torch.tensor([3, 1, 0], dtype=torch.int32), "item": torch.tensor([2, 2, 4], dtype=dtype)}
    tags = torch.tensor([5, 6, 1], dtype=torch.int32), torch.tensor([0, 2, 2, 3], dtype=torch.int32)
    return Batch(ids, {"tags": tags}, {"age": torch.zeros(3)}, torch.zeros(3))


def test_without_torchrec_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torchrec", "torchrec.sparse", "torchrec.sparse.jagged_tensor"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(LoaderUnavailable, match="needs TorchRec, which cannot be imported .*: pip install torchrec"):
        _batch().keyed_jagged()


@needs_torchrec
def test_ids_and_bags_are_its_keys_and_continuous_columns_are_not() -> None:
    features = _batch().keyed_jagged()
    assert features.keys() == ["user", "item", "tags"]
    assert features.stride() == 3
    rows = {name: [row.tolist() for row in column.to_dense()] for name, column in features.to_dict().items()}
    assert rows == {"user": [[3], [1], [0]], "item": [[2], [2], [4]], "tags": [[5, 6], [], [1]]}


@needs_torchrec
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_one_wide_column_makes_all_of_them_wide(dtype: torch.dtype) -> None:
    assert _batch(dtype).keyed_jagged().values().dtype == dtype


@needs_torchrec
def test_a_batch_without_ids_and_bags_has_no_keys() -> None:
    features = Batch({}, {}, {"age": torch.zeros(3)}, torch.zeros(3)).keyed_jagged()
    assert features.keys() == []
    assert len(features.values()) == 0


@needs_torchrec
def test_torchrec_s_embeddings_are_those_of_torch() -> None:
    from torchrec import EmbeddingBagCollection, EmbeddingBagConfig

    batch = _batch(torch.int64)
    tables = [
        EmbeddingBagConfig(name=name, embedding_dim=4, num_embeddings=8, feature_names=[name])
        for name in ("user", "item", "tags")
    ]
    collection = EmbeddingBagCollection(tables=tables)
    pooled = collection(batch.keyed_jagged()).to_dict()
    weights = {name: bag.weight for name, bag in collection.embedding_bags.items()}
    for name, ids in batch.ids.items():
        assert torch.equal(pooled[name], weights[name][ids])
    values, offsets = batch.bags["tags"]
    summed = torch.nn.functional.embedding_bag(values, weights["tags"], offsets, mode="sum", include_last_offset=True)
    assert torch.equal(pooled["tags"], summed)
