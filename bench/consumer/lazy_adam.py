"""Adam for embedding tables that touches only a batch's rows, yet matches dense Adam on the whole table.

Dense Adam changes every row in every step: without a gradient, a row's moments decay and still move its weights.
Such a step depends on nothing but the row, so it can be postponed. Each row remembers its last step. It takes the
steps it has missed, one after another in registers, when a batch next needs it or `flush` is called. The numbers equal
those of torch.optim.Adam except for the last bit. A step's memory traffic covers the batch's rows, not the whole table.

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
"""Defaults of torch.optim.Adam. The parameters outside the tables use them too."""
CORRECTED_STEPS = 1 << 15
"""Number of steps whose bias corrections are stored. Later corrections are 1 in float32."""
MAX_THREADS = 1 << 19
"""Maximum number of threads in a launch. With more elements than threads, each thread handles several elements."""

SOURCE = r"""
typedef unsigned int u32;
#define EACH(i, n) (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += gridDim.x * blockDim.x)

// Take steps first..last without a gradient.
static __device__ __forceinline__ void decay(float& w, float& m, float& v, int first, int last, const float2* rates) {
    for (int k = first; k <= last; ++k) {
        float2 rate = rates[k < CORRECTED_STEPS ? k : CORRECTED_STEPS - 1];
        m *= BETA_1;
        v *= BETA_2;
        w -= rate.x * m / (sqrtf(v) * rate.y + EPSILON);
    }
}

// List each distinct id of the batch once. end: pointer to the number of ids, or null if there are exactly `most`.
extern "C" __global__ void claim(const int* ids, const int* end, u32 most, const int* step, int* claimed, int* rows, int* count) {
    u32 n = end ? (u32)*end : most;
    for EACH(i, n) {
        int id = ids[i];
        if (claimed[id] != *step && atomicExch(&claimed[id], *step) != *step) rows[atomicAdd(count, 1)] = id;
    }
}

// Take the steps that the listed rows have missed, up to the step before the current one.
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

// Bring every row of the table up to the current step.
extern "C" __global__ void flush(u32 rows, u32 width, const int* step, const int* last, const float2* rates,
    float* weight, float* mean, float* square) {
    u32 lines = rows * (size_t)width < 0xf0000000u ? 1 : width;  // index by element if 32 bits suffice, else by row
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

// Write to out[i, at:at + width] the sum of the rows of bag i, or row ids[i] if there are no offsets.
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

// Add the gradient of what `gather` wrote to the rows it read.
extern "C" __global__ void scatter(const int* ids, const int* offsets, u32 bags, u32 width, float* gradient, const float* out,
    u32 stride, u32 at) {
    for EACH(i, bags * width) {
        u32 bag = i / width, column = i % width;
        int begin = offsets ? offsets[bag] : (int)bag, end = offsets ? offsets[bag + 1] : begin + 1;
        float slope = out[(size_t)bag * stride + at + column];
        for (int k = begin; k < end; ++k) atomicAdd(&gradient[(size_t)ids[k] * width + column], slope);
    }
}

// Take step `step` for the batch's rows and reset their gradients to zero.
extern "C" __global__ void adam(const int* rows, const int* count, u32 width, const int* step, int* last, const float2* rates,
    float* weight, float* mean, float* square, float* gradient) {
    float2 rate = rates[*step < CORRECTED_STEPS ? *step : CORRECTED_STEPS - 1];
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
KERNEL_NAMES = ("claim", "catch_up", "flush", "gather", "scatter", "adam")


def kernel_source() -> str:
    """Return the CUDA source of the kernels, with the constants of this module defined."""
    constants = {
        "BETA_1": f"{BETA_1}f",
        "BETA_2": f"{BETA_2}f",
        "EPSILON": f"{EPSILON}f",
        "CORRECTED_STEPS": str(CORRECTED_STEPS),
    }
    return "".join(f"#define {name} {value}\n" for name, value in constants.items()) + SOURCE


def rates(learning_rate: float) -> Tensor:
    """Return the bias-corrected rates of every step as a float32 tensor of shape [CORRECTED_STEPS, 2].

    Each row holds (learning rate / bias correction of the mean, 1 / sqrt(bias correction of the square)).
    """
    steps = np.arange(CORRECTED_STEPS, dtype=np.float64)
    steps[0] = 1  # there is no step 0
    table = np.stack([learning_rate / (1 - BETA_1**steps), 1 / np.sqrt(1 - BETA_2**steps)], 1)
    return torch.from_numpy(table.astype(np.float32))


class LazyTable:
    """One embedding table with its moments and its gradient. All are float32 [C, D] on the weight's device."""

    def __init__(self, weight: Tensor, kernels: Kernels, step: Tensor, rates: Tensor) -> None:
        """Allocate the state of the table.

        weight: float32 [C, D], updated in place.
        step: int32 [1], the number of the current step, counted from 1.
        rates: the result of rates(), on the weight's device.
        """
        self.weight, self._kernels, self._step, self._rates = weight.detach(), kernels, step, rates
        self.width = weight.shape[1]
        self._mean, self._square, self._gradient = (torch.zeros_like(self.weight) for _ in range(3))
        self._last, self._claimed = (
            torch.zeros(len(weight), dtype=torch.int32, device=weight.device) for _ in range(2)
        )
        self._rows = torch.empty(len(weight), dtype=torch.int32, device=weight.device)
        self._count = torch.zeros(1, dtype=torch.int32, device=weight.device)
        self.touched = torch.zeros(1, dtype=torch.int64, device=weight.device)
        """Number of rows touched, summed over all steps: int64 [1]."""

    def begin(self, ids: Tensor, offsets: Tensor | None) -> None:
        """Bring the batch's rows up to the previous step.

        ids: int32 ids, or the values of bags. offsets: int32 [B + 1] for bags, None for a single-hot column.
        """
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
        """Write each row's embedding, or its bag's sum, to out[:, at : at + width]. out is float32 [B, total width]."""
        self._launch("gather", len(out) * self.width, *self._batch(ids, offsets, self.weight, out, at))

    def scatter(self, ids: Tensor, offsets: Tensor | None, out: Tensor, at: int) -> None:
        """Add to the table's gradient. out is the gradient of the tensor that `gather` wrote to, in the same layout."""
        self._launch("scatter", len(out) * self.width, *self._batch(ids, offsets, self._gradient, out, at))

    def apply(self, ids: Tensor) -> None:
        """Take the current step for the rows of the batch that was passed to begin()."""
        touched = self._rows.data_ptr(), self._count.data_ptr()
        elements = min(len(ids), len(self.weight)) * self.width
        self._launch("adam", elements, *touched, *self._state(), *self._moments(), self._gradient.data_ptr())

    def flush(self) -> None:
        """Bring every row up to the current step."""
        self._launch("flush", self.weight.numel(), _u32(len(self.weight)), *self._state(), *self._moments())
        torch.where(self._last > 0, self._step, self._last, out=self._last)

    def _launch(self, name: str, threads: int, *arguments: Any) -> None:
        self._kernels.launch(name, min(threads, MAX_THREADS), arguments)

    def _state(self) -> tuple[Any, ...]:
        return _u32(self.width), self._step.data_ptr(), self._last.data_ptr(), self._rates.data_ptr()

    def _moments(self) -> list[int]:
        return [tensor.data_ptr() for tensor in (self.weight, self._mean, self._square)]

    def _batch(self, ids: Tensor, offsets: Tensor | None, table: Tensor, out: Tensor, at: int) -> tuple[Any, ...]:
        offsets_pointer = 0 if offsets is None else offsets.data_ptr()
        sizes = _u32(len(out)), _u32(self.width)
        place = _u32(out.stride(0)), _u32(at)
        return ids.data_ptr(), offsets_pointer, *sizes, table.data_ptr(), out.data_ptr(), *place


class LazyTables:
    """All embedding tables of a model, whose outputs lie side by side in one tensor [B, sum of widths]."""

    def __init__(self, weights: list[Tensor], spec: ModelSpec, kernels: Kernels) -> None:
        device = weights[0].device
        self._step = torch.zeros(1, dtype=torch.int32, device=device)
        step_rates = rates(spec.learning_rate).to(device)
        self._tables = [LazyTable(weight, kernels, self._step, step_rates) for weight in weights]
        self._anchor = torch.zeros(1, device=device, requires_grad=True)
        """An input that requires a gradient, so that autograd calls the backward pass of the tables."""

    def __call__(self, columns: list[tuple[Tensor, Tensor | None]]) -> Tensor:
        """Begin a step and return the embedded batch, float32 [B, sum of widths].

        columns: for each table, int32 ids and None, or the int32 values and offsets of its bags.
        """
        self._step.add_(1)
        for table, column in zip(self._tables, columns, strict=True):
            table.begin(*column)
        rows: Tensor = _Embedded.apply(self._anchor, self, columns)  # type: ignore[no-untyped-call]
        return rows

    def apply(self, columns: list[tuple[Tensor, Tensor | None]]) -> None:
        """Take the current step for the batch's rows. Call it after the backward pass."""
        for table, (ids, _) in zip(self._tables, columns, strict=True):
            table.apply(ids)

    def flush(self) -> None:
        """Bring every row of every table up to the current step."""
        for table in self._tables:
            table.flush()

    def touched_bytes(self) -> float:
        """Return the mean number of weight bytes touched per step. Waits for the device."""
        total = sum(int(table.touched) * table.width * table.weight.element_size() for table in self._tables)
        return total / max(int(self._step), 1)

    def gather(self, columns: list[tuple[Tensor, Tensor | None]]) -> Tensor:
        """Return the embedded batch, float32 [B, sum of widths], without beginning a step."""
        ids, offsets = columns[0]
        rows = len(ids) if offsets is None else len(offsets) - 1
        out = torch.empty(rows, sum(table.width for table in self._tables), device=ids.device)
        at = 0
        for table, column in zip(self._tables, columns, strict=True):
            table.gather(*column, out, at)
            at += table.width
        return out

    def scatter(self, columns: list[tuple[Tensor, Tensor | None]], gradient: Tensor) -> None:
        """Add the gradient [B, sum of widths] of the embedded batch to the gradients of the tables."""
        at = 0
        for table, column in zip(self._tables, columns, strict=True):
            table.scatter(*column, gradient, at)
            at += table.width


class _Embedded(torch.autograd.Function):
    """Looks up rows of the tables. Its backward pass adds to the tables' own gradients."""

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
