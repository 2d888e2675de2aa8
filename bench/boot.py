"""A trial's process from its first moment, run as a module: a child.Task on standard input, child.Messages on what was standard
output. While Python imports torch, a thread has the driver make the device's context: neither needs the other.
"""

from __future__ import annotations

import ctypes
import sys
import threading

import msgspec

from feedrate.bench.child import Task


def main() -> None:
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    kind, _, number = task.spec.device.partition(":")
    if kind == "cuda":
        threading.Thread(target=make_context, args=(int(number or 0),), daemon=True).start()
    from feedrate.bench import trial

    trial.serve(task)


def make_context(number: int) -> None:
    """Device number's primary context, which torch and CuPy use, kept until the process ends. What fails here fails again, and
    is told, where torch makes one itself."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")  # its functions are called without the interpreter's lock
    except OSError:
        return
    device, context = ctypes.c_int(), ctypes.c_void_p()
    if driver.cuInit(0) == 0 and driver.cuDeviceGet(ctypes.byref(device), number) == 0:
        driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)


if __name__ == "__main__":
    main()
