"""Bytes that were flipped, cut off, doubled, or replaced by others."""

from __future__ import annotations

from random import Random

INSERTED = (
    b"\x00",
    b"\xff\xfe",
    b"\x1b[2J",
    b"\r",
    b"\n\n",
    b'"',
    b",",
    b"\xe2\x80\xae",
    b"NaN",
    b"-1",
    b"9" * 400,
    b"[" * 1000,
    b"x" * 100_000,
)


def damaged(rng: Random, content: bytes) -> bytes:
    """Return the bytes with one to four damages."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        _damage(rng, data)
    return bytes(data)


def _damage(rng: Random, data: bytearray) -> None:
    kind = rng.randrange(7)
    place = rng.randrange(len(data) + 1)
    length = rng.choice((1, 4, 100, 5_000))
    if kind == 0:
        del data[place:]
    elif kind == 1:
        data[place:place] = rng.choice(INSERTED)
    elif kind == 2:
        del data[place : place + length]
    elif kind == 3:
        data[place : place + length] = data[place : place + length] * 2
    elif kind == 4:
        data[place : place + 8] = rng.randbytes(8)
    elif data and kind == 5:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif data:
        tail = rng.randrange(max(0, len(data) - 200), len(data))  # where Parquet and zips keep their directories
        data[tail] = rng.randrange(256)
