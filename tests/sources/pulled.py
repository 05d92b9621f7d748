"""What a loader would hold of a source, without a warehouse: for tests of sources against the sandbox."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from include import connections
from include.sources.base import Record
from include.sources.registry import connect
from tests.sandbox_fixture import NOW, SandboxProcess

START = datetime.fromisoformat(NOW)


class Copy:
    """What a loader holds of one source: the newest version of each record."""

    def __init__(self, source_id: str, *entities: str) -> None:
        self.source = connect(connections.get(source_id))
        self.rows: dict[str, dict[str, Record]] = {entity: {} for entity in entities or self.source.entities()}
        self.positions: dict[str, Any] = {}

    def pull(self, until: datetime, **options: Any) -> int:
        """Read all entities and return how many records came."""
        n_records = 0
        for entity, rows in self.rows.items():
            for page in self.source.read(entity, position=self.positions.get(entity), until=until, **options):
                n_records += len(page.records)
                for record in page.records:
                    known = rows.get(record.id)
                    if (
                        known is None
                        or None in (known.source_at, record.source_at)
                        or known.source_at <= record.source_at
                    ):
                        rows[record.id] = record
                if page.next_position:
                    self.positions[entity] = page.next_position
        return n_records

    def live(self, entity: str) -> set[str]:
        # A deactivated owner still owns records: for us it is not deleted, only not active.
        return {
            one
            for one, record in self.rows[entity].items()
            if not record.is_deleted and not (entity == "owner" and not record.values["is_active"])
        }


def truth(sandbox: SandboxProcess, entity: str) -> set[str]:
    return {str(one) for one in sandbox.truth()[entity]["live_ids"]}


def later(sandbox: SandboxProcess, **by: float) -> datetime:
    at = START + timedelta(**by)
    sandbox.now(at.isoformat())
    return at
