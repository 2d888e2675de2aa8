"""Every planted wrong order breaks one rule, whose sentence names it. Right but unusual loaders break none."""

from __future__ import annotations

import re

import pytest

from feedrate.bench.selftest.expected_orders import ORDER_FAULTS
from feedrate.bench.selftest.planted_fault import PlantedFault
from feedrate.loaders import registry
from feedrate.loaders.base import LoaderConfig, Split
from feedrate.loaders.conformance import Case, RuleResult, check
from feedrate.loaders.testing import planted_orders
from feedrate.loaders.testing.planted_unusual import UNUSUAL


def _broken(name: str, split: Split) -> list[RuleResult]:
    case = Case(registry.choose(f"planted:fault={name}"), split, LoaderConfig(batch_size=512))
    return [result for result in check(case) if result.outcome != "passed"]


@pytest.mark.parametrize("fault", ORDER_FAULTS, ids=lambda fault: fault.name)
def test_a_planted_wrong_order_breaks_one_rule_that_names_it(fault: PlantedFault, planted: Split) -> None:
    messages = [f"{result.rule}: {result.detail}" for result in _broken(fault.name, planted)]
    assert len(messages) == 1, "one mistake is reported once"
    assert re.search(fault.pattern, messages[0])


def test_every_planted_order_has_an_expectation() -> None:
    assert {fault.name for fault in ORDER_FAULTS} == set(planted_orders.ORDER_FAULTS)


@pytest.mark.parametrize("name", ["none", *UNUSUAL])
def test_a_right_but_unusual_loader_breaks_no_rule(name: str, planted: Split) -> None:
    assert _broken(name, planted) == []
