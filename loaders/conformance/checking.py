"""Runs the rules in order on one loader. A mistake is reported once, with the rules that it spoils."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from feedrate.loaders.conformance import form_rules, order_rules, rank_rules
from feedrate.loaders.conformance.case import Case
from feedrate.loaders.rule_result import RuleBroken, RuleResult, broken, describe, grouped


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the contract."""

    test: Callable[[Case], None]
    """Raises RuleBroken if the loader breaks the rule. It may also raise whatever the loader raises."""
    needs: tuple[str, ...] = ()
    """Rules without which this one means nothing. If one of them is broken, it has spoilt this one."""


_READ = ("opens", "epochs_end")
_ROWS = (*_READ, "every_row_once")
_SHUFFLED = (*_ROWS, "neighbours_apart")
_RANKS = (*_ROWS, "ranks_disjoint_and_complete")

_RULES = (
    Rule(form_rules.opens),
    Rule(form_rules.epochs_end, ("opens",)),
    Rule(form_rules.plain_batches, _READ),
    Rule(form_rules.columns_by_kind, _READ),
    Rule(form_rules.dtypes, _READ),
    Rule(form_rules.device, _READ),
    Rule(form_rules.every_row_once, _READ),
    Rule(form_rules.only_last_batch_short, _ROWS),
    Rule(form_rules.contents_intact, _READ),
    Rule(form_rules.earlier_batches_unchanged, _READ),
    Rule(order_rules.same_order_for_same_seed, _READ),
    Rule(order_rules.same_order_after_other_epochs, (*_READ, "same_order_for_same_seed")),
    Rule(order_rules.neighbours_apart, _ROWS),
    Rule(order_rules.other_order_in_other_epoch, _SHUFFLED),
    Rule(order_rules.other_order_for_other_seed, (*_SHUFFLED, "other_order_in_other_epoch")),
    Rule(order_rules.tail_changes, (*_SHUFFLED, "other_order_in_other_epoch")),
    Rule(form_rules.file_order_without_shuffle, _ROWS),
    Rule(order_rules.abandoned_epoch, _READ),
    Rule(form_rules.close_twice, ("opens",)),
    Rule(rank_rules.ranks_disjoint_and_complete, _ROWS),
    Rule(rank_rules.ranks_even, _RANKS),
    Rule(rank_rules.ranks_contents_intact, (*_READ, "contents_intact")),
    Rule(
        rank_rules.ranks_reshuffle,
        (*_RANKS, "neighbours_apart", "other_order_in_other_epoch", "other_order_for_other_seed"),
    ),
)
RULES: dict[str, Callable[[Case], None]] = {rule.test.__name__: rule.test for rule in _RULES}
"""The test of every rule, by name, in the order in which they are checked."""
_NEEDS = {rule.test.__name__: rule.needs for rule in _RULES}


def check(case: Case) -> Iterator[RuleResult]:
    """Check every rule. Yields rules that hold as they come, and then each mistake with the rules that it spoils."""
    return grouped(check_rest(case, ()))


def check_rest(case: Case, earlier: Sequence[RuleResult], begin: Callable[[str], None] = lambda _rule: None) -> Iterator[RuleResult]:  # fmt: skip
    """Check the rules that have no result yet, one after the other. Their results are not grouped.

    begin: called with the name of each rule before it is tested.
    """
    results = {result.rule: result for result in earlier}
    case.broken.update(result.rule for result in earlier if result.outcome != "passed")
    for name, needs in _NEEDS.items():
        if name in results:
            continue
        cause = next((results[need] for need in needs if need in case.broken), None)
        if cause is not None:
            root = cause.detail if cause.outcome == "spoilt" else cause.rule
            result = RuleResult(name, "spoilt", root)
        else:
            begin(name)
            result = check_rule(case, name, earlier=tuple(results.values()))
        if result.outcome != "passed":
            case.broken.add(name)
        results[name] = result
        yield result


def check_rule(case: Case, name: str, *, earlier: Sequence[RuleResult] = ()) -> RuleResult:
    """Check one rule. Whatever the loader raises counts as breaking the rule, but not the user's Ctrl-C.

    earlier: results of other rules. If one has the same sentence, the result is "spoilt".
    """
    declared = case.choice.adapter.deviations.get(name)
    try:
        RULES[name](case)
    except RuleBroken as error:
        return broken(name, str(error), declared=declared, earlier=earlier)
    except BaseException as error:  # a loader may fail in any way: report it and go on
        if case.is_users(error):
            raise
        return broken(name, describe(error), declared=declared, earlier=earlier)
    return RuleResult(name, "passed", "declared as a deviation, but not seen here" if declared else "")
