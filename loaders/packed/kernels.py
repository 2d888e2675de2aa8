"""CUDA C source of the CuPy batcher: a permutation that is computed, not stored, and gathers of whole packed rows.

The source is generated for one layout and compiled once. A C++ compiler with a few macros understands all of it, so the
tests run it on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from feedrate.loaders.packed.packing import Inline, Layout, Pointed

ROUNDS = 8
"""Rounds of the permutation's Feistel network. Tests compare its orders with an ideal shuffle."""
THREADS = 256
"""Threads per block."""
_TYPES = {"|u1": "unsigned char", "<u2": "unsigned short", "<i4": "int", "<f4": "float"}

PERMUTE = r"""
typedef unsigned int u32;
typedef unsigned char u8;
typedef unsigned short u16;
typedef long long i64;

struct Order { u32 rows, a, b, keys[ROUNDS]; };

static __device__ __forceinline__ u32 mix(u32 x, u32 key) {
    x ^= key; x *= 0x85ebca6bu; x ^= x >> 15; x *= 0xc2b2ae35u; x ^= x >> 13; x *= 0x9e3779b1u; return x ^ (x >> 16);
}

// A generalised Feistel network on a x b >= rows (Black and Rogaway 2002, "Ciphers with arbitrary finite domains").
// A result past the last row is permuted again until it lies within the rows.
static __device__ __forceinline__ u32 permuted(u32 x, const Order& order) {
    if (order.a == 0) return x;
    do {
        u32 left = x / order.b, right = x - left * order.b;
        for (int round = 0; round < ROUNDS; round += 2) {
            left += __umulhi(mix(right, order.keys[round]), order.a);
            if (left >= order.a) left -= order.a;
            right += __umulhi(mix(left, order.keys[round + 1]), order.b);
            if (right >= order.b) right -= order.b;
        }
        x = left * order.b + right;
    } while (x >= order.rows);
    return x;
}
"""


def order_words(rows: int, *, shuffle: bool, seed: int, epoch: int) -> np.ndarray:
    """Return the members of struct Order as uint32 [3 + ROUNDS]: rows, a, b and the keys of the rounds.

    a is 0 if the order is file order. rows must be less than 2^31.
    """
    a = math.isqrt(max(rows - 1, 0)) + 1 if shuffle else 0
    b = -(-rows // a) if a else 1
    keys = np.random.SeedSequence((seed, epoch)).generate_state(ROUNDS)
    return np.concatenate([np.array([rows, a, max(b, 1)], np.uint32), keys.astype(np.uint32)])


def positions(words: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Compute in NumPy what the kernels' `permuted` returns for each place in `index`.

    words: from order_words(). The result is int64 and has the shape of `index`.
    """
    rows, a, b, *keys = (np.uint64(word) for word in words)
    if not a:
        return index.astype(np.int64)
    result = index.astype(np.uint64)
    pending = np.ones(result.shape, bool)
    while pending.any():
        x = result[pending]
        left, right = x // b, x % b
        for first, second in zip(keys[::2], keys[1::2], strict=True):
            left = (left + (_mix(right, first) * a >> np.uint64(32))) % a
            right = (right + (_mix(left, second) * b >> np.uint64(32))) % b
        result[pending] = left * b + right
        pending = result >= rows
    return result.astype(np.int64)


def _mix(x: np.ndarray, key: np.uint64) -> np.ndarray:
    low = np.uint64(0xFFFFFFFF)
    x = x ^ key
    for factor, shift in ((0x85EBCA6B, 15), (0xC2B2AE35, 13), (0x9E3779B1, 16)):
        x = (x * np.uint64(factor)) & low
        x = x ^ (x >> np.uint64(shift))
    return x


def source(layout: Layout) -> str:
    """Return the source of the kernels `lengths`, `rows` and `pointed` for this layout."""
    return "\n".join([PERMUTE.replace("ROUNDS", str(ROUNDS)), _lengths(layout), _rows(layout), _POINTED])


def window_source(flat: int, bags: int) -> str:
    """Return the source of the kernels `window_lengths`, `window_rows` and `pointed`.

    They read rows as decoded, in parts: rows that are used only once are not worth packing.

    flat: number of columns with one value of 4 bytes per row. bags: number of bag columns.

    The kernels take the parts as a table of int64 with one line per part. A line holds the part's first row (counted
    over all parts), the addresses of its flat columns, and for each bag column the addresses of its offsets and values.
    """
    permute = PERMUTE.replace("ROUNDS", str(ROUNDS))
    part = _PART.replace("WIDTH", str(part_words(flat, bags)))
    return "\n".join([permute, part, _window_lengths(flat, bags), _window_rows(flat, bags), _POINTED])


def part_words(flat: int, bags: int) -> int:
    """Return the int64 words in one line of the table of parts. See window_source()."""
    return 1 + flat + 2 * bags


_PART = r"""
// Returns the part that holds this row. Sets local_row to the row's number within that part.
static __device__ __forceinline__ const i64* part_of(const i64* parts, u32 count, u32 row, u32& local_row) {
    u32 low = 0, high = count;
    while (high - low > 1) {
        u32 middle = (low + high) / 2;
        if (parts[(size_t)middle * WIDTH] <= row) low = middle; else high = middle;
    }
    const i64* part = parts + (size_t)low * WIDTH;
    local_row = row - (u32)part[0];
    return part;
}
"""


def _window_lengths(flat: int, bags: int) -> str:
    parameters = ", const i64* parts, u32 parts_count" + "".join(f", int* taken_{bag}" for bag in range(bags))
    body = ["u32 local_row;", "const i64* part = part_of(parts, parts_count, row, local_row);"]
    for bag in range(bags):
        body.append(f"const int* offsets_{bag} = (const int*)part[{1 + flat + 2 * bag}] + local_row;")
        body.append(f"taken_{bag}[i + 1] = offsets_{bag}[1] - offsets_{bag}[0];")
        body.append(f"if (i == 0) taken_{bag}[0] = 0;")
    return _order_kernel("window_lengths", parameters, "\n    ".join(body))


def _window_rows(flat: int, bags: int) -> str:
    parameters = [f", u32* flat_{place}" for place in range(flat)]
    body = [f"flat_{place}[i] = ((const u32*)part[{1 + place}])[local_row];" for place in range(flat)]
    for bag in range(bags):
        parameters.append(f", const int* taken_{bag}, int* own_{bag}, i64* starts_{bag}, int* bounds_{bag}")
        at = 1 + flat + 2 * bag  # a start counts int32 values from address 0
        body.append(f"starts_{bag}[i] = part[{at + 1}] / 4 + ((const int*)part[{at}])[local_row];")
        body.append(_batch_offsets(f"taken_{bag}", f"own_{bag}"))
        body.append(f"if (i == begin) bounds_{bag}[number] = taken_{bag}[i];")
        body.append(f"if (i + 1 == count) bounds_{bag}[number + 1] = taken_{bag}[count];")
    return f"""
extern "C" __global__ void window_rows(const u32* order, u32 count, u32 batch, const i64* parts, u32 parts_count{"".join(parameters)}) {{
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    u32 local_row, number = i / batch, begin = number * batch;
    const i64* part = part_of(parts, parts_count, order[i], local_row);
    bool last = i + 1 == count || i + 1 == begin + batch;
    {"".join(body)}
}}"""


def _batch_offsets(taken: str, out: str) -> str:
    """Write each batch's offsets, which begin at 0."""
    return f"""
        int base_{taken} = {taken}[begin];
        {out}[i + number] = {taken}[i] - base_{taken};
        if (last) {out}[i + number + 1] = {taken}[i + 1] - base_{taken};
"""


def _lengths(layout: Layout) -> str:
    """Write the i-th row's number to out[i], and the lengths of its bags at i + 1, ready for a cumulative sum."""
    bags = range(len(layout.bags))
    parameters = "".join(f", const {_length_type(layout, bag)}* lengths_{bag}, int* taken_{bag}" for bag in bags)
    body = "\n    ".join(f"taken_{bag}[i + 1] = lengths_{bag}[row];" for bag in bags)
    return _order_kernel("lengths", parameters, body)


def _order_kernel(name: str, parameters: str, body: str) -> str:
    """Write the i-th row's number to out[i], then run `body`, which may use `i` and `row`."""
    names = ", ".join(f"key_{place}" for place in range(ROUNDS))
    keys = ", ".join(f"u32 key_{place}" for place in range(ROUNDS))
    return f"""
extern "C" __global__ void {name}(u32 rows, u32 a, u32 b, {keys}, u32 first, u32 step, u32 count, u32* __restrict__ out{parameters}) {{
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    Order order = {{rows, a, b, {{{names}}}}};
    u32 row = permuted(first + i * step, order);
    out[i] = row;
    {body}
}}"""


def _length_type(layout: Layout, bag: int) -> str:
    return "u8" if layout.bags[bag] in layout.inline_names else "int"


def _rows(layout: Layout) -> str:
    """Write all columns in the epoch's order, and each batch's offsets from 0.

    Each packed row is read once.
    """
    return f"""
extern "C" __global__ void rows(const uint4* __restrict__ packed, const u32* __restrict__ order, u32 count, u32 batch
    {"".join(_row_parameters(layout))}) {{
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    union {{ uint4 line[{layout.row_bytes // 16}]; u8 byte[{layout.row_bytes}]; u16 half[{layout.row_bytes // 2}];
        int word[{layout.row_bytes // 4}]; float real[{layout.row_bytes // 4}]; i64 wide[{layout.row_bytes // 8}]; }} row;
    const uint4* from = packed + (i64)order[i] * {layout.row_bytes // 16};
    #pragma unroll
    for (int k = 0; k < {layout.row_bytes // 16}; ++k) row.line[k] = from[k];
    u32 number = i / batch, begin = number * batch;
    bool last = i + 1 == count || i + 1 == begin + batch;
    {"".join(_row_body(layout))}
}}"""


def _row_parameters(layout: Layout) -> Iterator[str]:
    for place, flat in enumerate(layout.flat):
        yield f",\n    {_TYPES[flat.out.str]}* __restrict__ flat_{place}"
    inline = layout.inline_names
    for place, name in enumerate(layout.bags):
        yield f",\n    const int* __restrict__ taken_{place}, int* __restrict__ offsets_{place}"
        yield f", int* __restrict__ values_{place}" if name in inline else f", i64* __restrict__ starts_{place}"


def _row_body(layout: Layout) -> Iterator[str]:
    members = {"|u1": ("byte", 1), "<u2": ("half", 2), "<i4": ("word", 4), "<f4": ("real", 4)}
    for place, flat in enumerate(layout.flat):
        member, size = members[flat.stored.str]
        yield f"flat_{place}[i] = row.{member}[{flat.at // size}];\n    "
    bags: dict[str, Inline | Pointed] = {column.name: column for column in layout.inline}
    bags |= {column.name: column for column in layout.pointed}
    for place, name in enumerate(layout.bags):
        column = bags[name]
        yield "{" + _batch_offsets(f"taken_{place}", f"offsets_{place}")
        if isinstance(column, Inline):
            member, size = members[column.stored.str]
            yield f"""        int at = taken_{place}[i], length = row.byte[{column.length_at}];
        #pragma unroll
        for (int k = 0; k < {8 * column.words // size}; ++k)
            if (k < length) values_{place}[at + k] = (int)row.{member}[{column.at // size} + k] - 1;
    }}
    """
        else:
            yield f"        starts_{place}[i] = row.wide[{column.at // 8}];\n    }}\n    "


_POINTED = r"""
extern "C" __global__ void pointed(const int* __restrict__ values, const i64* __restrict__ starts,
    const int* __restrict__ taken, u32 count, u32 lanes, int* __restrict__ out) {
    u32 thread = blockIdx.x * blockDim.x + threadIdx.x, row = thread / lanes;
    if (row >= count) return;
    i64 from = starts[row];
    int to = taken[row], length = taken[row + 1] - to;
    for (int k = thread % lanes; k < length; k += lanes) out[to + k] = values[from + k];
}
"""
