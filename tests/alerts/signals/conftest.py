"""A house whose sources give every entity, and tables of subjects without anybody in them."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from include.sources.entities import ENTITIES
from include.warehouse.engine import engine
from tests.alerts.house import House
from tests.alerts.signals import subjects_store

SOURCES = {"crm": "crm", "support": "support", "product": "product_db"}


class Ward:
    """A house with subjects."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._rows: dict[str, tuple[dict[str, Any], ...]] = {"account": (), "contact": (), "former": ()}

    def give(self, about: str, *rows: dict[str, Any]) -> None:
        """Replace the subjects of a kind."""
        self._rows[about] = rows
        subjects_store.store(self.house.now.date(), about, *rows)

    def set_clock(self, now: Any) -> None:
        """Set the time, with tables built for its day and all sources read just before."""
        self.house.set_clock(now)
        note_entities(now)
        for about, rows in self._rows.items():
            subjects_store.store(now.date(), about, *rows)


def note_entities(now: Any) -> None:
    """Say that every entity was judged."""
    with engine("owner").begin() as connection:
        for entity in ENTITIES.values():
            connection.execute(
                sa.text(
                    "insert into meta.verdict (source, kind, entity, state, reason, watermark, since, checked_at)"
                    " values (:source, :kind, :entity, 'green', '', :now, :now, :now) on conflict do nothing"
                ),
                {"source": SOURCES[entity.kind], "kind": entity.kind, "entity": entity.name, "now": now},
            )


@pytest.fixture
def ward(house: House) -> Ward:
    """See ``Ward``; the signals were looked at before, on a day on which nobody had anything."""
    house.renewals()
    built = Ward(house)
    built.set_clock(house.now)
    house.decide(decision_id="first scan")
    return built
