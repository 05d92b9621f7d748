"""A source in memory: records with a clock, paged in order, that can fail or be killed at any page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from include.sources.base import Page, Record

START = datetime(2026, 1, 1, tzinfo=UTC)


def record(id: str, at: float = 0, *, is_deleted: bool = False, **values: Any) -> Record:
    """A record whose source clock is ``at`` minutes after START."""
    moment = START + timedelta(minutes=at)
    return Record(id, {"name": id, **values}, {"id": id}, moment, is_deleted)


@dataclass
class FakeSource:
    """Reads records by (clock, id); a mark is the last pair read, and holds all that a read needs."""

    records: dict[str, list[Record]] = field(default_factory=dict)
    vendor: str = "hubspot"
    kind: str = "crm"
    page_size: int = 2
    before_page: Callable[[str, int], None] = lambda entity, n: None
    reads: list[dict[str, Any]] = field(default_factory=list)

    def entities(self) -> tuple[str, ...]:
        return tuple(self.records)

    def read(
        self,
        entity: str,
        *,
        position: dict | None,
        mark: dict | None = None,
        until: datetime,
        since: datetime | None = None,
        full: bool = False,
    ) -> Iterator[Page]:
        self.reads.append(
            {"entity": entity, "position": position, "mark": mark, "until": until, "since": since, "full": full}
        )
        if mark:
            low = (mark["at"], mark["id"])
        elif full or position is None:
            low = ("", "")
        else:
            low = (position["at"], "")
        if since and not mark:
            low = (since.isoformat(), "")
        upto = until.isoformat()
        found = sorted((r.source_at.isoformat(), r.id, r) for r in self.records[entity])  # type: ignore[union-attr]
        wanted = [(at, id, r) for at, id, r in found if low < (at, id) and at <= upto]
        for n in range(0, len(wanted) + 1, self.page_size):
            self.before_page(entity, n // self.page_size)
            part = wanted[n : n + self.page_size]
            last = {"at": part[-1][0], "id": part[-1][1]} if part else {"at": low[0], "id": low[1]}
            is_last = n + self.page_size >= len(wanted) + 1
            yield Page([r for _, _, r in part], last, {"at": upto} if is_last else None, until if is_last else None)
            if is_last:
                return
