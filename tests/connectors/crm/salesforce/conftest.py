"""A loader's copy of the sandbox org, read as the source ``crm``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest

from include.common import connections
from include.connectors.base import Record
from include.connectors.registry import connect
from include.sandbox.salesforce import ids
from include.sandbox.salesforce.schema import OF_KIND
from include.sandbox.truth import KINDS
from tests.fixtures.sandbox import NOW, SandboxProcess

START = datetime.fromisoformat(NOW)
SOON = START + timedelta(minutes=6)  # records newer than the lag belong to the next read
ENTITIES = ("account", "contact", "owner", "opportunity", "contract_line")


def id_of(entity: str, number: int) -> str:
    """Return the org's id of one of the world's records."""
    return ids.encode(OF_KIND[KINDS[entity]].prefix, number)


class Copy:
    """A loader's copy of the org: the newest version of each record."""

    def __init__(self) -> None:
        self.source = connect(connections.get("crm"))
        self.rows: dict[str, dict[str, Record]] = {entity: {} for entity in ENTITIES}
        self.positions: dict[str, Any] = {}
        self.marks: dict[str, Any] = {}

    def pull(self, until: datetime, *entities: str, **options: Any) -> list[Record]:
        """Read entities (all by default) from their last positions. Return the records read."""
        came: list[Record] = []
        for entity in entities or ENTITIES:
            mark = self.marks.get(entity)
            for page in self.source.read(
                entity, position=self.positions.get(entity), mark=mark, until=until, **options
            ):
                came += page.records
                self._keep(entity, page.records)
                self.marks[entity] = page.mark
                if page.next_position:
                    self.positions[entity] = page.next_position
                    del self.marks[entity]
        return came

    def _keep(self, entity: str, records: Iterable[Record]) -> None:
        for record in records:
            known = self.rows[entity].get(record.id)
            if known is None or known.source_at <= record.source_at:  # type: ignore[operator]
                self.rows[entity][record.id] = record

    def live(self, entity: str) -> set[str]:
        """Return the ids of live records. Deactivated users are not live."""
        return {
            one
            for one, record in self.rows[entity].items()
            if not record.is_deleted and record.values.get("is_active") is not False
        }


def truth(org: SandboxProcess, entity: str) -> set[str]:
    """Return the ids of the org's records."""
    return {id_of(entity, number) for number in org.truth()[entity]["live_ids"]}


def later(org: SandboxProcess, **by: float) -> datetime:
    """Set the world's clock to an offset from the start, and return the time."""
    at = START + timedelta(**by)
    org.now(at.isoformat())
    return at


@pytest.fixture
def org(sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> SandboxProcess:
    """The sandbox org as the source ``crm``."""
    monkeypatch.setenv("AIRFLOW_CONN_CRM", sandbox.connections["AIRFLOW_CONN_SALESFORCE"])
    return sandbox
