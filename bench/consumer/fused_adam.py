"""Adam on a few small parameters, in one launch and without torch.optim's own Python."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from feedrate.bench.consumer.lazy_adam import BETA_1, BETA_2, EPSILON


class FusedAdam:
    """torch.optim.Adam's numbers, from the kernel that it calls with fused=True; what counts its steps is on the device."""

    def __init__(self, parameters: Sequence[Tensor], learning_rate: float) -> None:
        """parameters: float32, all on one device, each with a gradient whenever step() is called."""
        self._parameters, self._learning_rate = list(parameters), learning_rate
        self._means, self._squares = ([torch.zeros_like(own) for own in parameters] for _ in range(2))
        self._steps = [torch.zeros((), device=own.device) for own in parameters]

    @torch.no_grad()
    def step(self) -> None:
        """Waits for nothing: it can be part of a CUDA graph."""
        gradients = [own.grad for own in self._parameters if own.grad is not None]
        assert len(gradients) == len(self._parameters)
        torch._foreach_add_(self._steps, 1)
        torch._fused_adam_(
            self._parameters, gradients, self._means, self._squares, [], self._steps, lr=self._learning_rate,
            beta1=BETA_1, beta2=BETA_2, weight_decay=0.0, eps=EPSILON, amsgrad=False, maximize=False,
        )  # fmt: skip
