"""JSON with wrong types, impossible numbers, deep nesting, strange texts, and bytes that are no JSON."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from random import Random
from typing import Any

from tests.fuzz.mutators.damaged_bytes import damaged
from tests.fuzz.mutators.strange_text import REAL, TEXTS, WHOLE, strange_text

DEPTH = 100_000
RAW = {
    "@nested lists@": "[" * DEPTH + "]" * DEPTH,
    "@nested objects@": '{"a":' * DEPTH + "1" + "}" * DEPTH,
    "@unclosed@": "[" * DEPTH,
    "@digits@": "1" * 5_000,
    "@exponent@": "1e999999",
    "@surrogate@": '"\\ud800\\udfff"',
    "@huge text@": '"' + "x" * 3_000_000 + '"',
    "@escapes@": '"' + "\\u202e" * 20_000 + '"',
}
"""Texts of JSON that no value of Python writes, by the string that stands for them until the rest is written."""


def mutated_json(rng: Random, content: bytes) -> bytes:
    """Return the JSON with one to eight changes of its structure, of its bytes, or of both."""
    kind = rng.random()
    if kind < 0.04:
        return rng.choice(_WHOLE_FILES)(rng)
    if kind < 0.18:
        return damaged(rng, content)
    value = json.loads(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        _change(rng, value)
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    for mark, raw in RAW.items():
        text = text.replace(f'"{mark}"', raw)
    changed = text.encode(errors="surrogatepass")
    return damaged(rng, changed) if kind > 0.97 else changed


def gzipped(rng: Random, content: bytes) -> bytes:
    """Return the bytes gzipped, and sometimes damaged after that."""
    packed = gzip.compress(content, 1)
    return damaged(rng, packed) if rng.random() < 0.3 else packed


def _change(rng: Random, value: Any) -> None:
    """Walk to a random place and change it."""
    while isinstance(value, dict | list) and value:
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        inside = value[key]
        if not (isinstance(inside, dict | list) and inside) or rng.random() < 0.12:
            _change_at(rng, value, key)
            return
        value = inside


def _change_at(rng: Random, holder: Any, key: Any) -> None:
    kind = rng.random()
    if kind < 0.08:
        del holder[key]
    elif kind < 0.12 and isinstance(holder, dict):
        holder[strange_text(rng)] = holder[key]
    elif kind < 0.2 and isinstance(holder, list):
        holder.extend([holder[key]] * rng.choice((1, 2, 30)))
    elif kind < 0.7:
        holder[key] = _of_same_type(rng, holder[key])
    else:
        holder[key] = _anything(rng, holder[key])


def _of_same_type(rng: Random, value: Any) -> Any:
    """Return another value of the type, so that it often passes the first checks."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice((*WHOLE, value + 1, -value, value * 1000))
    if isinstance(value, float):
        return rng.choice((*REAL, -value, value * 1e6, value / 1e6))
    if isinstance(value, str):
        return rng.choice((strange_text(rng), strange_text(rng), value * 50, value[:3]))
    if isinstance(value, list):
        return rng.choice(([], value[:1], value[::-1], value * 40))
    if isinstance(value, dict):
        return rng.choice(({}, dict(list(value.items())[1:]), {strange_text(rng): item for item in value.values()}))
    return _anything(rng, value)


def _anything(rng: Random, value: Any) -> Any:
    makers: tuple[Callable[[], Any], ...] = (
        lambda: None,
        lambda: rng.choice((True, False)),
        lambda: rng.choice(WHOLE),
        lambda: rng.choice(REAL),
        lambda: strange_text(rng),
        lambda: rng.choice(tuple(RAW)),
        lambda: [value],
        lambda: [value] * 100,
        lambda: {"a": value},
        list,
        dict,
    )
    return rng.choice(makers)()


_WHOLE_FILES: tuple[Callable[[Random], bytes], ...] = (
    lambda rng: b"",
    lambda rng: b"null",
    lambda rng: b"[" * DEPTH,
    lambda rng: b'{"schema_version": 2, "trials": ' + b"[" * DEPTH,
    lambda rng: b'{"a":' * DEPTH,
    lambda rng: b"\xff\xfe" + '{"a": 1}'.encode("utf-16-le"),
    lambda rng: b"\xef\xbb\xbf{}",
    lambda rng: json.dumps(rng.choice(TEXTS)).encode(),
    lambda rng: b'{"' + b"k" * 2_000_000 + b'": 1}',
    lambda rng: b'{"schema_version": ' + b"9" * 100_000 + b"}",
    lambda rng: b" " * 5_000_000,
    lambda rng: rng.randbytes(2_000),
)
