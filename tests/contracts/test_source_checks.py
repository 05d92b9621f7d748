"""Rules on a source over time: one late or silent entity fails only its rule."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from include.contracts import source_checks
from include.contracts.catalogue import rules
from include.contracts.limits import LAST_EVENT_HOURS
from include.entities.catalog import ENTITIES, of_kind
from include.gate import verdicts
from include.warehouse.engine import engine
from tests.contracts.landed import LATELY, NOW, SOURCES, fetch, land

RULES = [rule.id for rule in rules() if rule.scope == "source"]


def _read_up_to(source: str, entity: str, **ago: float) -> None:
    with engine("loader").begin() as connection:
        connection.execute(
            sa.text(
                "insert into meta.cursor (source, entity, position, read_until, batch_id) values (:s, :e, '{}', :at, 1)"
                " on conflict (source, entity) do update set read_until = excluded.read_until"
            ),
            {"s": source, "e": entity, "at": NOW - timedelta(**ago)},
        )


@pytest.fixture
def good_world(warehouse: str) -> None:
    """All entities of all sources read a minute ago, with records of three hours ago."""
    for name, entity in ENTITIES.items():
        _read_up_to(SOURCES[entity.kind], name, minutes=1)
        land(name, [], state="merged", merged_at=NOW, newest_at=LATELY)


def _broken(kind: str) -> set[str]:
    source = SOURCES[kind]
    verdicts.publish(source, [entity.name for entity in of_kind(kind)])  # type: ignore[arg-type]
    source_checks.check(source)
    found = fetch("select rule_id, is_passed from meta.source_check where source = :s", s=source)
    assert {row["rule_id"] for row in found} == {rule for rule in RULES if rule.startswith(f"{kind}.")}
    return {row["rule_id"] for row in found if not row["is_passed"]}


def test_good_data_passes_every_rule(good_world: None) -> None:
    assert [_broken(kind) for kind in SOURCES] == [set(), set(), set()]


@pytest.mark.parametrize("kind", SOURCES)
def test_one_bad_entity_fails_only_its_rule(good_world: None, kind: str) -> None:
    for rule in (each for each in RULES if each.startswith(f"{kind}.")):
        _, entity, name = rule.split(".")
        if name == "completely_read":
            _read_up_to(SOURCES[kind], entity, days=3)
            assert _broken(kind) == {rule}
            _read_up_to(SOURCES[kind], entity, minutes=1)
            continue
        old = NOW - timedelta(hours=LAST_EVENT_HOURS[entity], minutes=1)
        with engine("loader").begin() as connection:
            connection.execute(
                sa.text("update meta.batch set newest_at = :at where entity = :e"), {"at": old, "e": entity}
            )
        assert _broken(kind) == {rule}
        assert next(each for each in verdicts.verdicts() if each.source == SOURCES[kind]).state == "green"
        with engine("loader").begin() as connection:
            connection.execute(sa.text("update meta.batch set newest_at = :at"), {"at": LATELY})
