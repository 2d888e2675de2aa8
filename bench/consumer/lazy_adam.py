"""Adam on embedding tables that touches only the rows of a batch, and still is Adam on all of them.

Dense Adam changes every row in every step: without a gradient a row's moments decay and it moves on by what they say. What such
steps do to a row depends on nothing but the row, so they can wait: each row remembers the step it is at, and takes the steps it
has missed, one after the other in registers, when a batch needs it next (or `flush` asks). The numbers are those of
torch.optim.Adam but for the last bit; a step's memory traffic is that of the batch's rows, not of the whole table.

Formulas: Kingma, Ba 2015, "Adam: a method for stochastic optimization", algorithm 1, as torch.optim.Adam orders them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from feedrate.bench.results.spec import ModelSpec
from feedrate.loaders.packed.resident import Kernels

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
"""torch.optim.Adam's defaults, which the other parameters have, too."""
CORRECTED = 1 << 15
"""Steps whose bias corrections are kept: later ones are 1 in float32."""
THREADS = 1 << 19
"""Of a launch, at most; each then does more than one element."""

SOURCE = r"""
typedef unsigned int u32;
#define EACH(i, n) (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += gridDim.x * blockDim.x)

// Steps first..last without a gradient.
static __device__ __forceinline__ void decay(float& w, float& m, float& v, int first, int last, const float2* rates) {
    for (int k = first; k <= last; ++k) {
        float2 rate = rates[k < CORRECTED ? k : CORRECTED - 1];
        m *= BETA_1;
        v *= BETA_2;
        w -= rate.x * m / (sqrtf(v) * rate.y + EPSILON);
    }
}

// Each different id of the batch, once. end: where the number of ids is, or null for all `most`.
extern "C" __global__ void claim(const int* ids, const int* end, u32 most, const int* step, int* claimed, int* rows, int* count) {
    u32 n = end ? (u32)*end : most;
    for EACH(i, n) {
        int id = ids[i];
        if (claimed[id] != *step && atomicExch(&claimed[id], *step) != *step) rows[atomicAdd(count, 1)] = id;
    }
}

extern "C" __global__ void catch_up(const int* rows, const int* count, u32 width, const int* step, const int* last,
    const float2* rates, float* weight, float* mean, float* square) {
    for EACH(i, *count * width) {
        int row = rows[i / width], from = last[row];
        if (from == 0 || from + 1 >= *step) continue;
        size_t at = (size_t)row * width + i % width;
        float w = weight[at], m = mean[at], v = square[at];
        decay(w, m, v, from + 1, *step - 1, rates);
        weight[at] = w; mean[at] = m; square[at] = v;
    }
}

extern "C" __global__ void flush(u32 rows, u32 width, const int* step, const int* last, const float2* rates,
    float* weight, float* mean, float* square) {
    u32 lines = rows * (size_t)width < 0xf0000000u ? 1 : width;  // elements are numbered in 32 bits where that reaches
    for EACH(i, (u32)(rows * (size_t)width / lines))
        for (u32 k = 0; k < lines; ++k) {
            size_t at = (size_t)i * lines + k;
            int from = last[at / width];
            if (from == 0 || from >= *step) break;
            float w = weight[at], m = mean[at], v = square[at];
            decay(w, m, v, from + 1, *step, rates);
            weight[at] = w; mean[at] = m; square[at] = v;
        }
}

// out[i, at:at + width]: the sum of the rows of bag i, or row ids[i] where there are no offsets.
extern "C" __global__ void gather(const int* ids, const int* offsets, u32 bags, u32 width, const float* weight, float* out,
    u32 stride, u32 at) {
    for EACH(i, bags * width) {
        u32 bag = i / width, column = i % width;
        int begin = offsets ? offsets[bag] : (int)bag, end = offsets ? offsets[bag + 1] : begin + 1;
        float sum = 0.0f;
        for (int k = begin; k < end; ++k) sum += weight[(size_t)ids[k] * width + column];
        out[(size_t)bag * stride + at + column] = sum;
    }
}

extern "C" __global__ void scatter(const int* ids, const int* offsets, u32 bags, u32 width, float* gradient, const float* out,
    u32 stride, u32 at) {
    for EACH(i, bags * width) {
        u32 bag = i / width, column = i % width;
        int begin = offsets ? offsets[bag] : (int)bag, end = offsets ? offsets[bag + 1] : begin + 1;
        float own = out[(size_t)bag * stride + at + column];
        for (int k = begin; k < end; ++k) atomicAdd(&gradient[(size_t)ids[k] * width + column], own);
    }
}

// Step `step` of the batch's rows; their gradients are zero again.
extern "C" __global__ void adam(const int* rows, const int* count, u32 width, const int* step, int* last, const float2* rates,
    float* weight, float* mean, float* square, float* gradient) {
    float2 rate = rates[*step < CORRECTED ? *step : CORRECTED - 1];
    for EACH(i, *count * width) {
        int row = rows[i / width];
        size_t at = (size_t)row * width + i % width;
        float g = gradient[at], m = mean[at], v = square[at];
        m += (1.0f - BETA_1) * (g - m);
        v = v * BETA_2 + (1.0f - BETA_2) * g * g;
        weight[at] -= rate.x * m / (sqrtf(v) * rate.y + EPSILON);
        mean[at] = m; square[at] = v; gradient[at] = 0.0f;
        if (i % width == 0) last[row] = *step;
    }
}
"""
NAMES = ("claim", "catch_up", "flush", "gather", "scatter", "adam")


def source() -> str:
    constants = {"BETA_1": f"{BETA_1}f", "BETA_2": f"{BETA_2}f", "EPSILON": f"{EPSILON}f", "CORRECTED": str(CORRECTED)}
    return "".join(f"#define {name} {value}\n" for name, value in constants.items()) + SOURCE


def rates(learning_rate: float) -> Tensor:
    """For each step (learning rate / bias correction of the mean, 1 / sqrt(bias correction of the square)): float32 [CORRECTED, 2]."""
    step = np.arange(CORRECTED, dtype=np.float64)
    step[0] = 1  # there is no step 0
    found = np.stack([learning_rate / (1 - BETA_1**step), 1 / np.sqrt(1 - BETA_2**step)], 1)
    return torch.from_numpy(found.astype(np.float32))


class LazyTable:
    """One table, its moments and its gradient: float32 [C, D], on the weight's device."""

    def __init__(self, weight: Tensor, kernels: Kernels, step: Tensor, rates: Tensor) -> None:
        """step: int32 [1], the number of the step under way; from 1 on. rates: see above."""
        self.weight, self._kernels, self._step, self._rates = weight.detach(), kernels, step, rates
        self.width = weight.shape[1]
        self._mean, self._square, self._gradient = (torch.zeros_like(self.weight) for _ in range(3))
        self._last, self._claimed = (
            torch.zeros(len(weight), dtype=torch.int32, device=weight.device) for _ in range(2)
        )
        self._rows = torch.empty(len(weight), dtype=torch.int32, device=weight.device)
        self._count = torch.zeros(1, dtype=torch.int32, device=weight.device)
        self.touched = torch.zeros(1, dtype=torch.int64, device=weight.device)
        """Rows, over all steps."""

    def begin(self, ids: Tensor, offsets: Tensor | None) -> None:
        """Bring the batch's rows up to the step before."""
        self._count.zero_()
        end = 0 if offsets is None else offsets[-1:].data_ptr()
        touched = self._rows.data_ptr(), self._count.data_ptr()
        self._launch(
            "claim",
            len(ids),
            ids.data_ptr(),
            end,
            _u32(len(ids)),
            self._step.data_ptr(),
            self._claimed.data_ptr(),
            *touched,
        )
        self._launch(
            "catch_up", min(len(ids), len(self.weight)) * self.width, *touched, *self._state(), *self._moments()
        )
        self.touched.add_(self._count)

    def gather(self, ids: Tensor, offsets: Tensor | None, out: Tensor, at: int) -> None:
        """Write out[:, at : at + width]; out: float32 [B, columns]."""
        self._launch("gather", len(out) * self.width, *self._batch(ids, offsets, self.weight, out, at))

    def scatter(self, ids: Tensor, offsets: Tensor | None, out: Tensor, at: int) -> None:
        """Add the gradient of what `gather` wrote."""
        self._launch("scatter", len(out) * self.width, *self._batch(ids, offsets, self._gradient, out, at))

    def apply(self, ids: Tensor) -> None:
        """The step under way, for the rows of the batch that begin() was given."""
        touched = self._rows.data_ptr(), self._count.data_ptr()
        elements = min(len(ids), len(self.weight)) * self.width
        self._launch("adam", elements, *touched, *self._state(), *self._moments(), self._gradient.data_ptr())

    def flush(self) -> None:
        """Bring all rows up to the last step."""
        self._launch("flush", self.weight.numel(), _u32(len(self.weight)), *self._state(), *self._moments())
        torch.where(self._last > 0, self._step, self._last, out=self._last)

    def _launch(self, name: str, threads: int, *arguments: Any) -> None:
        self._kernels.launch(name, min(threads, THREADS), arguments)

    def _state(self) -> tuple[Any, ...]:
        return _u32(self.width), self._step.data_ptr(), self._last.data_ptr(), self._rates.data_ptr()

    def _moments(self) -> list[int]:
        return [tensor.data_ptr() for tensor in (self.weight, self._mean, self._square)]

    def _batch(self, ids: Tensor, offsets: Tensor | None, table: Tensor, out: Tensor, at: int) -> tuple[Any, ...]:
        bags = 0 if offsets is None else offsets.data_ptr()
        numbers = _u32(out.stride(0)), _u32(at)
        return ids.data_ptr(), bags, _u32(len(out)), _u32(self.width), table.data_ptr(), out.data_ptr(), *numbers


class LazyTables:
    """All tables of a model, side by side in one input [B, sum of widths]."""

    def __init__(self, weights: list[Tensor], spec: ModelSpec, kernels: Kernels) -> None:
        device = weights[0].device
        self._step = torch.zeros(1, dtype=torch.int32, device=device)
        own = rates(spec.learning_rate).to(device)
        self._tables = [LazyTable(weight, kernels, self._step, own) for weight in weights]
        self._anchor = torch.zeros(1, device=device, requires_grad=True)
        """What makes autograd come back to the tables."""

    def __call__(self, columns: list[tuple[Tensor, Tensor | None]]) -> Tensor:
        """Begin a step. columns: for each table (ids or values, offsets of bags), int32."""
        self._step.add_(1)
        for table, column in zip(self._tables, columns, strict=True):
            table.begin(*column)
        rows: Tensor = _Embedded.apply(self._anchor, self, columns)  # type: ignore[no-untyped-call]
        return rows

    def apply(self, columns: list[tuple[Tensor, Tensor | None]]) -> None:
        """After the backward pass."""
        for table, (ids, _) in zip(self._tables, columns, strict=True):
            table.apply(ids)

    def flush(self) -> None:
        for table in self._tables:
            table.flush()

    def touched_bytes(self) -> float:
        """Of weights, in the mean of all steps. Waits for the device."""
        total = sum(int(table.touched) * table.width * table.weight.element_size() for table in self._tables)
        return total / max(int(self._step), 1)

    def gather(self, columns: list[tuple[Tensor, Tensor | None]]) -> Tensor:
        ids, offsets = columns[0]
        rows = len(ids) if offsets is None else len(offsets) - 1
        out = torch.empty(rows, sum(table.width for table in self._tables), device=ids.device)
        at = 0
        for table, column in zip(self._tables, columns, strict=True):
            table.gather(*column, out, at)
            at += table.width
        return out

    def scatter(self, columns: list[tuple[Tensor, Tensor | None]], gradient: Tensor) -> None:
        at = 0
        for table, column in zip(self._tables, columns, strict=True):
            table.scatter(*column, gradient, at)
            at += table.width


class _Embedded(torch.autograd.Function):
    """The tables' rows, whose backward adds to the tables' own gradients."""

    @staticmethod
    def forward(ctx: Any, _anchor: Tensor, tables: LazyTables, columns: list[tuple[Tensor, Tensor | None]]) -> Tensor:
        ctx.tables, ctx.columns = tables, columns
        return tables.gather(columns)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, None]:
        ctx.tables.scatter(ctx.columns, gradients[0].contiguous())
        return None, None, None


def _u32(number: int) -> np.uint32:
    return np.uint32(number)
