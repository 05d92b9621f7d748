"""Collect all rules by entity: the shipped ones, with the additions and changes from files."""

from __future__ import annotations

import difflib
from collections import Counter
from functools import cache

from include.common.errors import ConfigError
from include.config import files as configuration
from include.contracts import crm, files, growth, product, support
from include.contracts.rule import Rule


def rules() -> tuple[Rule, ...]:
    """Return all rules in force, sorted by id.

    Raises:
        ValueError: Two shipped rules have the same id, so their results could not be told apart.
        ConfigError: A file that adds or changes rules is wrong.
    """
    return _rules()


def of_entity(name: str) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules() if rule.entity == name)


def get(rule_id: str) -> Rule | None:
    """Return a rule, or None if it is not in force."""
    return next((rule for rule in rules() if rule.id == rule_id), None)


def named(rule_id: str) -> Rule:
    """Return the rule that a person names.

    Raises:
        ConfigError: The rule does not exist. The message suggests the one that was probably meant.
    """
    rule = get(rule_id)
    if rule is None:
        close = difflib.get_close_matches(rule_id, [each.id for each in rules()], n=1)
        cure = f"did you mean {close[0]}?" if close else "`python -m include.cli contracts` lists them"
        raise ConfigError(f"unknown rule {rule_id}", cure=cure)
    return rule


@cache
def shipped() -> tuple[Rule, ...]:
    """Return the rules that ship with Perennial."""
    found = (*crm.rules(), *support.rules(), *product.rules(), *growth.rules())
    doubled = [rule_id for rule_id, n in Counter(rule.id for rule in found).items() if n > 1]
    if doubled:
        raise ValueError(f"rules with the same id: {', '.join(doubled)}")
    return tuple(sorted(found, key=lambda rule: rule.id))


@configuration.cached_for("config", files.PATTERN)
def _rules(_: object) -> tuple[Rule, ...]:
    return tuple(sorted(files.apply(shipped()), key=lambda rule: rule.id))
