"""Adoption of releases in their first 28 days, against the goal that was set before, and what became of retention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

import orjson
import sqlalchemy as sa

from include import config
from include.config import releases as settings
from include.config.releases import Release
from include.gate import newest_build
from include.warehouse import locks
from include.warehouse.engine import has_table

DAYS = 28
READ_DAYS = 2  # after which use of a day is normally read
LATE_DAYS = 14  # how long a result waits for late usage data
MOST_LATE = 0.1  # share of the targets whose usage may be missing at once
FEWEST_USERS, FEWEST_WEEKS = 3, 2
TWO_QUARTERS = 183  # days after which the features analysis is asked about its effect on retention
TABLES = ("marts.account_day", "core.usage_day", "core.product_start", "core.usage_gap")
Verdict = Literal["too_early", "no_goal", "no_targets", "reached_goal", "missed_goal"]


@dataclass(frozen=True)
class Version:
    """A release as its file said from a day on."""

    known_on: date
    released_on: date
    definition: dict[str, Any]


def in_force(versions: Sequence[Version]) -> tuple[Version, bool]:
    """Return the version that a release is judged by, and whether it was known by the day of the release.

    Args:
        versions: In order of time; at least one.
    """
    kept = None
    for version in versions:
        if kept and version.known_on > kept.released_on:
            break  # it has shipped: what somebody writes afterwards is not a goal
        if version.known_on <= version.released_on:
            kept = version
    return (kept, True) if kept else (versions[-1], False)


def note_goals(connection: sa.Connection) -> int:
    """Store each release as its file says now, if that has changed. Return how many changed."""
    now = locks.now(connection)
    rows = [
        {"release": one.name, "day": one.released_on, "goal": one.goal, "now": now,
         "definition": orjson.dumps(one.definition, option=orjson.OPT_SORT_KEYS).decode()}
        for one in settings.load().values()
    ]  # fmt: skip
    return sum(connection.execute(_NOTE, row).rowcount for row in rows)


def judge(connection: sa.Connection) -> dict[str, str]:
    """Count adoption of each release with a stored goal whose 28 days are not stored as final yet.

    Returns:
        Release -> verdict, of those that were counted.
    """
    newest = newest_build.read(connection)
    if newest is None or not all(has_table(connection, name) for name in TABLES):
        return {}
    final = set(connection.execute(_FINAL).scalars())
    counted = []
    for one in settings.load().values():
        versions = _versions(connection, one.name)
        if one.name in final or not versions:
            continue
        version, is_in_time = in_force(versions)
        if version.released_on < newest.newest_day:
            row = _count(connection, one, version, newest.newest_day)
            if row:
                goal = version.definition["goal"] if is_in_time else None
                connection.execute(_KEEP, {**row, "goal": goal, "now": locks.now(connection)})
                counted.append(one.name)
    return {row["release"]: row["verdict"] for row in stored(connection) if row["release"] in counted}


def _versions(connection: sa.Connection, release: str) -> list[Version]:
    named = {"release": release, "zone": config.load().reporting_zone}
    return [Version(row.known_on, row.released_on, row.definition) for row in connection.execute(_VERSIONS, named)]


def _count(connection: sa.Connection, one: Release, version: Version, newest: date) -> dict[str, Any] | None:
    """Count a release; None if there are no customers on record for its day."""
    asked, day = version.definition, version.released_on
    named = {
        "day": day,
        "end": min(day + timedelta(days=DAYS), newest),
        "features": asked["features"],
        "before": day - timedelta(days=DAYS),
        **{name: [each.lower() for each in asked["target"][name]] for name in settings.Target.model_fields},
        "users": FEWEST_USERS,
        "weeks": FEWEST_WEEKS,
    }
    row = connection.execute(_COUNT, named).mappings().one()
    if not row["has_day"]:
        return None
    about = [name.lower() for name in asked["named"] or asked["features"]]
    n_tickets = None
    if has_table(connection, "core.ticket_triage"):
        n_tickets = connection.execute(_TICKETS, {"day": day, "end": named["end"], "about": about}).scalar()
    is_late = row["n_late"] > MOST_LATE * (row["n_targets"] + row["n_late"])
    final = newest >= day + timedelta(days=DAYS + (LATE_DAYS if is_late else READ_DAYS))
    return {**row, "release": one.name, "day": day, "n_tickets": n_tickets, "is_final": final}


def stored(connection: sa.Connection) -> list[dict[str, Any]]:
    """Return the counted releases, newest first, with verdict and shares."""
    rows = [dict(row) for row in connection.execute(_STORED).mappings()]
    known = settings.load()
    for row in rows:
        release = known.get(row["release"])
        row["title"] = release.title if release else row["release"]
        row["reach"] = row["n_reached"] / row["n_targets"] if row["n_targets"] else None
        row["adoption"] = row["n_adopted"] / row["n_targets"] if row["n_targets"] else None
        row["of_reached"] = row["n_adopted"] / row["n_reached"] if row["n_reached"] else None
        row["verdict"] = verdict(row)
    return rows


def with_effects(connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return releases with their effect on retention.

    ``effects`` are the features analysis' newest findings of its features, None until two quarters have passed.
    """
    known, newest = settings.load(), [dict(one) for one in connection.execute(_EFFECTS).mappings()]
    made = []
    for row in rows:
        features = known[row["release"]].features if row["release"] in known else ()
        since = row["released_on"] + timedelta(days=TWO_QUARTERS)
        found = [one for one in newest if one["feature"] in features and one["month"] >= since]
        made.append({**row, "effects": found or None})
    return made


def verdict(row: dict[str, Any]) -> Verdict:
    """Return what is known of a release: against its goal only after its days, and if the goal was set in time."""
    if not row["is_final"]:
        return "too_early"
    if not row["n_targets"]:
        return "no_targets"
    if row["goal"] is None:
        return "no_goal"
    is_reached = round(row["n_adopted"] / row["n_targets"] - row["goal"], 9) >= 0
    return "reached_goal" if is_reached else "missed_goal"


_NOTE = sa.text("""
insert into meta.release_goal (release, released_on, goal, definition, known_from)
select :release, :day, :goal, cast(:definition as jsonb), :now
where not exists (
    select from (
        select definition from meta.release_goal where release = :release order by known_from desc limit 1
    ) as l
    where l.definition = cast(:definition as jsonb)
)
""")
_VERSIONS = sa.text(
    "select cast(known_from at time zone :zone as date) as known_on, released_on, definition from meta.release_goal"
    " where release = :release order by known_from"
)
_FINAL = sa.text("select release from meta.release_adoption where is_final")
# Of days that are no longer kept, the last kept one before.
_COUNT = sa.text("""
with customers as (
    select d.account_key,
        p.first_day <= :day and (g.from_day is null or g.from_day >= :end) as is_known,
        p.first_day <= :day and g.from_day < :end as is_late
    from marts.account_day as d
    left join core.product_start as p on p.account_key = d.account_key
    left join core.usage_gap as g on g.account_key = d.account_key
    where d.day = (select max(day) from marts.account_day where day <= :day)
        and d.is_customer
        and (cardinality(cast(:tiers as text[])) = 0 or lower(d.tier) = any(:tiers))
        and (cardinality(cast(:industries as text[])) = 0 or lower(d.industry) = any(:industries))
        and (cardinality(cast(:regions as text[])) = 0 or lower(d.region) = any(:regions))
        and (cardinality(cast(:used as text[])) = 0 or exists (
            select from core.usage_day as b
            where b.account_key = d.account_key and b.day >= :before and b.day < :day and b.feature = any(:used)
        ))
),

used as (
    select account_key, count(distinct user_key) as n_users, count(distinct (day - cast(:day as date)) / 7) as n_weeks
    from core.usage_day
    where day >= :day and day < :end and feature = any(:features) and n_events > 0
    group by account_key
)

select
    exists (select from marts.account_day where day <= :day) as has_day,
    count(*) filter (where c.is_known) as n_targets,
    count(*) filter (where c.is_known is not true) as n_unknown,
    count(*) filter (where c.is_late) as n_late,
    count(*) filter (where c.is_known and u.n_users >= 1) as n_reached,
    count(*) filter (where c.is_known and (u.n_users >= :users or u.n_weeks >= :weeks)) as n_adopted
from customers as c
left join used as u on u.account_key = c.account_key
""")
_TICKETS = sa.text(
    "select case when exists (select from core.ticket_triage) then count(*) end from core.ticket_triage"
    " where known_to is null and created_day >= :day and created_day < :end and lower(about) = any(:about)"
)
_KEEP = sa.text(
    "insert into meta.release_adoption as present (release, released_on, goal, n_targets, n_unknown, n_reached,"
    " n_adopted, n_tickets, is_final, judged_at) values (:release, :day, :goal, :n_targets, :n_unknown, :n_reached,"
    " :n_adopted, :n_tickets, :is_final, :now) on conflict (release) do update set released_on = excluded.released_on,"
    " goal = excluded.goal, n_targets = excluded.n_targets, n_unknown = excluded.n_unknown,"
    " n_reached = excluded.n_reached, n_adopted = excluded.n_adopted, n_tickets = excluded.n_tickets,"
    " is_final = excluded.is_final, judged_at = excluded.judged_at where not present.is_final"
)
_STORED = sa.text("select * from meta.release_adoption order by released_on desc, release")
_EFFECTS = sa.text(
    "select distinct on (feature) feature, month, verdict, difference, low, high from meta.feature_effect"
    " order by feature, month desc"
)
