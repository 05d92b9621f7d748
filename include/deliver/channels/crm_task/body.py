"""Check the content of planned tasks, and convert it to plain text for CRMs that show no HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser

from include.deliver.channels.base import Undeliverable
from include.outbox.store import Delivery

_NEEDED = {"subject", "html", "due_at", "priority", "company_id"}
_NEEDED_TO_CLOSE = {"closes", "note"}
_BREAKS = {"br", "p", "div", "li", "tr", "h1", "h2", "h3"}


def closes(delivery: Delivery) -> bool:
    """Return whether a delivery closes an existing task. It names that task's key."""
    return "closes" in delivery.body


def stay_closed(deliveries: Sequence[Delivery]) -> dict[str, str]:
    """Return why deliveries that closed a task cannot be withdrawn, by key."""
    return {delivery.key: "a closed task stays closed" for delivery in deliveries if closes(delivery)}


def check(delivery: Delivery) -> None:
    """Check that a delivery contains all fields of a task, or all that are needed to close one.

    Raises:
        Undeliverable: It was planned by a version that wrote tasks in another form.
    """
    if missing := (_NEEDED_TO_CLOSE if closes(delivery) else _NEEDED) - delivery.body.keys():
        raise Undeliverable(
            f"the planned task has no {min(missing)}", cure="raise the playbook's version, so that it starts again"
        )


def zone(delivery: Delivery) -> str:
    """Return the time zone of the task's due date."""
    return str(delivery.body.get("zone") or "UTC")


def plain(html: str) -> str:
    """Return HTML as plain text, with each link's URL after its text."""
    parser = _Plain()
    parser.feed(html)
    parser.close()
    lines = (" ".join(line.split()) for line in "".join(parser.parts).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Plain(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BREAKS:
            self.parts.append("\n- " if tag == "li" else "\n")
        if tag == "a":
            self._links.append(dict(attrs).get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._links and (address := self._links.pop()):
            self.parts.append(f" ({address})")

    def handle_data(self, data: str) -> None:
        self.parts.append(re.sub(r"\s+", " ", data))
