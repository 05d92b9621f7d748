"""Read the inputs of a day's health score, and recompute the score by the definition that produced it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from include.common.errors import ConfigError
from include.config import files
from include.models import health, health_peer_query
from include.models.health import Profile
from include.scores.health import peers
from include.scores.health.peers import Peers
from include.scores.health.score import Reading, Score, score
from include.warehouse.engine import has_table

# Rows in memory at a time.
_AT_ONCE = 1000


@dataclass(frozen=True)
class Day:
    """The inputs of an account's score on a day.

    Args:
        profile: The profile that scored the day.
        readings: Measure -> value and age.
        ceilings: Ids of the ceilings whose condition holds.
        values: All columns of ``marts.health_input``, used in texts.
        override: The score that a lead set; None without one.
        override_band: The band that a lead set instead of a score; "" without one.
        peers_of: The month end of the peers' quantiles; None if no measure is compared with peers.
    """

    profile: Profile
    readings: Mapping[str, Reading]
    ceilings: tuple[str, ...]
    values: Mapping[str, Any]
    override: Decimal | None
    override_band: str = ""
    peers_of: date | None = None

    @property
    def score(self) -> Score:
        return score(self.profile, self.readings, self.ceilings, self.override)


def explain(connection: sa.Connection, account_key: str, day: date) -> Score:
    """Return the score of an account and day with its parts.

    Raises:
        ConfigError: The account has no score on that day.
    """
    return read(connection, account_key, day).score


def read(
    connection: sa.Connection,
    account_key: str,
    day: date,
    profile: Profile | None = None,
    peers_of: date | None = None,
    known_at: datetime | None = None,
) -> Day:
    """Read the inputs of an account's score on a day.

    Args:
        connection: An open connection of the reader.
        account_key: The account.
        day: The day.
        profile: Use this profile instead of the one that scored the day.
        peers_of: Use the peers' quantiles of this month end instead of the one before the day.
        known_at: Use the inputs and overrides as known then, with the definitions in force now.

    Raises:
        ConfigError: The account has no score on that day, or the profile that produced it no longer exists.
    """
    found = of_accounts(connection, [account_key], day, profile, peers_of, known_at)
    if account_key not in found:
        for row in connection.execute(_scored(None), {"accounts": [account_key], "day": day}):
            health.load().profile(row.key)
        raise ConfigError(
            f"{account_key} has no health score on {day}",
            cure="customers are scored from their 14th day: daily for the last 400 days, at month ends before that",
        )
    return found[account_key]


@files.checked_once()
def of_accounts(
    connection: sa.Connection,
    account_keys: Sequence[str],
    day: date,
    profile: Profile | None = None,
    peers_of: date | None = None,
    known_at: datetime | None = None,
) -> dict[str, Day]:
    """Read the inputs of several accounts' scores on a day, with one query per profile. See ``read``.

    Returns:
        Account -> its inputs; left out are accounts without a score on the day, or whose profile no longer exists.

    Raises:
        ConfigError: No score is computed yet.
    """
    if not has_table(connection, "marts.health_score"):
        raise ConfigError("no health score is computed yet", cure="run the DAG build_kpis")
    known = {each.key: each for each in health.load().profiles}
    scored: dict[str, list[sa.RowMapping]] = {}
    bound = {"accounts": list(account_keys), "day": day, "known_at": known_at}
    for row in connection.execute(_scored(known_at), bound).mappings():
        scored.setdefault(profile.key if profile else row["key"], []).append(row)
    found: dict[str, Day] = {}
    gaps = _gaps(connection) if scored else set()
    for key, rows in scored.items():
        if (used := profile or known.get(key)) is None:
            continue
        overrides = {row["account_key"]: row for row in rows}
        statement = f"select {_columns(used)} from {_inputs(known_at)} as i"  # noqa: S608 - checked
        compared = peers.read(connection, used)
        for row in connection.execute(sa.text(statement), {**bound, "accounts": list(overrides)}).mappings():
            lead = overrides[row["account_key"]]
            made = _day(used, row, gaps, compared, peers_of)
            found[row["account_key"]] = replace(
                made, override=lead["override"], override_band=lead["override_band"] or ""
            )
    return found


@dataclass(frozen=True)
class OfAccount:
    """The inputs of one account's score, with its ARR."""

    readings: Mapping[str, Reading]
    ceilings: tuple[str, ...]
    arr: float


def readings_of_day(connection: sa.Connection, profile: Profile) -> Iterator[OfAccount]:
    """Yield the inputs of every account that a profile scores, on the newest day."""
    gaps = _gaps(connection)
    statement = _ALL.format(columns=_columns(profile))
    compared = peers.read(connection, profile)
    # For this statement only: an option of the connection would hold for all later ones.
    options = {"yield_per": _AT_ONCE}
    streamed = connection.execute(sa.text(statement), {"profile": profile.name}, execution_options=options)
    for row in streamed.mappings():
        found = _day(profile, row, gaps, compared)
        yield OfAccount(found.readings, found.ceilings, float(row["kept_arr"] or 0))


def _inputs(known_at: datetime | None) -> str:
    if known_at:
        return _FORMER
    return f"(select * from {health.INPUT} where account_key = any(:accounts) and day = :day)"  # noqa: S608 - a constant


def _scored(known_at: datetime | None) -> sa.TextClause:
    """Return the query of each account's profile, and of the override shown."""
    scores = "select account_key, day, profile || '@' || version as key from marts.health_score"
    holds = "o.known_to is null"
    if known_at:
        # Which profile scores an account depends on its inputs, too.
        scores = f"select account_key, day, {health_peer_query.choice(health.load())} as key from {_FORMER} as f"  # noqa: S608 - checked
        holds = "o.known_from <= :known_at and (o.known_to is null or o.known_to > :known_at)"
    return sa.text(
        "select s.account_key, s.key, o.score as override, o.band as override_band"  # noqa: S608 - checked
        f" from ({scores}) as s left join meta.health_override as o on o.account_key = s.account_key and {holds}"
        " and s.day >= o.from_day and s.day < o.until where s.account_key = any(:accounts) and s.day = :day"
    )


def _columns(profile: Profile) -> str:
    known = health.load()
    columns = ["i.*"]
    for measure in profile.measures:
        columns.append(f"{known.values[profile.key, measure.id]} as x_{measure.id}")
        applies = known.conditions.get((profile.key, measure.id))
        columns.append(f"{f'({applies}) is true' if applies else 'true'} as applies_{measure.id}")
    columns += [f"({known.conditions[profile.key, each.id]}) is true as c_{each.id}" for each in profile.ceilings]
    return ", ".join(columns)


def _gaps(connection: sa.Connection) -> set[str]:
    return set(connection.execute(_GAPS, {"prefix": health.GAP}).scalars())


def _day(
    profile: Profile, row: Mapping[Any, Any], gaps: set[str], compared: Peers, peers_of: date | None = None
) -> Day:
    at = peers_of or peers.month_end(row["day"])

    def value(measure: str) -> float | None:
        found: float | None = row[f"x_{measure}"]
        if measure not in compared.measures:
            return found
        return compared.position(measure, found, at, row["tier"], row["days_as_customer"])

    readings = {
        measure.id: Reading(
            value(measure.id),
            (row["day"] - row[measure.dated]).days if measure.dated and row[measure.dated] else 0,
            not row[f"applies_{measure.id}"] or measure.id in gaps,
        )
        for measure in profile.measures
    }
    ceilings = tuple(each.id for each in profile.ceilings if row[f"c_{each.id}"])
    return Day(profile, readings, ceilings, dict(row), None, peers_of=at if compared.measures else None)


_ALL = """
select {columns}, d.kept_arr
from (select * from marts.health_input where day = (select max(day) from marts.health_score)) as i
join (select account_key as scored, day as scored_day, profile from marts.health_score) as s
    on s.scored = i.account_key and s.scored_day = i.day and s.profile = :profile
left join (select account_key as account, day as at_day, kept_arr from marts.account_day) as d
    on d.account = i.account_key and d.at_day = i.day
"""
# The rows of a day as known at a time: the oldest one replaced after it, else the one in the table.
_FORMER = f"""(
    select (jsonb_populate_record(cast(null as {health.INPUT}), f.input)).*
    from (
        select distinct on (account_key) account_key, input from meta.former_health_input
        where account_key = any(:accounts) and day = :day and known_to > :known_at
        order by account_key, known_to
    ) as f
    where f.input is not null
    union all
    select i.* from {health.INPUT} as i
    where account_key = any(:accounts) and day = :day and not exists (
        select from meta.former_health_input as f
        where f.account_key = i.account_key and f.day = i.day and f.known_to > :known_at
    )
)"""  # noqa: S608 - names of this project
_GAPS = sa.text(
    "select substr(metric_id, length(:prefix) + 1) from meta.metric_gap"
    " where metric_id like :prefix || '%' and from_day = date '1990-01-01'"
)
