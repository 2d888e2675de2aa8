"""A batch's ids and bags as TorchRec's KeyedJaggedTensor, for EmbeddingBagCollection and its kin.

TorchRec is no dependency of feedrate. Its release must fit torch's: TorchRec and FBGEMM 1.8 belong to torch 2.13.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from feedrate.loaders.error_text import one_line
from feedrate.loaders.errors import LoaderUnavailable

if TYPE_CHECKING:
    from torchrec.sparse.jagged_tensor import KeyedJaggedTensor

    from feedrate.loaders.batch.batch import Batch

WAY_OUT = "pip install torchrec and fbgemm-gpu (or fbgemm-gpu-cpu) of the releases that belong to your torch"


def keyed_jagged(batch: Batch) -> KeyedJaggedTensor:
    """Return the ids and bags, in this order, as a KeyedJaggedTensor of stride B. A row of ids is a bag of one id.

    Values and lengths are new memory on the batch's device: int32, or int64 if a column is int64. Continuous columns
    and the label are not in it. Raises LoaderUnavailable without TorchRec.
    """
    try:
        from torchrec.sparse.jagged_tensor import KeyedJaggedTensor
    except (ImportError, OSError) as error:  # FBGEMM raises OSError if it was built for another torch
        cause = one_line(f"{type(error).__name__}: {error}", 120)
        raise LoaderUnavailable(
            f"keyed_jagged() needs TorchRec, which cannot be imported ({cause}): {WAY_OUT}"
        ) from error
    ones = torch.ones(batch.rows, dtype=torch.int32, device=batch.label.device)
    values = [*batch.ids.values(), *(values for values, _offsets in batch.bags.values())]
    lengths = [*(ones for _ in batch.ids), *(offsets.diff() for _values, offsets in batch.bags.values())]
    return KeyedJaggedTensor(
        keys=[*batch.ids, *batch.bags],
        values=_joined(values, batch),
        lengths=_joined(lengths, batch),
        stride=batch.rows,
        length_per_key=[len(column) for column in values],  # TorchRec would ask the device for it
    )


def _joined(parts: list[torch.Tensor], batch: Batch) -> torch.Tensor:
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.int32, device=batch.label.device)
