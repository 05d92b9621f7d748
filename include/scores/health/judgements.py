"""Record human judgements of an account's health: a CSM's pulse, and a lead's override of the score."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.common.errors import ConfigError
from include.scores.health.bands import NAMES, Band
from include.warehouse import locks
from include.warehouse.engine import engine

LONGEST_OVERRIDE = timedelta(days=60)


@dataclass(frozen=True)
class Override:
    """A score or a band that a lead set in place of the computed one.

    Args:
        score: None if only the band is set.
        band: "" if a score is set.
        from_day: The first day on which it is shown.
        until: The day after the last one.
    """

    account_key: str
    score: Decimal | None
    band: Band | Literal[""]
    reason: str
    given_by: str
    from_day: date
    until: date


def pulse(account_key: str, score: int, *, why: str, by: str, day: date) -> None:
    """Record a CSM's sentiment about an account. A second pulse on the same day replaces the first.

    Args:
        account_key: The account.
        score: 1 (bad) to 5 (good).
        why: The reason, stored with it.
        by: The CSM.
        day: The day that it is about.

    Raises:
        ConfigError: There is no such account, the score is not from 1 to 5, or the reason is missing.
    """
    if not 1 <= score <= 5:
        raise ConfigError(f"pulse {score} is not between 1 and 5", cure="give 1 (bad) to 5 (good)")
    _must_be_known(account_key, why)
    with engine("editor").begin() as connection:
        named = {"account_key": account_key, "day": day, "score": score, "why": why, "by": by}
        named["now"] = locks.stamp(connection)
        connection.execute(_END_PULSE, named)
        connection.execute(_ADD_PULSE, named)


def override(
    account_key: str, score: Decimal | None, band: str = "", *, reason: str, by: str, day: date, until: date
) -> Override:
    """Show a score or band other than the computed one for a limited time. It replaces an active override.

    Back-tests and forecasts keep using the computed score.

    Args:
        account_key: The account.
        score: The score to show; None to set only the band.
        band: The band to show; "" to set a score.
        reason: Stored with it.
        by: The lead who sets it.
        day: The first day.
        until: The day after the last one.

    Raises:
        ConfigError: There is no such account, not exactly one of score and band is set, the score is not from 0 to 100,
            the band is unknown, or the period is longer than 60 days.
    """
    if (score is None) == (not band):
        raise ConfigError("an override needs exactly one of score and band", cure="give a number, or --band yellow")
    if score is not None and not (score.is_finite() and 0 <= score <= 100):
        raise ConfigError(f"score {score} is not between 0 and 100")
    set_band = next((each for each in NAMES if each == band), None)
    if band and set_band is None:
        raise ConfigError(f"{band} is not a band", cure=f"give one of {', '.join(NAMES)}")
    if not day < until <= day + LONGEST_OVERRIDE:
        raise ConfigError(
            f"an override from {day} until {until} does not last 1 to {LONGEST_OVERRIDE.days} days",
            cure=f"end it on {day + LONGEST_OVERRIDE} at the latest, and set it again then if it is still needed",
        )
    given = Override(account_key, score, set_band or "", reason, by, day, until)
    _must_be_known(account_key, reason)
    with engine("editor").begin() as connection:
        named = {**vars(given), "by": by, "now": locks.stamp(connection), "day": day}
        _end(connection, named)
        connection.execute(_ADD_OVERRIDE, {**named, "band": set_band, "is_remainder": False})
    return given


def lift(account_key: str, day: date, *, by: str) -> bool:
    """End an account's override. Return whether one was active.

    Args:
        account_key: The account.
        day: The first day on which the computed score is shown again.
    """
    with engine("editor").begin() as connection:
        named = {"account_key": account_key, "day": day, "by": by, "now": locks.stamp(connection)}
        return _end(connection, named)


def _end(connection: Connection, named: dict[str, Any]) -> bool:
    """End overrides that are active on or after a day. Their earlier days stay. Return whether there was one."""
    held = connection.execute(_HELD, named).mappings().all()
    connection.execute(_END_OVERRIDE, named)
    for one in held:
        if one["from_day"] < named["day"]:
            connection.execute(_ADD_OVERRIDE, {**one, "until": named["day"], "is_remainder": True, "now": named["now"]})
    return bool(held)


def _must_be_known(account_key: str, reason: str) -> None:
    if not reason.strip():
        raise ConfigError("the reason is missing", cure="give a reason; it is stored")
    with engine("reader").connect() as connection:
        is_known = connection.execute(_HAS_ACCOUNT, {"account_key": account_key}).scalar()
    if not is_known:
        raise ConfigError(f"unknown account {account_key}", cure="write source:id, such as crm:1001")


_HAS_ACCOUNT = sa.text("select exists (select from core.account where account_key = :account_key)")
_END_PULSE = sa.text(
    "update meta.health_pulse set known_to = :now"
    " where account_key = :account_key and given_on = :day and known_to is null"
)
_ADD_PULSE = sa.text(
    "insert into meta.health_pulse (account_key, given_on, score, why, given_by, known_from)"
    " values (:account_key, :day, :score, :why, :by, :now)"
)
_HELD = sa.text(
    "select account_key, score, band, reason, given_by, from_day, until from meta.health_override"
    " where account_key = :account_key and known_to is null and until > :day"
)
_END_OVERRIDE = sa.text(
    "update meta.health_override set known_to = :now, ended_by = :by"
    " where account_key = :account_key and known_to is null and until > :day"
)
_ADD_OVERRIDE = sa.text(
    "insert into meta.health_override (account_key, score, band, reason, given_by, from_day, until, is_remainder,"
    " known_from) values (:account_key, :score, :band, :reason, :given_by, :from_day, :until, :is_remainder, :now)"
)
