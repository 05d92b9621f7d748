"""Owners hear of a failure at its start, on its worsening and when it is over, once each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.cli.main import main
from include.common.errors import NotOffered, Unavailable
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
    """A channel that keeps what it is given."""

    def __init__(self) -> None:
        self.letters: list[Delivery] = []
        self.is_down = False

    def address(self, letter: Delivery) -> str:
        return letter.recipient

    def send(self, letters: Sequence[Delivery]) -> Mapping[str, Outcome]:
        if self.is_down:
            raise Unavailable("the mail server does not answer")
        self.letters += letters
        return {letter.key: Outcome("sent") for letter in letters}

    def close(self) -> None:
        """Nothing to let go of."""

    def said(self) -> list[str]:
        """Return the subjects since the last time, and forget them."""
        found, self.letters = [letter.subject for letter in self.letters], []
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


def _mended() -> None:
    with engine("loader").begin() as connection:
        connection.execute(sa.text("update quarantine.record set state = 'resolved'"))


def test_start_worsening_and_end_are_told_once_each(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    assert notify.run() == notify.Counts()
    _bad(6)
    first = notify.run()
    assert (first.n_open, first.n_started, first.n_sent) == (1, 1, 1)
    (letter,) = post.letters
    assert letter.recipient == "grace@vendor.example"
    assert post.said() == [f"rows of crm.contact are quarantined by {RULE}"]
    for minutes in (15, 30):
        _later(monkeypatch, minutes=minutes)
        assert (notify.run().n_sent, post.said()) == (0, [])
    _bad(9, first=200)  # more than twice as many, but not ten rows more
    assert notify.run().n_sent == 0
    _bad(5, first=300)
    assert (notify.run().n_worse, post.said()) == (1, [f"Worse: rows of crm.contact are quarantined by {RULE}"])
    assert notify.run().n_sent == 0
    _mended()
    _later(monkeypatch, hours=1)
    assert (notify.run().n_over, post.said()) == (1, [f"Resolved: rows of crm.contact are quarantined by {RULE}"])
    assert notify.run() == notify.Counts() and post.said() == []


def test_the_message_says_what_how_much_since_when_and_what_to_do(post: Post) -> None:
    _bad(6)
    notify.run()
    said = Message.model_validate(post.letters[0].body)
    facts = {fact.label: fact.value for fact in said.facts}
    assert facts["Rule"] == f"{RULE} (critical; CRM administrator)"
    assert (
        facts["Affected"] == "6 rows in quarantine; the batch had 6 (100.0%)"
        and facts["First seen"] == "2026-11-20 12:00 UTC"
    )
    assert "account_day" in facts["Affected KPI tables"] and "renewal" in facts["Affected alerts"]
    assert len(said.evidence) == 3 and all("(not shown)" in line.text for line in said.evidence)
    assert "anna" not in said.model_dump_json()
    assert any(f"quarantine replay {RULE} --source crm" in step for step in said.next_steps)
    assert any(f"quarantine show {RULE}" in step for step in said.next_steps)


def test_a_batch_on_hold_is_reported_with_the_commands_that_decide_about_it(post: Post) -> None:
    _bad(30)
    assert notify.run().n_started == 2
    held = next(letter for letter in post.letters if "is on hold" in letter.subject)
    said = Message.model_validate(held.body)
    (number,) = [row["batch_id"] for row in fetch("select batch_id from meta.batch where state = 'held'")]
    assert any(f"batch drop {number} --reason" in step for step in said.next_steps)
    assert any(
        step.endswith(f"review_quarantine in Airflow, first with show and batch {number}") for step in said.next_steps
    )
    assert "too many rows break critical rules" in said.summary.lower() and held.recipient == "data@example.com"


def test_a_silence_keeps_it_back_until_it_is_over(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    _bad(3)
    assert main(["incidents", "silence", "rows:crm:*", "--until", "2026-11-21", "--reason", "known"]) == 0
    assert main(["incidents", "silence", "x", "--until", "2026-11-19", "--reason", "known"]) == 2
    for _ in range(2):
        assert (notify.run().n_silenced, post.said()) == (1, [])
    assert len(fetch("select 1 from meta.notification")) == 1
    _later(monkeypatch, days=2)
    notify.run()
    assert post.said() == [f"rows of crm.contact are quarantined by {RULE}"]


def test_what_was_silenced_from_start_to_end_is_never_told(post: Post, overlay: Path) -> None:
    (overlay / "settings.yaml").write_text(
        'silences:\n  - {pattern: "rows:*", reason: migration, by: ada, until: 2026-12-01}\n'
    )
    _bad(3)
    notify.run()
    _mended()
    notify.run()
    assert post.said() == []


def test_what_comes_back_soon_is_the_same_incident(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    _bad(3)
    notify.run()
    _mended()
    notify.run()
    _later(monkeypatch, hours=1)
    _bad(3, first=400)
    post.said()
    assert notify.run().n_worse == 1 and post.said()[0].startswith("Worse: ")
    assert len(fetch("select 1 from meta.incident")) == 1


def test_a_message_that_cannot_be_sent_is_tried_again_and_then_given_up(post: Post) -> None:
    _bad(3)
    post.is_down = True
    for _ in range(notify.ATTEMPTS + 1):
        notify.run()
    assert [row["state"] for row in fetch("select state from meta.notification")] == ["failed"]
    assert fetch("select n_attempts from meta.notification") == [{"n_attempts": notify.ATTEMPTS}]


def test_an_owner_whom_the_channel_does_not_know_is_not_asked_for_again(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(letter: Delivery) -> str:
        raise Undeliverable(f"Slack does not know {letter.recipient}: users_not_found", cure="name the right address")

    monkeypatch.setattr(post, "address", unknown)
    _bad(3)
    assert [notify.run().n_failed, notify.run().n_failed] == [1, 0]
    (told,) = fetch("select state, n_attempts, reason from meta.notification")
    assert (told["state"], told["n_attempts"]) == ("failed", 1) and "users_not_found" in told["reason"]


def test_killed_while_it_sends_it_does_not_tell_twice(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_killed_before_it_is_noted_nothing_has_happened(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_without_a_channel_the_log_is_where_it_is_told(
    post: Post, overlay: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (overlay / "channels.yaml").unlink()
    _bad(3)
    notify.run()
    assert post.said() == [] and f"quarantined by {RULE}" in caplog.text
    assert fetch("select channel, state from meta.notification") == [{"channel": "log", "state": "sent"}]


def test_an_outage_of_a_source_is_one_incident_with_a_start_and_an_end(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(entity: str, minutes: int) -> None:
        _later(monkeypatch, minutes=minutes)
        with pytest.raises(Unavailable), source_failures.recorded("crm", "extract", entity=entity):
            raise Unavailable("HubSpot returned 503", cure="wait: the next run tries again")

    verdicts.publish("crm", list(ENTITIES_OF_CRM))
    for minutes, entity in enumerate(ENTITIES_OF_CRM, start=1):
        fail(entity, minutes)
    assert notify.run().n_sent == 0  # the tasks may still be tried again
    _later(monkeypatch, minutes=10)
    verdicts.publish("crm", list(ENTITIES_OF_CRM))
    assert notify.run().n_sent == 1
    (letter,) = post.letters
    assert "HubSpot returned 503 (in " in letter.body["summary"]
    assert "What to do: wait: the next run tries again." in letter.body["next_steps"]
    assert post.said() == ["crm cannot be read"]
    fail("account", 15)
    assert notify.run().n_sent == 0  # the next run has failed again, and has not ended
    verdicts.publish("crm", list(ENTITIES_OF_CRM))
    assert notify.run().n_sent == 0
    for entity in ENTITIES_OF_CRM:
        with source_failures.recorded("crm", "extract", entity=entity):
            pass
    assert (notify.run().n_over, post.said()) == (1, ["Resolved: crm cannot be read"])


def test_an_entity_that_the_vendor_does_not_offer_is_no_outage(post: Post) -> None:
    with pytest.raises(NotOffered), source_failures.recorded("crm", "extract", entity="invoice"):
        raise NotOffered("the login may not read invoices")
    verdicts.publish("crm", list(ENTITIES_OF_CRM))
    assert notify.run() == notify.Counts() and post.said() == []


def test_a_feature_that_is_not_measured_goes_to_the_tracking_plan(post: Post, overlay: Path) -> None:
    (overlay / "usage.yaml").write_text("tracking_plan_owner: {name: Tim, email: tim@vendor.example}\n")
    with engine("loader").begin() as connection:
        connection.execute(
            sa.text("insert into meta.feature_hold values ('product_db', 'reports', '2026-11-19', 40, 30, :now, :now)"),
            {"now": NOW},
        )
    notify.run()
    (letter,) = post.letters
    assert letter.recipient == "tim@vendor.example"
    assert letter.subject == "usage of reports in product_db is no longer measured"


@pytest.mark.parametrize("entity", ENTITIES)
def test_the_lineage_knows_what_reads_an_entity(entity: str) -> None:
    kpis, alerts = message.affected(entity)
    assert not any(name.startswith("act_") for name in kpis)
    if entity in ("account", "opportunity", "contract_line", "usage_day", "ticket"):
        assert kpis and {"signals on accounts", "renewal reminders and the playbooks on renewals"} <= set(alerts)
