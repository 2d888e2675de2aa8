from __future__ import annotations

import os
import tracemalloc

from feedrate.bench.host.bounded_output import HEAD_BYTES, TAIL_BYTES, BoundedOutput, DrainedPipe


def test_little_output_is_kept_whole() -> None:
    output = BoundedOutput()
    for word in (b"one ", b"", b"two"):
        output.add(word)
    assert output.content() == b"one two"


def test_the_head_and_the_tail_of_long_output_are_kept_whatever_its_pieces() -> None:
    content = bytes(byte % 251 for byte in range(1_000_000))
    left_out = len(content) - HEAD_BYTES - TAIL_BYTES
    for size in (999, 65_536, len(content)):
        output = BoundedOutput()
        for start in range(0, len(content), size):
            output.add(content[start : start + size])
        gap = f"\n[... {left_out:,} bytes left out ...]\n".encode()
        assert output.content() == content[:HEAD_BYTES] + gap + content[-TAIL_BYTES:]


def test_a_pipe_is_emptied_in_bounded_memory() -> None:
    reading, writing = os.pipe()
    tracemalloc.start()
    pipe = DrainedPipe(reading)
    chunk = b"x" * (1 << 20)
    for _ in range(100):
        os.write(writing, chunk)
    os.write(writing, b"last")
    os.close(writing)
    content = pipe.content(patience_s=20)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert content.endswith(b"xlast")
    assert len(content) < HEAD_BYTES + TAIL_BYTES + 100
    assert peak < 10 << 20


def test_a_pipe_that_stays_open_gives_what_came_so_far() -> None:
    reading, writing = os.pipe()
    pipe = DrainedPipe(reading)
    os.write(writing, b"so far")
    assert pipe.content(patience_s=0.2) == b"so far"
    os.close(writing)
