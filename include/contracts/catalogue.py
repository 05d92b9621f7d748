"""All rules, by entity."""

from __future__ import annotations

from collections import Counter
from functools import cache

from include.contracts import crm, product, support
from include.contracts.rule import Rule


@cache
def rules() -> tuple[Rule, ...]:
    """Return every rule, sorted by id.

    Raises:
        ValueError: Two rules have the same id, so that their results could not be told apart.
    """
    found = (*crm.rules(), *support.rules(), *product.rules())
    doubled = [rule_id for rule_id, n in Counter(rule.id for rule in found).items() if n > 1]
    if doubled:
        raise ValueError(f"rules of the same id: {', '.join(doubled)}")
    return tuple(sorted(found, key=lambda rule: rule.id))


def of_entity(name: str) -> tuple[Rule, ...]:
    """Return the rules of one entity."""
    return tuple(rule for rule in rules() if rule.entity == name)
