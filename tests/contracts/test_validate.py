"""Judging whole batches on a real PostgreSQL."""

from __future__ import annotations

import pytest

from include.contracts.catalogue import of_entity
from include.contracts.validate import validate
from include.sources.entities import ENTITIES, of_kind
from tests.contracts.landed import batch, fetch, good, land, source_of


@pytest.mark.parametrize("kind", ["crm", "support", "product"])
def test_a_good_world_keeps_every_rule(warehouse: str, kind: str) -> None:
    batches = {entity.name: land(entity.name, good(entity.name, 5), is_first_load=True) for entity in of_kind(kind)}
    verdicts = validate(source_of(of_kind(kind)[0].name))
    assert [verdict.broken for verdict in verdicts] == [()] * len(batches)
    assert [(verdict.batch_id, verdict.state) for verdict in verdicts] == [(i, "passed") for i in batches.values()]
    for entity, batch_id in batches.items():
        found = batch(batch_id)
        assert (found["state"], found["n_quarantined"], found["held_because"]) == ("closed", 0, "")
        assert found["validated_at"] is not None
        kept = {
            row["rule_id"]: row for row in fetch("select * from meta.rule_result where batch_id = :id", id=batch_id)
        }
        assert {rule.id for rule in of_entity(entity) if rule.scope == "row"} <= set(kept)
        assert all(row["is_passed"] and row["n_bad"] == 0 and row["n_rows"] == 5 for row in kept.values())
    assert fetch("select * from quarantine.record") == []


def test_every_entity_has_a_contract() -> None:
    for name in ENTITIES:
        assert len(of_entity(name)) > 8, name
