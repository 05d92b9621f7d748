"""Conditions on landed rows and built tables: what they may contain, and how their values are bound."""

from __future__ import annotations

import pytest

from include.config.expression import on_built, on_landed
from include.decide.renewals.checkpoint import COLUMNS


def test_literals_become_parameters() -> None:
    compiled = on_built("usage_ratio < 0.7 and tier in ('key account', 'a:b%c')", COLUMNS)
    assert "0.7" not in compiled.sql and "key" not in compiled.sql
    assert [str(value) for value in compiled.parameters.values()] == ["0.7", "key account", "a:b%c"]
    assert compiled.columns == ("usage_ratio", "tier")


@pytest.mark.parametrize(
    "text",
    [
        "not decision_maker_known",
        "decision_maker_known",
        "last_contact_at is null or last_contact_at < as_of_day - 60",
        "coalesce(n_open_urgent_tickets, 0) >= 2",
        "(days_to_decision between 0 and 90)",
        "abs(usage_28d - usage_baseline) / usage_baseline > 0.3",
        "lower(tier) = 'key account'",
    ],
)
def test_allowed_expressions(text: str) -> None:
    on_built(text, COLUMNS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pg_sleep(60) is null", "not allowed"),
        ("exists (select 1)", "not allowed"),
        ("account_key in (select account_key from core.account)", "list of values"),
        ("(select true)", "not allowed"),
        ("select 1", "not allowed"),
        ("true; drop table core.account", "exactly one"),
        ("", "exactly one"),
        ("usage_ratio <", "valid SQL"),
        ("password = 'x'", "column `password`"),
        ("core.account.tier = 'x'", "without a table"),
        ("usage_ratio::text = '1'", "not allowed"),
        ("usage_ratio + 1", "not a condition"),
        ("current_setting('is_superuser') = 'on'", "not allowed"),
        ("tier like '%x%'", "not allowed"),
        ("case when true then true end", "not allowed"),
        (" and ".join(["usage_ratio < 1"] * 100), "too long"),
        ("(" * 3000 + "usage_ratio < 1" + ")" * 3000, "nested too deeply"),
        ('U&"tier" = 1', "U&"),
    ],
)
def test_rejected_expressions(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        on_built(text, COLUMNS)


def test_comments_do_not_survive() -> None:
    compiled = on_built("usage_ratio < 1 /* ) or true -- */", COLUMNS)
    assert "true" not in compiled.sql.lower()


@pytest.mark.parametrize(
    "text",
    [
        "exists (select 1)",
        "amount > (select max(amount) from raw.hubspot__opportunity)",
        "amount; drop table x",
        "name = current_user",
        "raw.name = 'x'",
        "amount + 1",
        "1 = 1",
        "cast(name as regclass) is null",
        "name in (select 'x')",
        "amount = :value",
        "((((",
        " or ".join(["amount > 1"] * 100),
    ],
)
def test_non_row_conditions_are_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        on_landed(text, ("name", "amount"))
