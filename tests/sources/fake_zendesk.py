"""A Zendesk in memory: exports by cursor and by time, with inclusive seconds, held-back minutes and page limits."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.sources.fake import Reply, Request

MOST = 1000
KINDS = ("tickets", "ticket_events", "users", "organizations", "satisfaction_ratings")


def iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class FakeZendesk:
    """Records by kind and id.

    Args:
        now: Seconds since the epoch.
        before: Called with each request before it is answered; may edit, or return a reply of its own.
        most: The most rows that an export's page has, whatever is asked for.
        lag: Seconds until exports other than that of tickets show a change.
    """

    now: int = 1_750_000_000
    before: Callable[[Request], Reply | BaseException | None] = lambda request: None
    most: int = MOST
    lag: int = 0
    has_end_of_stream: bool = True
    rows: dict[str, dict[int, dict[str, Any]]] = field(default_factory=lambda: {name: {} for name in KINDS})
    known_cursors: set[str] | None = None
    seen: list[Request] = field(default_factory=list)

    def put(self, name: str, one: int, /, at: int | None = None, **values: Any) -> None:
        at = self.now if at is None else at
        row = self.rows[name].setdefault(one, {"id": one, "created_at": iso(at)})
        row |= values | {"updated_at": iso(at), "generated_timestamp": at}

    def delete_ticket(self, one: int) -> None:
        """Delete: the status changes and the stream shows it again, but `updated_at` does not move."""
        self.rows["tickets"][one] |= {"status": "deleted", "generated_timestamp": self.now}

    def __call__(self, request: Request) -> Reply | BaseException:
        self.seen.append(request)
        assert request.headers["Authorization"] == "Basic " + base64.b64encode(b"a@b.c/token:t0ken").decode()
        own = self.before(request)
        if own is not None:
            return own
        parts = request.path.removeprefix("/api/v2/").split("/")
        if parts[0] == "incremental":
            return self._export(request, parts[1], by_cursor=parts[-1] == "cursor")
        if parts[-1] == "show_many":
            ids = [int(one) for one in request.params["ids"].split(",")]
            assert len(ids) <= 100
            found = [self.rows[parts[0]][one] for one in ids if one in self.rows[parts[0]]]
            return 200, {parts[0]: [row for row in found if row.get("status") != "deleted"]}
        if parts[-1] == "merges":
            return 200, {"organization_merges": []}
        return self._list(request, parts[0])

    def _export(self, request: Request, name: str, by_cursor: bool) -> Reply:
        params = request.params
        assert int(params["per_page"]) <= MOST
        size = min(int(params["per_page"]), self.most)
        held_back = 60 if name in ("tickets", "ticket_events") else self.lag
        rows = [row for row in self.rows[name].values() if row["generated_timestamp"] <= self.now - held_back]
        rows.sort(key=lambda row: (row["generated_timestamp"], row["id"]))
        cursor = params.get("cursor")
        if cursor:
            if self.known_cursors is not None and cursor not in self.known_cursors:
                return 422, {"error": "InvalidCursor", "description": "no such cursor"}
            at, one = (int(part) for part in base64.b64decode(cursor).decode().split("|"))
            rest = [row for row in rows if (row["generated_timestamp"], row["id"]) > (at, one)]
        else:
            start = int(params["start_time"])
            if start > self.now - 60:
                return 422, {"error": "InvalidValue", "description": "Too recent start_time"}
            rest = [row for row in rows if row["generated_timestamp"] >= start]
        page = rest[:size]
        last = page[-1] if page else None
        body: dict[str, Any] = {name: [dict(row) for row in page], "count": len(page)}
        if self.has_end_of_stream or by_cursor:
            body["end_of_stream"] = len(rest) <= size
        if by_cursor:
            after = f"{last['generated_timestamp']}|{last['id']}" if last else None
            body["after_cursor"] = base64.b64encode(after.encode()).decode() if after else cursor
            body["after_url"] = "https://elsewhere.example/steal"
        else:
            body["end_time"] = last["generated_timestamp"] if last else None
            body["next_page"] = "https://elsewhere.example/steal" if last and len(rest) > size else None
        return 200, body

    def _list(self, request: Request, name: str) -> Reply:
        params = request.params
        since, until = int(params.get("start_time", 0)), int(params.get("end_time", 2**40))
        start, size = int(params.get("page[after]", 0)), min(int(params["page[size]"]), self.most)
        assert int(params["page[size]"]) <= 100
        rows = [row for _, row in sorted(self.rows[name].items()) if row.get("status") != "deleted"]
        if params.get("sort") == "-updated_at":
            rows.sort(key=lambda row: (row["updated_at"], row["id"]), reverse=True)
        rows = [row for row in rows if since <= row["generated_timestamp"] <= until]
        page = rows[start : start + size]
        more = len(rows) > start + size
        meta = {"has_more": more, "after_cursor": str(start + size) if more else None}
        return 200, {name: [dict(row) for row in page], "meta": meta, "links": {"next": "https://elsewhere.example/"}}
