"""The catalogue: owner, sensitivity and retention of each dataset, the events that arrive, and the definitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from include import config
from include.decide.playbooks import load as playbooks
from include.decide.signals import load as signals
from include.entities.catalog import ENTITIES
from include.models import health, metrics, registry
from include.operations.privacy import erase, free_text
from include.operations.retention import STORES
from include.warehouse.engine import engine

PERSONAL, INTERNAL = "personal", "internal"
LATELY = 28  # days after which an unlisted event is no longer sent


@dataclass(frozen=True)
class Dataset:
    """An entity or a table.

    Args:
        name: ``source.entity`` for what is read, ``layer.table`` for what is built or recorded.
        about: The meaning of a row.
        owner: The name of the person or team.
        sensitivity: personal if one of its columns identifies a person, else internal.
        personal: The columns that do.
        kept_days: Days that its rows are kept; None for as long as the account exists.
        daily_days: Days that it is kept daily; older days are month ends only. 0 for all days.
        used_by: Its readers, other tables aside.
    """

    name: str
    about: str
    owner: str
    sensitivity: str
    personal: tuple[str, ...] = ()
    kept_days: int | None = None
    daily_days: int = 0
    used_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Definition:
    """A definition that people rely on: a metric, a health profile, a signal, a playbook or the tracking plan.

    Args:
        since: The first day that it applies to; None for all days.
    """

    kind: str
    name: str
    title: str
    version: int
    owner: str = ""
    since: date | None = None


@dataclass(frozen=True)
class PlannedEvent:
    """An event of a source, as planned and as it arrives.

    Args:
        state: arrives, missing, unlisted, ended for an unlisted one that is no longer sent, or unknown while usage has
            not been read completely.
        counts_as: value, key feature, both, or neither.
    """

    source: str
    event: str
    state: str
    owner: str = ""
    about: str = ""
    feature: str = ""
    properties: tuple[str, ...] = ()
    counts_as: tuple[str, ...] = ()
    first_day: date | None = None
    last_day: date | None = None


def datasets() -> list[Dataset]:
    return [*_entities(), *_tables(), *_records()]


def definitions() -> list[Definition]:
    """Return the definitions in force; of a health profile each version."""
    plan, owners = config.load().tracking_plan, registry.owners()
    found = [
        Definition("metric", one.id, one.entry.title, one.entry.version, owners[one.owner].name)
        for one in metrics.load().values()
    ]
    for profile in health.load().profiles:
        found.append(Definition("health profile", profile.name, "", profile.version, since=profile.valid_from))
    for kind, loaded in (("signal", signals.load()), ("playbook", playbooks.load())):
        found += [Definition(kind, one.file.name, one.file.title, one.file.version) for one in loaded.values()]
    return [*found, Definition("tracking plan", "tracking_plan", "", plan.version)]


def events() -> list[PlannedEvent]:
    """Return the events that arrived, by source, and those of the tracking plan that never did.

    A planned event arrives if one of the product's sources has it. The day on which a source was last read is not over,
    so the day before counts.
    """
    settings = config.load()
    sources = [one.id for one in settings.of_kind("product")]
    with engine("reader").connect() as connection:
        rows = connection.execute(_SEEN, {"sources": sources}).mappings().all()
        unread = set(connection.execute(_UNREAD).scalars())
    yesterday = config.today() - timedelta(days=1)
    newest = {row["source"]: yesterday for row in rows if row["source"] not in unread}
    for source in newest:
        newest[source] = min(yesterday, max(row["last_day"] for row in rows if row["source"] == source))
    last: dict[str, date] = {}
    for row in rows:
        last[row["event"]] = max(row["last_day"], last.get(row["event"], row["last_day"]))
    found = [
        _event(
            row["source"],
            row["event"],
            newest.get(row["source"]),
            last[row["event"]] if row["event"] in settings.tracking_plan.events else row["last_day"],
            row,
        )
        for row in rows
    ]
    never = [name for name in sorted(settings.tracking_plan.events) if name not in last]
    return [*found, *(_event(source, name, newest.get(source)) for source in sources[:1] for name in never)]


def _event(
    source: str, name: str, newest: date | None, last: date | None = None, row: Mapping[Any, Any] | None = None
) -> PlannedEvent:
    settings = config.load()
    planned = settings.tracking_plan.events.get(name)
    since = newest and (planned.missing_since(newest) if planned else newest - timedelta(days=LATELY))
    is_late = since and (not last or last <= since)
    states = ("missing", "arrives") if planned else ("ended", "unlisted")
    return PlannedEvent(
        source,
        name,
        "unknown" if newest is None else states[0 if is_late else 1],
        planned.owner.name if planned else "",
        planned.description if planned else "",
        planned.feature if planned else "",
        planned.properties if planned else (),
        tuple(
            label
            for label, names in (("value", settings.usage.value_events), ("key feature", settings.usage.key_features))
            if name in names
        ),
        row["first_day"] if row else None,
        row["last_day"] if row else None,
    )


_SEEN = sa.text("select * from meta.event_seen where source = any(:sources) order by source, event")
_UNREAD = sa.text("select source from meta.unread where entity = 'usage_day'")


def _entities() -> Iterator[Dataset]:
    for source in config.load().sources:
        for entity in ENTITIES.values():
            if entity.kind == source.kind:
                sensitivity = PERSONAL if entity.sensitive else INTERNAL
                yield Dataset(
                    f"{source.id}.{entity.name}",
                    "",
                    source.owner.name,
                    sensitivity,
                    entity.sensitive,
                    used_by=("core",),
                )


def _tables() -> Iterator[Dataset]:
    owners = registry.owners()
    for name, model in registry.load().items():
        meta = model.metadata
        personal = tuple(column for column, one in meta.columns.items() if one.sensitivity == PERSONAL)
        yield Dataset(
            name,
            " ".join(meta.description.split()),
            owners[meta.owner].name,
            PERSONAL if personal else INTERNAL,
            personal,
            daily_days=meta.daily_days,
            used_by=meta.consumers,
        )


def _records() -> Iterator[Dataset]:
    kept, owner = config.load().retention, registry.owners()["data_team"].name
    with_persons = {*free_text.WITH_PERSONS, "quarantine.record", "ops.touch_contact"}
    for store in STORES:
        sensitivity = PERSONAL if store.table in with_persons else INTERNAL
        yield Dataset(store.name, "", owner, sensitivity, kept_days=getattr(kept, store.setting))
    # A mark of a person's data must follow it into what is made of it, so erasure names these tables:
    # https://github.com/open-metadata/OpenMetadata/issues/16400
    for name in sorted({*with_persons, *erase.BY_ACCOUNT_KEY} - {store.name for store in STORES}):
        yield Dataset(name, "", owner, PERSONAL if name in with_persons else INTERNAL)
