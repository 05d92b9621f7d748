"""Measure how complete each account's profile is: the share of health and value inputs that are known."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal

import sqlalchemy as sa

from include.models import health, value
from include.warehouse.engine import engine, has_table


@dataclass(frozen=True)
class Account:
    """One account's profile.

    Args:
        share: Known inputs over needed inputs. An input is needed if it applies and a connected source provides it.
        missing: Titles of the unknown inputs.
    """

    account_key: str
    share: float
    n_needed: int
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Gap:
    """An input that is missing for some accounts.

    Args:
        score: ``health`` or ``value``.
        arr: Total ARR of the accounts that lack the input.
    """

    figure: str
    score: str
    n_accounts: int
    n_needed: int
    arr: Decimal


@dataclass(frozen=True)
class Completeness:
    """All accounts, least complete first; the inputs missing most often first; and the inputs no source provides."""

    accounts: tuple[Account, ...]
    gaps: tuple[Gap, ...]
    not_connected: tuple[str, ...]

    @property
    def share(self) -> float | None:
        """The share over all accounts; None if there are no accounts."""
        needed = sum(each.n_needed for each in self.accounts)
        known = sum(each.share * each.n_needed for each in self.accounts)
        return known / needed if needed else None


def read() -> Completeness:
    """Return profile completeness: value inputs at the last month end, health inputs on the newest day."""
    with engine("reader").connect() as connection:
        rows = [row for each in (_of_value(connection), _of_health(connection)) for row in each]
        gaps = connection.execute(
            sa.text(
                "select metric_id from meta.metric_gap where from_day = date '1990-01-01'"
                " and (metric_id like 'value.%' or metric_id like 'health.%') order by 1"
            )
        ).scalars()
        titles = _titles()
        not_connected = tuple(titles[name] for name in gaps if name in titles)
    needed: dict[str, int] = defaultdict(int)
    missing: dict[str, list[str]] = defaultdict(list)
    asked: dict[str, int] = defaultdict(int)
    lacking: dict[str, list[Decimal]] = defaultdict(list)
    for account_key, arr, name, is_known in rows:
        needed[account_key] += 1
        asked[name] += 1
        if not is_known:
            missing[account_key].append(titles[name])
            lacking[name].append(arr or Decimal(0))
    accounts = [
        Account(key, 1 - len(missing[key]) / number, number, tuple(missing[key])) for key, number in needed.items()
    ]
    found = [
        Gap(titles[name], name.partition(".")[0], len(arrs), asked[name], sum(arrs, Decimal()))
        for name, arrs in lacking.items()
    ]
    return Completeness(
        tuple(sorted(accounts, key=lambda each: (each.share, each.account_key))),
        tuple(sorted(found, key=lambda gap: (-gap.n_accounts / gap.n_needed, -gap.arr, gap.figure))),
        not_connected,
    )


_Row = tuple[str, Decimal | None, str, bool]


def _titles() -> dict[str, str]:
    found = {f"{health.GAP}{m.id}": m.title for profile in health.load().profiles for m in profile.measures}
    return found | {f"{value.GAP}{d.id}": d.title for version in value.load().versions for d in version.dimensions}


def _of_value(connection: sa.Connection) -> list[_Row]:
    """Return (account, ARR, dimension, is known) for the value score at the last month end."""
    if not has_table(connection, "marts.account_value"):
        return []
    found = connection.execute(
        sa.text(
            "select p.account_key, v.kept_arr, :prefix || p.dimension, p.score is not null"
            " from marts.account_value_part as p"
            " join marts.account_value as v on v.account_key = p.account_key and v.as_of = p.as_of"
            " where p.as_of = (select max(as_of) from marts.account_value) and p.weight > 0 order by 1, 3"
        ),
        {"prefix": value.GAP},
    )
    return [(row[0], row[1], row[2], row[3]) for row in found]


def _of_health(connection: sa.Connection) -> list[_Row]:
    """Return (account, ARR, measure, is known) for the health score on the newest day."""
    if not has_table(connection, "marts.health_score"):
        return []
    known = health.load()
    gaps = connection.execute(sa.text("select metric_id from meta.metric_gap where from_day = date '1990-01-01'"))
    left_out = set(gaps.scalars())
    found: list[_Row] = []
    for profile in known.profiles:
        for measure in profile.measures:
            if health.GAP + measure.id in left_out:
                continue
            applies = known.conditions.get((profile.key, measure.id), "true")
            rows = connection.execute(
                sa.text(
                    "select i.account_key, d.kept_arr, i.is_known"  # noqa: S608 - checked
                    f" from (select account_key, day, ({applies}) as applies,"
                    f" {known.values[profile.key, measure.id]} is not null as is_known"
                    f" from {health.INPUT} where day = (select max(day) from {health.INPUT})) as i"
                    f" join marts.health_score as s on s.account_key = i.account_key and s.day = i.day"
                    " join marts.account_day as d on d.account_key = i.account_key and d.day = i.day"
                    " where s.profile = :profile and s.version = :version and i.applies"
                ),
                {"profile": profile.name, "version": profile.version},
            )
            found += [(row[0], row[1], health.GAP + measure.id, row[2]) for row in rows]
    return found
