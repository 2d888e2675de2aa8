"""Text on its way to PyArrow's CSV reader, in blocks of any size."""

from __future__ import annotations

import pyarrow as pa
import pytest

from feedrate.bench.datasets.csv_streams import PaddedLines, WholeLineEnds


def all_of(stream: PaddedLines | WholeLineEnds, size: int) -> list[bytes]:
    return list(iter(lambda: stream.read(size), b""))


@pytest.mark.parametrize("size", range(2, 12))
def test_no_block_ends_within_a_line_end(size: int) -> None:
    text = b"a\r\nbc\r\n\r\nd\re\r"
    blocks = all_of(WholeLineEnds(pa.BufferReader(text)), size)
    assert b"".join(blocks) == text
    assert not any(
        first.endswith(b"\r") and second.startswith(b"\n") for first, second in zip(blocks, blocks[1:], strict=False)
    )


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(
    ("text", "padded"),
    [
        (b"1\t2\t3\n4\t5\t6\n", b"1\t2\t3\n4\t5\t6\n"),
        (b"1\n4\t5\n7\t8\t9\n", b"1\t\t\n4\t5\t\n7\t8\t9\n"),
        (b"1\r\n4\t5\r\n", b"1\t\t\r\n4\t5\t\r\n"),
        (b"1\t2", b"1\t2\t\n"),
        (b"1\t2\t3\t4\n", b"1\t2\t3\t4\n"),
        (b"\n1\n", b"\n1\t\t\n"),
        (b"", b""),
    ],
)
def test_short_lines_get_the_separators_that_they_lack(text: bytes, padded: bytes, size: int) -> None:
    assert b"".join(all_of(PaddedLines(pa.BufferReader(text), "\t", 3), size)) == padded
