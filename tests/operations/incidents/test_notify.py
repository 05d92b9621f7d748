"""Owners are notified of a failure's start, worsening and end, once each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.cli.main import main
from include.common.errors import NotOffered, QuotaExhausted, Unavailable
from include.contracts.validate import validate
from include.deliver import notices
from include.deliver.channels.base import Outcome, Undeliverable
from include.entities.catalog import ENTITIES
from include.gate import source_failures, verdicts
from include.operations.incidents import message, notify
from include.outbox.message import Message
from include.outbox.store import Delivery
from include.warehouse.engine import engine
from tests.contracts.landed import NOW, fetch, good, land

RULE = "crm.contact.castable"
ROWS = f"rows:crm:{RULE}"
ENTITIES_OF_CRM = ("account", "contact", "owner", "opportunity", "contract_line")


class Post:
    """A channel that stores its messages."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.is_down = False

    def address(self, delivery: Delivery) -> str:
        return delivery.recipient

    def send(self, deliveries: Sequence[Delivery]) -> Mapping[str, Outcome]:
        if self.is_down:
            raise Unavailable("the mail server does not answer")
        self.deliveries += deliveries
        return {delivery.key: Outcome("sent") for delivery in deliveries}

    def close(self) -> None:
        """Nothing to let go of."""

    def said(self) -> list[str]:
        """Return the subjects since the last call, and clear them."""
        found, self.deliveries = [delivery.subject for delivery in self.deliveries], []
        return found


@pytest.fixture(autouse=True)
def overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PERENNIAL_NOW", NOW.isoformat())
    folder = tmp_path / "overlay" / "config"
    folder.mkdir(parents=True)
    (folder / "channels.yaml").write_text("email: {dry_run: false}\n")
    (folder / "people.yaml").write_text(
        "data_owners:\n  CRM administrator: {name: Grace, email: grace@vendor.example}\n"
    )
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(folder.parent))
    return folder


@pytest.fixture
def post(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> Post:
    made = Post()
    monkeypatch.setattr(notices, "open_channel", lambda name, settings: made)
    return made


def _bad(n: int, first: int = 1) -> None:
    rows = good("contact", n, first=first)
    land("contact", [row | {"_problems": ["email=anna@x.example", "role=1"]} for row in rows], is_first_load=True)
    land("contact", good("contact", 100, first=1000), is_first_load=True)
    validate("crm")


def _later(monkeypatch: pytest.MonkeyPatch, **ahead: int) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", (NOW + timedelta(**ahead)).isoformat())


def _resolve_rows() -> None:
    with engine("loader").begin() as connection:
        connection.execute(sa.text("update quarantine.record set state = 'resolved'"))


def test_start_worsening_and_end_are_reported_once_each(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    assert notify.run() == notify.Counts()
    _bad(6)
    first = notify.run()
    assert (first.n_open, first.n_started, first.n_sent) == (1, 1, 1)
    (delivery,) = post.deliveries
    assert delivery.recipient == "grace@vendor.example"
    assert post.said() == [f"rows of crm.contact are quarantined by {RULE}"]
    for minutes in (15, 30):
        _later(monkeypatch, minutes=minutes)
        assert (notify.run().n_sent, post.said()) == (0, [])
    _bad(9, first=200)  # more than double, but fewer than ten more rows
    assert notify.run().n_sent == 0
    _bad(5, first=300)
    assert (notify.run().n_worse, post.said()) == (1, [f"Worse: rows of crm.contact are quarantined by {RULE}"])
    assert notify.run().n_sent == 0
    _resolve_rows()
    _later(monkeypatch, hours=1)
    assert (notify.run().n_over, post.said()) == (1, [f"Resolved: rows of crm.contact are quarantined by {RULE}"])
    assert notify.run() == notify.Counts() and post.said() == []


def test_message_states_failure_size_start_and_cure(post: Post) -> None:
    _bad(6)
    notify.run()
    said = Message.model_validate(post.deliveries[0].body)
    facts = {fact.label: fact.value for fact in said.facts}
    assert facts["Rule"] == f"{RULE} (critical; CRM administrator)"
    assert (
        facts["Affected"] == "6 rows in quarantine; the batch had 6 (100.0%)"
        and facts["First seen"] == "20 Nov 2026 12:00 UTC"
    )
    assert "account_day" in facts["Affected KPI tables"] and "renewal" in facts["Affected alerts"]
    assert len(said.evidence) == 3 and all("(not shown)" in line.text for line in said.evidence)
    assert "anna" not in said.model_dump_json()
    assert any(f"quarantine replay {RULE} --source crm" in step for step in said.next_steps)
    assert any(f"quarantine show {RULE}" in step for step in said.next_steps)


def test_message_is_in_the_owners_language(post: Post, overlay: Path) -> None:
    with (overlay / "people.yaml").open("a") as people:
        people.write("readers: {grace@vendor.example: {language: de}}\n")
    _bad(6)
    notify.run()
    _resolve_rows()
    notify.run()
    said = [Message.model_validate(one.body) for one in post.deliveries]
    assert [(one.language, one.is_incomplete) for one in said] == [("de", False)] * 2
    assert len({one.subject for one in said} | {f"rows of crm.contact are quarantined by {RULE}"}) == 3


def test_held_batch_is_reported_with_the_commands_to_decide_it(post: Post) -> None:
    _bad(30)
    assert notify.run().n_started == 2
    held = next(delivery for delivery in post.deliveries if "is on hold" in delivery.subject)
    said = Message.model_validate(held.body)
    (number,) = [row["batch_id"] for row in fetch("select batch_id from meta.batch where state = 'held'")]
    assert any(f"batch drop {number} --reason" in step for step in said.next_steps)
    assert any(
        step.endswith(f"review_quarantine in Airflow, first with show and batch {number}") for step in said.next_steps
    )
    assert "too many rows break critical rules" in said.summary.lower() and held.recipient == "data@example.com"


def test_silence_suppresses_notices_until_it_ends(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    _bad(3)
    assert main(["incidents", "silence", "rows:crm:*", "--until", "2026-11-21", "--reason", "known"]) == 0
    assert main(["incidents", "silence", "x", "--until", "2026-11-19", "--reason", "known"]) == 2
    for _ in range(2):
        assert (notify.run().n_silenced, post.said()) == (1, [])
    assert len(fetch("select 1 from meta.notification")) == 1
    _later(monkeypatch, days=2)
    notify.run()
    assert post.said() == [f"rows of crm.contact are quarantined by {RULE}"]


def test_incident_silenced_from_start_to_end_is_never_reported(post: Post, overlay: Path) -> None:
    (overlay / "settings.yaml").write_text(
        'silences:\n  - {pattern: "rows:*", reason: migration, by: ada, until: 2026-12-01}\n'
    )
    _bad(3)
    notify.run()
    _resolve_rows()
    notify.run()
    assert post.said() == []


def test_quick_recurrence_is_the_same_incident(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    _bad(3)
    notify.run()
    _resolve_rows()
    notify.run()
    _later(monkeypatch, hours=1)
    _bad(3, first=400)
    post.said()
    assert notify.run().n_worse == 1 and post.said()[0].startswith("Worse: ")
    assert len(fetch("select 1 from meta.incident")) == 1


def test_unsendable_message_is_retried_and_then_abandoned(post: Post) -> None:
    _bad(3)
    post.is_down = True
    for _ in range(notify.ATTEMPTS + 1):
        notify.run()
    assert [row["state"] for row in fetch("select state from meta.notification")] == ["failed"]
    assert fetch("select n_attempts from meta.notification") == [{"n_attempts": notify.ATTEMPTS}]


def test_unknown_owner_is_not_looked_up_again(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(delivery: Delivery) -> str:
        raise Undeliverable(f"Slack does not know {delivery.recipient}: users_not_found", cure="name the right address")

    monkeypatch.setattr(post, "address", unknown)
    _bad(3)
    assert [notify.run().n_failed, notify.run().n_failed] == [1, 0]
    (told,) = fetch("select state, n_attempts, reason from meta.notification")
    assert (told["state"], told["n_attempts"]) == ("failed", 1) and "users_not_found" in told["reason"]


def test_kill_while_sending_does_not_notify_twice(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    _bad(3)
    send = notify._send

    def dies(*arguments: object) -> tuple[str, str]:
        send(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(notify, "_send", dies)
        with pytest.raises(KeyboardInterrupt):
            notify.run()
    notify.run()
    assert len(post.said()) == 1
    assert "may have arrived" in fetch("select reason from meta.notification")[0]["reason"]


def test_kill_before_recording_leaves_no_trace(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    _bad(3)

    def dies(*arguments: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(notify, "_plan", dies)
        with pytest.raises(KeyboardInterrupt):
            notify.run()
    assert fetch("select 1 from meta.incident") == []
    notify.run()
    assert len(post.said()) == 1


def test_incident_is_logged_without_a_channel(post: Post, overlay: Path, caplog: pytest.LogCaptureFixture) -> None:
    (overlay / "channels.yaml").unlink()
    _bad(3)
    notify.run()
    assert post.said() == [] and f"quarantined by {RULE}" in caplog.text
    assert fetch("select channel, state from meta.notification") == [{"channel": "log", "state": "sent"}]


def test_source_outage_is_one_incident_with_start_and_end(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(entity: str, minutes: int) -> None:
        _later(monkeypatch, minutes=minutes)
        with pytest.raises(Unavailable), source_failures.recorded("crm", "extract", entity=entity):
            raise Unavailable("HubSpot returned 503", cure="wait: the next run tries again")

    verdicts.publish("crm", list(ENTITIES_OF_CRM))
    for minutes, entity in enumerate(ENTITIES_OF_CRM, start=1):
        fail(entity, minutes)
    assert notify.run().n_sent == 0  # the tasks may still be retried
    _later(monkeypatch, minutes=10)
    verdicts.publish("crm", list(ENTITIES_OF_CRM))
    assert notify.run().n_sent == 1
    (delivery,) = post.deliveries
    assert "HubSpot returned 503 (in " in delivery.body["summary"]
    assert "What to do: wait: the next run tries again." in delivery.body["next_steps"]
    assert post.said() == ["crm cannot be read"]
    fail("account", 15)
    assert notify.run().n_sent == 0  # the next run has failed again, and has not ended
    verdicts.publish("crm", list(ENTITIES_OF_CRM))
    assert notify.run().n_sent == 0
    for entity in ENTITIES_OF_CRM:
        with source_failures.recorded("crm", "extract", entity=entity):
            pass
    assert (notify.run().n_over, post.said()) == (1, ["Resolved: crm cannot be read"])


def test_entity_not_offered_by_the_vendor_is_not_an_outage(post: Post) -> None:
    with pytest.raises(NotOffered), source_failures.recorded("crm", "extract", entity="invoice"):
        raise NotOffered("the login may not read invoices")
    with pytest.raises(QuotaExhausted), source_failures.recorded("crm", "extract", entity="contact"):
        raise QuotaExhausted("used up")  # a first load goes on when the vendor allows it
    verdicts.publish("crm", list(ENTITIES_OF_CRM))
    assert notify.run() == notify.Counts() and post.said() == []


def test_unmeasured_feature_is_reported_to_the_tracking_plan_owner(post: Post, overlay: Path) -> None:
    (overlay / "usage.yaml").write_text("tracking_plan_owner: {name: Tim, email: tim@vendor.example}\n")
    with engine("loader").begin() as connection:
        connection.execute(
            sa.text("insert into meta.feature_hold values ('product_db', 'reports', '2026-11-19', 40, 30, :now, :now)"),
            {"now": NOW},
        )
    notify.run()
    (delivery,) = post.deliveries
    assert delivery.recipient == "tim@vendor.example"
    assert delivery.subject == "usage of reports in product_db is no longer measured"


def test_missing_event_is_reported_to_its_owner_and_unlisted_ones_to_the_owner_of_the_plan(
    post: Post, overlay: Path
) -> None:
    usage = "value_events: [reports]\nkey_features: [reports]\n"
    (overlay / "usage.yaml").write_text(f"tracking_plan_owner: {{name: Tim, email: tim@vendor.example}}\n{usage}")
    plan = "version: 1\nevents:\n  reports: {description: Opened., owner: {name: Rita, email: rita@vendor.example}}\n"
    (overlay / "tracking_plan.yaml").write_text(plan)
    seen = "insert into meta.event_seen values ('product_db', :event, '2026-01-01', :day, :now)"
    with engine("loader").begin() as connection:
        for event, day in (("reports", "2026-10-20"), ("report made", "2026-11-19"), ("old", "2026-10-22")):
            connection.execute(sa.text(seen), {"event": event, "day": day, "now": NOW})
    notify.run()
    assert {one.recipient: one.subject for one in post.deliveries} == {
        "rita@vendor.example": "reports no longer arrives from product_db",
        "tim@vendor.example": "events arrive from product_db that the tracking plan does not list",
    }


@pytest.mark.parametrize("entity", ENTITIES)
def test_lineage_lists_the_readers_of_an_entity(entity: str) -> None:
    kpis, alerts = message.affected(entity)
    assert not any(name.startswith("act_") for name in kpis)
    if entity in ("account", "opportunity", "contract_line", "usage_day", "ticket"):
        assert kpis and {"signals on accounts", "renewal reminders and the playbooks on renewals"} <= set(alerts)
