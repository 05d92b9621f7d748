"""Ingest against a source in memory. The contracts are tested with the contracts; here a rule is a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

import include.contracts
from include.connections import Connection
from include.sources import ingest, registry
from include.warehouse.engine import engine
from tests.integration.fake_source import START, FakeSource, record


@dataclass
class FakeContracts:
    """Passes every batch, unless told which to hold."""

    hold: Callable[[str], str] = lambda entity: ""
    judged: list[int] = field(default_factory=list)

    def validate(self, source_id: str, *, run_id: str = "") -> list[SimpleNamespace]:
        with engine("loader").begin() as connection:
            waiting = connection.execute(
                sa.text(
                    "select batch_id, entity, n_rows from meta.batch where source = :source and state = 'closed'"
                    " and validated_at is null order by batch_id"
                ),
                {"source": source_id},
            ).all()
            out = []
            for batch_id, entity, n_rows in waiting:
                because = self.hold(entity)
                connection.execute(
                    sa.text(
                        "update meta.batch set validated_at = now(), held_because = :because, state = :state"
                        " where batch_id = :id"
                    ),
                    {"id": batch_id, "because": because, "state": "held" if because else "closed"},
                )
                out.append(
                    SimpleNamespace(
                        batch_id=batch_id, entity=entity, n_rows=n_rows, n_quarantined=0, held_because=because
                    )
                )
        self.judged += [each.batch_id for each in out]
        return out


@pytest.fixture
def contracts(monkeypatch: pytest.MonkeyPatch) -> FakeContracts:
    fake = FakeContracts()
    monkeypatch.setattr(include.contracts, "validate", fake, raising=False)
    return fake


@pytest.fixture
def crm(warehouse: str, contracts: FakeContracts, monkeypatch: pytest.MonkeyPatch, tmp_path) -> FakeSource:
    """A CRM with five accounts and one contact, read at START + 1 h."""
    monkeypatch.delenv("PERENNIAL_CONFIG_DIR", raising=False)
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PERENNIAL_NOW", START.replace(hour=1).isoformat())
    source = FakeSource(
        {"account": [record(str(i), i) for i in range(5)], "contact": [record("9", 1, account_id="1", name=None)]}
    )
    monkeypatch.setattr(ingest.connections, "get", lambda id: Connection(id=id, vendor="hubspot"))
    monkeypatch.setattr(registry, "connect", lambda connection: source)
    return source
