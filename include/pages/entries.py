"""Pulses and overrides that people enter on the page *Account*, and calls on the page *Renewals*."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal, InvalidOperation

from include import config
from include.common import quarters
from include.common.errors import ConfigError
from include.config.viewers import Viewer
from include.pages import scope
from include.scores.forecast import calls
from include.scores.health import judgements
from include.warehouse.engine import engine

PULSE, OVERRIDE, LIFT = "pulse", "override", "lift"
ACTIONS = {"csm": (PULSE,), "lead": (PULSE, OVERRIDE, LIFT), "head": (PULSE, OVERRIDE, LIFT)}
MAY_CALL = tuple(ACTIONS)
# 120000, 120,000, 120000.50 or 120k. Anything else could mean two amounts, such as 120.000.
_AMOUNT = re.compile(r"(\d{1,3}(?:,\d{3})+|\d{1,12})(\.\d{1,2})?(k?)")
_LONGEST_TERM = 120  # months


def act(
    viewer: Viewer, login: str, account: str, action: str, *, score: str = "", days: int = 30, reason: str = ""
) -> None:
    """Record what a person entered; ``ops.human_action`` lists it.

    Args:
        login: The person's login in Airflow.
        action: pulse, override or lift.
        score: 1 to 5 for a pulse; 0 to 100 or a band for an override.
        days: How long an override is shown.

    Raises:
        ConfigError: The role may not do this to the account, or a value is wrong.
    """
    with engine("reader").connect() as connection:
        if not scope.may_see(connection, viewer, account):
            raise ConfigError(f"{account} is not one of your accounts", cure="accounts are assigned in viewers.yaml")
    if action not in ACTIONS.get(viewer.role, ()):
        raise ConfigError(f"the role {viewer.role} does not allow {action}", cure="roles are assigned in viewers.yaml")
    today = config.today()
    if action == LIFT:
        if not judgements.lift(account, today, by=login):
            raise ConfigError(f"{account} has no override to end")
    elif action == PULSE:
        judgements.pulse(account, _whole(score), why=reason, by=login, day=today)
    else:
        if not 1 <= days <= judgements.LONGEST_OVERRIDE.days:
            raise ConfigError(f"{days} days is not 1 to {judgements.LONGEST_OVERRIDE.days} days")
        number = _number(score)
        judgements.override(
            account,
            number,
            "" if number is not None else score.strip().lower(),
            reason=reason,
            by=login,
            day=today,
            until=today + timedelta(days=days),
        )


def call(viewer: Viewer, login: str, owner_key: str, quarter: str, amount: str) -> None:
    """Record the renewed ARR that a person expects of a CSM's quarter; ``ops.human_action`` lists it.

    Args:
        login: The person's login in Airflow.
        owner_key: The CSM: for a CSM themselves, for a lead one of the team.
        quarter: Such as 2026Q3.
        amount: As people write it: 120000, 120,000 or 120k.

    Raises:
        ConfigError: The role may not call for this CSM, or a value is wrong.
    """
    with engine("reader").connect() as connection:
        may_call = viewer.role in MAY_CALL and owner_key in scope.owners(connection, viewer)
    if not may_call:
        raise ConfigError(
            f"you may not enter a call for {owner_key}", cure="roles and teams are assigned in viewers.yaml"
        )
    calls.give(owner_key, quarters.parse(quarter), parse_amount(amount), by=login, day=config.today())


def parse_amount(text: str) -> Decimal:
    """Return an amount as people write it: 120000, 120,000 or 120k.

    Raises:
        ConfigError: It is not one, or could mean two amounts.
    """
    found = _AMOUNT.fullmatch(text.replace(" ", "").lower())
    if not found:
        raise ConfigError(f"{text!r} is not an amount", cure="enter it as 120000, 120,000 or 120k")
    return Decimal(found[1].replace(",", "") + (found[2] or "")) * (1000 if found[3] else 1)


def parse_months(text: str) -> int | None:
    """Return a term in months; None if it is left empty.

    Raises:
        ConfigError: It is not one.
    """
    if not text.strip():
        return None
    if not text.strip().isdecimal() or not 1 <= int(text) <= _LONGEST_TERM:
        raise ConfigError(
            f"{text!r} is not a term in months", cure=f"enter 1 to {_LONGEST_TERM}, or leave it empty for the old term"
        )
    return int(text)


def _whole(text: str) -> int:
    if not text.strip().isdecimal():
        raise ConfigError(f"pulse {text!r} is not between 1 and 5", cure="enter 1 (bad) to 5 (good)")
    return int(text)


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        return None
