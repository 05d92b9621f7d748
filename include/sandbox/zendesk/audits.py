"""Ticket updates: all changes and comments within the same second form one update."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from include.sandbox.core import Sandbox
from include.sandbox.http import iso_s
from include.sandbox.store import Item
from include.sandbox.zendesk import render

# The world's field -> Zendesk's name.
FIELDS = {
    "subject": "subject",
    "status": "status",
    "priority": "priority",
    "type": "type",
    "assignee": "assignee_id",
    "organization": "organization_id",
    "requester": "requester_id",
    "satisfaction": "satisfaction_score",
}
SYSTEM = -1


@dataclass
class Update:
    """One update of a ticket.

    Args:
        ticket: The ticket's number.
        at: Seconds since 1970.
        changes: (field, previous value, new value); in the first update the previous value is None.
        comments: The comments added with it.
        is_first: Whether it created the ticket.
        updater: The user who made it.
    """

    ticket: int
    at: int
    changes: list[tuple[str, Any, Any]] = field(default_factory=list)
    comments: list[Item] = field(default_factory=list)
    is_first: bool = False
    updater: int = SYSTEM

    @property
    def id(self) -> int:
        """Its id, which is stable."""
        return _number(self.ticket, self.at, "update")


class Updates:
    """The updates of all tickets, recomputed after each change.

    Args:
        sandbox: The sandbox.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._version = -1
        self._by_ticket: dict[int, list[Update]] = {}
        self._ordered: list[Update] = []

    def of_ticket(self, number: int) -> list[Update]:
        """Return a ticket's updates, oldest first."""
        self._refresh()
        return self._by_ticket.get(number, [])

    def ordered(self) -> list[Update]:
        """Return the updates of all tickets in export order, without those of scrubbed tickets."""
        self._refresh()
        return self._ordered

    def _refresh(self) -> None:
        self._sandbox.now()
        store = self._sandbox.store
        if store.version == self._version:
            return
        comments: dict[int, list[Item]] = {}
        for comment in store.live("comment"):
            comments.setdefault(comment.values["ticket"], []).append(comment)
        self._by_ticket = {
            number: _updates(ticket, comments.get(number, []))
            for number, ticket in store.items("ticket").items()
            if ticket.values.get("subject") != "SCRUBBED"
        }
        found = [update for updates in self._by_ticket.values() for update in updates]
        self._ordered = sorted(found, key=lambda update: (update.at, update.id))
        self._version = store.version


def exported(update: Update, with_comments: bool) -> dict[str, Any]:
    """Return an update in the format of the ticket event export."""
    children: list[dict[str, Any]] = []
    for comment in update.comments:
        if with_comments:
            children.append(render.comment(comment) | {"event_type": "Comment", "via_reference_id": None})
        else:
            children.append(
                {"id": comment.id, "via": "Mail", "via_reference_id": None, "event_type": "Comment",
                 "comment_present": True, "comment_public": comment.values["public"]}
            )  # fmt: skip
    for number, name, before, after in _numbered(update):
        child = {"id": number, "via": "Mail", "via_reference_id": None, name: after, "event_type": "Create"}
        if not update.is_first:
            child |= {"event_type": "Change", "previous_value": before}
        children.append(child)
    return {
        "id": update.id,
        "ticket_id": update.ticket,
        "timestamp": update.at,
        "created_at": iso_s(update.at * 1000),
        "updater_id": update.updater,
        "via": "Mail",
        "system": {"client": None, "location": None, "latitude": None, "longitude": None},
        "metadata": {},
        "event_type": "Audit",
        "child_events": children,
    }


def numbers(update: Update) -> list[int]:
    """Return the ids of an update's comments and changes, except changes of the subject."""
    changes = [number for number, name, _, _ in _numbered(update) if name != "subject"]
    return [comment.id for comment in update.comments] + changes


def audit(update: Update) -> dict[str, Any]:
    """Return an update in the format of a ticket's audits."""
    events: list[dict[str, Any]] = [render.comment(comment) for comment in update.comments]
    for number, name, before, after in _numbered(update):
        event = {"id": number, "type": "Create", "field_name": name, "value": after}
        events.append(event if update.is_first else event | {"type": "Change", "previous_value": before})
    return {
        "id": update.id,
        "ticket_id": update.ticket,
        "created_at": iso_s(update.at * 1000),
        "author_id": update.updater,
        "via": {"channel": "email", "source": {"from": {}, "to": {}, "rel": None}},
        "metadata": {"system": {}, "custom": {}},
        "events": events,
    }


def _updates(ticket: Item, comments: list[Item]) -> list[Update]:
    by_second: dict[int, Update] = {}

    def at(moment: int) -> Update:
        return by_second.setdefault(moment // 1000, Update(ticket.id, moment // 1000))

    for moment, name, before, after in _changes(ticket):
        at(moment).changes.append((name, before, after))
    for comment in comments:
        at(comment.created_at).comments.append(comment)
    updates = [by_second[second] for second in sorted(by_second)]
    assignee: int | None = None
    requester = ticket.values["requester"]
    for update in updates:
        update.is_first = update.at == ticket.created_at // 1000
        new = {name: after for name, _, after in update.changes}
        assignee = new.get("assignee_id") or assignee
        requester = new.get("requester_id") or requester  # the requester at that time: users may be merged later
        update.updater = _updater(update, new, int(requester), assignee)
    return updates


def _changes(ticket: Item) -> Iterator[tuple[int, str, Any, Any]]:
    known: dict[str, Any] = {}
    for change in ticket.log:
        for name, shown in FIELDS.items():
            if name in change.values and change.values[name] != known.get(name):
                before, known[name] = known.get(name), change.values[name]
                yield change.at, shown, _shown(before), _shown(known[name])


def _shown(value: Any) -> Any:
    """Return a value as shown in updates: numbers as strings."""
    return None if value is None else str(value)


def _updater(update: Update, new: dict[str, Any], requester: int, assignee: int | None) -> int:
    if update.comments:
        return update.comments[-1].values["author"]
    if new.get("satisfaction_score") in ("good", "bad") or update.is_first:
        return requester
    return SYSTEM if new.get("status") == "closed" or not assignee else int(assignee)


def _numbered(update: Update) -> Iterator[tuple[int, str, Any, Any]]:
    for position, (name, before, after) in enumerate(update.changes):
        yield _number(update.ticket, update.at, f"{name} {position}"), name, before, after


def _number(*of: object) -> int:
    """Return a stable id for a thing without one in the world, as large as Zendesk's."""
    digest = blake2b(" ".join(str(part) for part in of).encode(), digest_size=6).digest()
    return 10**12 + int.from_bytes(digest)
