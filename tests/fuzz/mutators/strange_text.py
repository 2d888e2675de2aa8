"""Texts, numbers and paths that programs stumble over."""

from __future__ import annotations

from random import Random

TEXTS = (
    "",
    " ",
    "\x00",
    "\x1b[2J\x1b[31m",
    "\x07\x08\r",
    "a\nb",
    "\u202eevil\u202c",
    "\u2066x\u2069",
    "zero\u200bwidth\u200d",
    "\ufeff",
    "\u2028\u2029",
    "\ud800",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "=HYPERLINK(1)",
    "+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "{{7*7}}",
    "a|b`c`*d*_e_",
    "[x](javascript:alert(1))",
    "![x](https://example.org/x.png)",
    "[bold]x[/bold]",
    "[/]",
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    "a/b",
    "nan",
    "-inf",
    "1e999",
    "%s%n%d",
    "{0.__class__}",
    "sys:exit",
    "os:abort",
    "train",
    "native",
    "load",
    "cuda:99",
    "2026-13-45T99:99:99",
    "0001-01-01T00:00:00+00:00",
    "9999-12-31T23:59:59-23:59",
    "\u0661\u0662",
)
WHOLE = (0, -1, 1, 2, 255, 2**31 - 1, 2**31, 2**32, 10**12, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**30, 10**400)
REAL = (0.0, -0.0, -1.0, 0.5, 1.0, 1e-320, 5e-324, 1e-9, 1e9, 1e18, 1e300, 1.7e308, -1e308, float("nan"), float("inf"))


def strange_text(rng: Random) -> str:
    """Return one of the texts, two joined, or a long one."""
    kind = rng.random()
    if kind < 0.75:
        return rng.choice(TEXTS)
    if kind < 0.9:
        return rng.choice(TEXTS) + rng.choice(TEXTS)
    return (rng.choice(TEXTS) or "x") * rng.choice((10, 100, 2_000))


def strange_name(rng: Random) -> str:
    """Return a text that a file or an argument can have: no null byte, no lone surrogate, at most 200 bytes."""
    text = strange_text(rng).replace("\x00", "0").encode(errors="ignore").decode()
    return text.encode()[:200].decode(errors="ignore") or "empty"
