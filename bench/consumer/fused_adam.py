"""Adam for a few small parameters, in one launch and without the Python overhead of torch.optim."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from feedrate.bench.consumer.lazy_adam import BETA_1, BETA_2, EPSILON


class FusedAdam:
    """Computes the same numbers as torch.optim.Adam(fused=True), with the same kernel. Counts steps on the device."""

    def __init__(self, parameters: Sequence[Tensor], learning_rate: float) -> None:
        """Keep the parameters and allocate their moments.

        parameters: float32 tensors on one device. Each must have a gradient whenever step() is called.
        """
        self._parameters, self._learning_rate = list(parameters), learning_rate
        self._means, self._squares = ([torch.zeros_like(parameter) for parameter in parameters] for _ in range(2))
        self._steps = [torch.zeros((), device=parameter.device) for parameter in parameters]

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter. Never waits for the device, so it can be part of a CUDA graph."""
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        assert len(gradients) == len(self._parameters)
        torch._foreach_add_(self._steps, 1)
        torch._fused_adam_(
            self._parameters, gradients, self._means, self._squares, [], self._steps, lr=self._learning_rate,
            beta1=BETA_1, beta2=BETA_2, weight_decay=0.0, eps=EPSILON, amsgrad=False, maximize=False,
        )  # fmt: skip
