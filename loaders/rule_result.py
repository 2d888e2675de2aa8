"""What a check of the rules reports, and the sentences for a loader that raises or dies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

Outcome = Literal["passed", "failed", "deviates", "spoilt"]
MAX_SENTENCE = 300
"""Characters of a sentence that is built from a loader's own text."""


class RuleBroken(Exception):
    """A rule does not hold. The message says what was observed."""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """The result of checking one rule."""

    rule: str
    outcome: Outcome
    """"deviates" means that the rule is broken and that the adapter declares it.

    "spoilt" means that an earlier mistake makes the rule meaningless. `grouped` joins such results with that mistake.
    """
    detail: str
    """What was observed. Empty if the rule holds. For a spoilt rule, the name of the rule with the mistake."""
    spoilt: tuple[str, ...] = ()
    """The rules that this mistake spoils, for which there are no results of their own."""


def broken(rule: str, detail: str, *, declared: str | None, earlier: Iterable[RuleResult]) -> RuleResult:
    """Return the result of a broken rule, which is "spoilt" if an earlier rule was broken with the same sentence.

    declared: the reason that the adapter gives for breaking the rule. None if it declares nothing.
    """
    for result in earlier:
        if result.outcome in ("failed", "deviates") and result.detail.split(" (declared: ")[0] == detail:
            return RuleResult(rule, "spoilt", result.rule)
    if declared:
        return RuleResult(rule, "deviates", f"{detail} (declared: {declared})")
    return RuleResult(rule, "failed", detail)


def grouped(results: Iterable[RuleResult]) -> Iterator[RuleResult]:
    """Yield rules that hold as they come, and then each mistake once, with the rules that it spoils."""
    mistakes: dict[str, RuleResult] = {}
    for result in results:
        if result.outcome == "passed":
            yield result
        elif result.outcome == "spoilt":
            cause = mistakes[result.detail]
            mistakes[result.detail] = replace(cause, spoilt=(*cause.spoilt, result.rule))
        else:
            mistakes[result.rule] = result
    yield from mistakes.values()


def describe(error: BaseException) -> str:
    """Describe an exception in a sentence, even if its text cannot be printed.

    An error of a worker process carries a traceback as its text. Its last line is the sentence.
    """
    kind = type(error).__name__
    try:
        text = str.join("", (str(error),))  # never an instance of a subclass of str
    except BaseException:  # the exception's own methods may raise anything
        return f"an exception of type {kind} whose text cannot be printed"
    lines = text.encode(errors="replace").decode().strip().splitlines() or [""]
    if isinstance(error, SystemExit):
        return f"it called sys.exit({' '.join(lines)[:MAX_SENTENCE]})"
    if any("Traceback (most recent call last)" in line for line in lines):
        return lines[-1][:MAX_SENTENCE]
    sentence = " ".join(" ".join(lines).split())
    return f"{kind}: {sentence}"[:MAX_SENTENCE] if sentence else f"{kind} without a message"
