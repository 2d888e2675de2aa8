"""Kernels and host functions are counted in the part of the step that launched or called them."""

from __future__ import annotations

import pytest

from feedrate.bench.profiling import parts
from feedrate.bench.profiling.events import Call, Events, Function, Kernel, Range
from feedrate.bench.results.profiles.names import MAX_NAME, shortened


def _ms(begin: float, end: float) -> dict[str, float]:
    return {"start_s": begin / 1e3, "end_s": end / 1e3}


RANGES = tuple(
    Range(name=name, thread=thread, **_ms(begin, end))
    for name, thread, begin, end in [
        ("next", "main", 0, 3), ("step", "main", 3, 10), ("forward", "main", 3, 6), ("backward", "main", 6, 9),
        ("decode", "reader 5", 0, 9),
    ]
)  # fmt: skip
FUNCTIONS = tuple(
    Function(name=name, thread=thread, **_ms(begin, end))
    for name, thread, begin, end in [
        ("aten::linear", "main", 3, 5), ("aten::addmm", "main", 3.5, 4.5), ("aten::index", "reader 5", 1, 2),
        ("autograd::engine::evaluate_function: MmBackward", "autograd 9", 6, 8), ("aten::mm", "autograd 9", 6.5, 7.5),
    ]
)  # fmt: skip
CALLS = (
    Call(name="cudaLaunchKernel", thread="main", correlation=1, **_ms(4, 4.2)),
    Call(name="cudaLaunchKernel", thread="autograd 9", correlation=2, **_ms(7, 7.1)),
    Call(name="cudaLaunchKernel", thread="reader 5", correlation=3, **_ms(4, 4.1)),
    Call(name="cudaDeviceSynchronize", thread="main", **_ms(11, 12)),
)
KERNELS = tuple(
    Kernel(name=name, correlation=correlation, **_ms(begin, end))
    for name, correlation, begin, end in [("gemm", 1, 7, 9), ("grad", 2, 9, 10), ("gather", 3, 10, 11)]
)
EVENTS = Events(
    ranges=RANGES, functions=FUNCTIONS, calls=CALLS, kernels=KERNELS, main_thread="main", window=(0.0, 0.012)
)


def _rows(events: Events) -> dict[tuple[str, str, str], float]:
    return {(row.part, row.kind, row.name): row.seconds * 1e3 for row in parts.part_rows(events)}


def test_a_kernel_belongs_to_the_part_that_launched_it() -> None:
    kernels = {key: ms for key, ms in _rows(EVENTS).items() if key[1] == "kernel"}
    assert kernels == pytest.approx(
        {("forward", "kernel", "gemm"): 2, ("backward", "kernel", "grad"): 1, ("other", "kernel", "gather"): 1}
    )


def test_functions_count_without_the_functions_within_them() -> None:
    functions = {key: ms for key, ms in _rows(EVENTS).items() if key[1] == "function"}
    assert functions == pytest.approx(
        {
            ("forward", "function", "aten::linear"): 1,
            ("forward", "function", "aten::addmm"): 0.8,
            ("forward", "function", "cudaLaunchKernel"): 0.2,
            ("backward", "function", "autograd::engine::evaluate_function: MmBackward"): 1,
            ("backward", "function", "aten::mm"): 0.9,
            ("backward", "function", "cudaLaunchKernel"): 0.1,
            ("other", "function", "aten::index"): 1,
            ("other", "function", "cudaLaunchKernel"): 0.1,
        }
    )


def test_a_part_keeps_its_costliest_names_and_sums_up_the_others() -> None:
    kernels = tuple(
        Kernel(name=f"kernel {number}", correlation=1, **_ms(4, 4 + number / 100)) for number in range(1, 12)
    )
    events = Events(ranges=RANGES, calls=CALLS, kernels=kernels, main_thread="main", window=(0.0, 0.012))
    rows = [row for row in parts.part_rows(events) if row.kind == "kernel"]
    assert [row.name for row in rows] == [*(f"kernel {number}" for number in range(11, 3, -1)), ""]
    assert (rows[-1].count, rows[-1].seconds * 1e3) == (3, pytest.approx(0.06))


def test_long_names_are_cut_in_the_middle() -> None:
    name = f"void {'x' * 500}<float>"
    assert len(shortened(name)) == MAX_NAME
    assert shortened(name).startswith("void xxx")
    assert shortened(name).endswith("x<float>")
