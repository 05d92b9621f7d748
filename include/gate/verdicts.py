"""The gate: whether the data of a source, an entity and an account is good enough to act on.

A verdict is *green* when everything was read and merged within the source's limit. It is *red* when a batch is held, a
step failed or the first load is not complete. It is *stale* when the last complete read is older than it should be
(``stale_after_minutes``); the source's owner is then notified. Red blocks every action. For a stale source, each kind
of action has its own limit on the age of the data (``oldest_data_hours``). Verdicts are written at the end of every
ingest run; the age is checked again on every request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from include.common import clock, formatting
from include.common.texts import N_, gettext
from include.config import load
from include.config.models import SourceSettings
from include.gate import newest_build, quarantined_accounts, source_failures
from include.warehouse.engine import engine

State = Literal["green", "red", "stale", "unknown"]
_WORST_FIRST: tuple[State, ...] = ("red", "stale", "unknown", "green")
_SHOWN = 3  # reasons named in a source's verdict; the verdicts of its entities have all of them


@dataclass(frozen=True)
class Verdict:
    """The gate's verdict on a source or on one of its entities.

    Args:
        kind: crm, support or product.
        entity: "" for the whole source.
        state: green, red, stale or unknown.
        reason: Why it is not green.
        cure: How to fix it.
        watermark: The time up to which the source was completely read; for a whole source, the earliest of its
            entities.
        since: When it entered this state.
    """

    source: str
    kind: str
    entity: str
    state: State
    reason: str = ""
    cure: str = ""
    watermark: datetime | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class Reason:
    """Why a source may not be acted on. As a string, it is a sentence in the reader's language.

    Args:
        values: The values of its placeholders. What they quote of a verdict is English.
    """

    text: str
    values: Mapping[str, object] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return gettext(self.text, **{name: _shown(value) for name, value in self.values.items()})


def _shown(value: object) -> object:
    return formatting.utc(value) if isinstance(value, datetime) else formatting.shown(value)


def unlisted(source: str) -> Reason:
    """Return the reason for a source that the settings do not list."""
    return Reason(N_("{source} is not a source in the settings"), {"source": source})


def publish(source: str, entities: Sequence[str]) -> Verdict:
    """Judge a source and its entities, and write the verdicts.

    Args:
        source: Connection id, listed in the settings.
        entities: The source's entities.

    Returns:
        The verdict on the whole source.
    """
    settings = load().listed(source)
    now = clock.now()
    with engine("loader").begin() as connection:
        failed = source_failures.of_source(connection, source)
        found = [_judge(connection, settings, entity, failed, now) for entity in entities]
        source_verdict = _source_verdict(settings, found, failed)
        for verdict in (*found, source_verdict):
            connection.execute(_WRITE, vars(verdict) | {"now": now})
        connection.execute(
            sa.text("delete from meta.verdict where source = :source and entity <> '' and entity <> all(:entities)"),
            {"source": source, "entities": list(entities)},
        )
    return next(verdict for verdict in verdicts() if verdict.source == source and not verdict.entity)


def verdicts() -> list[Verdict]:
    """Return every verdict, sources before their entities, with stale ones marked as of now."""
    now = clock.now()
    with engine("reader").connect() as connection:
        rows = connection.execute(
            sa.text(
                "select source, kind, entity, state, reason, cure, watermark, since from meta.verdict"
                " order by source, entity"
            )
        )
        return [_with_staleness(Verdict(**row), now) for row in rows.mappings()]


def limit(kind: str) -> timedelta:
    """Return the maximum age of the data for a kind of action (``oldest_data_hours``)."""
    limits = load().oldest_data_hours
    return timedelta(hours=limits.get(kind, limits.get("default", 36)))


def held_features(source: str) -> list[RowMapping]:
    """Return the features of a source whose tracking broke, with the day and the number of silent accounts."""
    with engine("reader").connect() as connection:
        query = sa.text("select * from meta.feature_hold where source = :source order by feature")
        return list(connection.execute(query, {"source": source}).mappings())


def sources_ready(
    reads: Iterable[str], kind: str, now: datetime | None = None, built: Mapping[str, datetime] | None = None
) -> list[str]:
    """Return why sources may not be acted on, in sentences; nothing if they may. See ``blockers``."""
    return [str(reason) for reason in blockers(reads, kind, now, built)]


def blockers(
    reads: Iterable[str], kind: str, now: datetime | None = None, built: Mapping[str, datetime] | None = None
) -> list[Reason]:
    """Return why sources may not be acted on; nothing if they may.

    A red source blocks every action. A stale source blocks the kinds of action for which its data is too old. A message
    sent on stale data says how old the data is.

    Args:
        reads: Source ids, or kinds of source if no source has that id (``support``: every source of that kind).
        kind: The kind of action, for its limit in ``oldest_data_hours``.
        now: The time to check for; by default the current time.
        built: Watermark per source in the tables; by default that of the newest completed build.
    """
    now = now or clock.now()
    if built is None:
        with engine("reader").connect() as connection:
            newest = newest_build.read(connection)
        built = newest.watermarks if newest else {}
    known = {verdict.source: _with_staleness(verdict, now) for verdict in verdicts() if not verdict.entity}
    reasons: list[Reason] = []
    for name in sorted(set(reads)):
        sources_meant = _sources_named(name)
        if not sources_meant:
            reasons.append(unlisted(name))
        for source in sources_meant:
            reason = _reason(source, known.get(source.id), kind, now) or _behind(source, built, kind, now)
            reasons += [reason] if reason else _unmeasured_features(source)
    return list(dict.fromkeys(reasons))


def quarantined(sources: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the accounts with a row in quarantine or in a held batch, with the reasons.

    Args:
        sources: Source ids or kinds of source.
    """
    sources_meant = {source.id: source.kind for name in set(sources) for source in _sources_named(name)}
    crms = [source.id for source in load().crms]
    with engine("reader").connect() as connection:
        return quarantined_accounts.accounts(connection, sources_meant, crms)


def _sources_named(name: str) -> tuple[SourceSettings, ...]:
    """Return the source with this id, or else all of that kind: a CRM with the id ``crm`` does not mean every CRM."""
    one = load().source(name)
    return (one,) if one else load().of_kind(name)


def _judge(
    connection: Connection, settings: SourceSettings, entity: str, failed: list[RowMapping], now: datetime
) -> Verdict:
    queue = connection.execute(_ENTITY_STATE, {"source": settings.id, "entity": entity}).mappings().one()
    verdict = Verdict(settings.id, settings.kind, entity, "green", watermark=queue["read_until"])
    failure = next((row for row in failed if row["entity"] == entity), None)
    if queue["held_id"]:
        batch = queue["held_id"]
        return replace(
            verdict,
            state="red",
            reason=f"batch {batch} is held: {queue['hold_reason']}",
            cure=f'`python -m include.cli batch show {batch}`, then `batch accept {batch} --reason "…"` or '
            f'`batch drop {batch} --reason "…"`',
        )
    is_partial = failure is not None and failure["error"] == source_failures.PARTIAL
    if failure and not is_partial:
        return replace(verdict, state="red", reason=_failure(failure), cure=failure["cure"])
    if not queue["read_until"]:
        under_way = f", {queue['n_landed']} rows so far" if queue["n_landed"] else ""
        under_way += f"; {failure['reason']}" if failure else ""
        return replace(
            verdict,
            state="red",
            reason=f"was never completely read{under_way}",
            cure=failure["cure"] if failure else f"`python -m include.cli ingest {settings.id} --only {entity}`",
        )
    # An exhausted quota is not a failure while the stored data is fresh enough.
    return _with_staleness(
        replace(verdict, reason=failure["reason"], cure=failure["cure"]) if failure else verdict, now
    )


def _source_verdict(settings: SourceSettings, found: list[Verdict], failed: list[RowMapping]) -> Verdict:
    verdict = Verdict(settings.id, settings.kind, "", "unknown", "has no entities", "map at least one entity")
    watermarks = {each.entity: each.watermark for each in found if each.watermark}
    if len(watermarks) == len(found) and found:
        # Owners are read hourly and contain no facts about customers, so they do not make figures older.
        facts = [watermark for entity, watermark in watermarks.items() if entity != "owner"]
        verdict = replace(verdict, watermark=min(facts or watermarks.values()))
    failure = next((row for row in failed if not row["entity"]), None)
    if failure:
        return replace(verdict, state="red", reason=_failure(failure), cure=failure["cure"])
    if not found:
        return verdict
    state = next(state for state in _WORST_FIRST if any(each.state == state for each in found))
    worst = [each for each in found if each.state == state and each.reason]
    reasons = [f"{each.entity} {each.reason}" for each in worst[:_SHOWN]]
    if len(worst) > _SHOWN:
        reasons.append(f"{len(worst) - _SHOWN} more")
    return replace(verdict, state=state, reason="; ".join(reasons), cure=worst[0].cure if worst else "")


def _failure(failure: RowMapping) -> str:
    times = f" ({failure['n_times']} times)" if failure["n_times"] > 1 else ""
    return f"{failure['step']} has been failing since {failure['since']:%Y-%m-%d %H:%M} UTC{times}: {failure['reason']}"


def _with_staleness(verdict: Verdict, now: datetime) -> Verdict:
    """Return a green verdict as stale if its watermark is too old by now."""
    settings = load().source(verdict.source)
    if verdict.state != "green" or not settings or not verdict.watermark:
        return verdict
    stale_since = verdict.watermark + timedelta(minutes=settings.stale_after_minutes)
    if stale_since >= now:
        return verdict
    return replace(
        verdict,
        state="stale",
        reason=f"has not been completely read since {verdict.watermark:%Y-%m-%d %H:%M} UTC",
        cure=f"`python -m include.cli ingest {verdict.source}`, and check why its runs stopped",
        since=stale_since,
    )


def _reason(source: SourceSettings, verdict: Verdict | None, kind: str, now: datetime) -> Reason | None:
    named: dict[str, object] = {"source": source.id}
    if verdict is None:
        return Reason(N_("{source} was never read"), named)
    if verdict.state not in ("green", "stale"):
        named |= {"state": Reason(verdict.state), "time": verdict.since, "reason": verdict.reason}
        return Reason(N_("{source} has been {state} since {time}: {reason}"), named)
    if verdict.watermark is None:
        return Reason(N_("{source} was never completely read"), named)
    if now - verdict.watermark > limit(kind):
        text = N_(
            "{source} was last completely read at {time}, longer ago than the {hours} hours allowed for this kind of"
            " action"
        )
        return Reason(text, {**named, "time": verdict.watermark, "hours": f"{limit(kind).total_seconds() / 3600:g}"})
    return None


def _behind(source: SourceSettings, built: Mapping[str, datetime], kind: str, now: datetime) -> Reason | None:
    if source.id not in built:
        return Reason(N_("{source} has not been built yet"), {"source": source.id})
    if now - built[source.id] > limit(kind):
        return Reason(N_("{source} has only been built up to {time}"), {"source": source.id, "time": built[source.id]})
    return None


def _unmeasured_features(source: SourceSettings) -> list[Reason]:
    if source.kind != "product":
        return []
    counted, text = load().usage.value_events, N_("usage of {feature} in {source} has not been measured since {day}")
    return [
        Reason(text, {"feature": row["feature"], "source": source.id, "day": row["day"]})
        for row in held_features(source.id)
        if row["feature"] in counted
    ]


_ENTITY_STATE = sa.text(
    """
    select
        (select read_until from meta.cursor where source = :source and entity = :entity) as read_until,
        held.batch_id as held_id,
        held.hold_reason,
        (
            select coalesce(sum(n_rows), 0) from meta.batch
            where source = :source and entity = :entity and state <> 'dropped'
        ) as n_landed
    from (select) as one
    left join lateral (
        select batch_id, hold_reason from meta.batch
        where source = :source and entity = :entity and state = 'held'
        order by batch_id limit 1
    ) as held on true
    """
)

_WRITE = sa.text(
    """
    insert into meta.verdict as known (source, kind, entity, state, reason, cure, watermark, since, checked_at)
    values (:source, :kind, :entity, :state, :reason, :cure, :watermark, :now, :now)
    on conflict (source, entity) do update
    set kind = excluded.kind, state = excluded.state, reason = excluded.reason, cure = excluded.cure,
        watermark = excluded.watermark, checked_at = excluded.checked_at,
        since = case when known.state = excluded.state then known.since else excluded.since end
    """
)
