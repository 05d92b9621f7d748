"""The catalogue: owner, sensitivity and retention of each dataset, the events that arrive, and the definitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from include import config
from include.decide.playbooks import load as playbooks
from include.decide.signals import load as signals
from include.entities.catalog import ENTITIES
from include.models import health, metrics, registry
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
    """Return the events of the tracking plan and those that arrived, by source."""
    settings = config.load()
    with engine("reader").connect() as connection:
        rows = connection.execute(_SEEN).mappings().all()
        unread = set(connection.execute(_UNREAD).scalars())
    seen: dict[str, dict[str, Mapping[Any, Any]]] = {one.id: {} for one in settings.of_kind("product")}
    for row in rows:
        seen.setdefault(row["source"], {})[row["event"]] = row
    return [
        _event(source, name, arrived.get(name), newest)
        for source, arrived in seen.items()
        for newest in [None if source in unread else max((row["last_day"] for row in arrived.values()), default=None)]
        for name in sorted({*settings.tracking_plan.events, *arrived})
    ]


def _event(source: str, name: str, row: Mapping[Any, Any] | None, newest: date | None) -> PlannedEvent:
    settings = config.load()
    planned = settings.tracking_plan.events.get(name)
    is_late = newest and (not row or (newest - row["last_day"]).days >= (planned.within_days if planned else LATELY))
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


_SEEN = sa.text("select * from meta.event_seen order by source, event")
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


# Stores whose rows contain a person's name, address or record.
_WITH_PERSONS = ("quarantine.record", "quarantine.record values", "ops.outbox bodies")


def _records() -> Iterator[Dataset]:
    kept, owner = config.load().retention, registry.owners()["data_team"].name
    for store in STORES:
        sensitivity = PERSONAL if store.name in _WITH_PERSONS else INTERNAL
        yield Dataset(store.name, "", owner, sensitivity, kept_days=getattr(kept, store.setting))
