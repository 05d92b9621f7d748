"""What a condition may say, and how it is bound."""

from __future__ import annotations

import pytest

from include.playbooks.expression import compile_expression
from include.renewals.checkpoint import COLUMNS


def test_literals_become_parameters() -> None:
    compiled = compile_expression("usage_ratio < 0.7 and tier in ('key account', 'a:b%c')", COLUMNS)
    assert "0.7" not in compiled.sql and "key" not in compiled.sql
    assert [str(value) for value in compiled.parameters.values()] == ["0.7", "key account", "a:b%c"]
    assert compiled.columns == {"usage_ratio", "tier"}


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
def test_allowed(text: str) -> None:
    compile_expression(text, COLUMNS)


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
        ("usage_ratio + 1", "no condition"),
        ("current_setting('is_superuser') = 'on'", "not allowed"),
        ("tier like '%x%'", "not allowed"),
        ("case when true then true end", "not allowed"),
        (" and ".join(["usage_ratio < 1"] * 100), "too long"),
    ],
)
def test_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compile_expression(text, COLUMNS)


def test_comments_do_not_survive() -> None:
    compiled = compile_expression("usage_ratio < 1 /* ) or true -- */", COLUMNS)
    assert "true" not in compiled.sql.lower()
