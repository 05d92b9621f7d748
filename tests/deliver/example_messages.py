"""Example messages and deliveries for the tests of ``deliver``."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from include.outbox.message import Evidence, Fact, Link, Message
from include.outbox.store import Action, Delivery

NOW = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)

MESSAGE = Message(
    subject="Customer 1: 30 days to the renewal date",
    summary="USD 120,000 a year, decision by Wed 16 Dec 2026.",
    facts=(Fact(label="Customer", value="Customer 1 (standard)"), Fact(label="At stake", value="USD 120,000 a year")),
    why_now="This is the 30-day checkpoint.",
    evidence=(
        Evidence(text="Usage 38% below its baseline.", source="product database", level="risk"),
        Evidence(text="No urgent ticket is open.", source="support desk", level="good"),
    ),
    next_steps=("Call your main contact.",),
    links=(Link(label="Open in the CRM", url="https://crm.example/company/1?a=1&b=2"),),
    footer="Renewal checkpoint 30.",
)
TASK = {
    "subject": "Customer 1: find out why",
    "html": "Call them.<br>",
    "due_at": "2026-11-18T16:00:00.000Z",
    "priority": "HIGH",
    "company_id": "1001",
    "owner_id": "77",
}


def delivery(channel: str = "slack", step: str = "30", **changes: Any) -> Delivery:
    """Return a delivery in state ``sending``."""
    planned = action(channel, step)
    values: dict[str, Any] = {
        "outbox_id": 1,
        "key": planned.key,
        **{name: getattr(planned, name) for name in Action.__dataclass_fields__.keys() & Delivery.__dataclass_fields__},
        "address": "",
        "notified_by": "",
        "external_id": "",
        "n_attempts": 1,
        "next_attempt_at": None,
        "state": "sending",
        "sending_at": NOW,
    }
    values |= {"not_before": None, **changes}
    return Delivery(**{name: value for name, value in values.items() if name != "approval_id"})


def action(channel: str = "slack", step: str = "30", **changes: Any) -> Action:
    """Return a planned reminder, or a planned task for the channel crm_task."""
    values: dict[str, Any] = {
        "channel": channel,
        "entity_kind": "renewal",
        "entity_id": "C-1#2",
        "rule": "renewal",
        "episode_no": 1,
        "step": step,
        "account_key": "crm:1001",
        "owner_key": "crm:77",
        "recipient": "ada@vendor.example",
        "subject": MESSAGE.subject,
        "body": TASK if channel == "crm_task" else MESSAGE.model_dump(mode="json"),
        "reads": ("crm",),
        "deadline": date(2026, 12, 16),
        "not_after": NOW + timedelta(days=7),
        "version": "renewal ladder 1",
    }
    return Action(**{**values, **changes})
