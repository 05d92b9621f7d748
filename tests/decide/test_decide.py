"""Decisions on the reminder ladder: once, forward only, and on fit data only."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from include.outbox.message import Message
from tests.fixtures.decision_world import Book
from tests.fixtures.decisions import at
from tests.fixtures.renewal_rows import TODAY, renewal

ZONE = ZoneInfo("Europe/Berlin")  # in the reader's time zone


def message(book: Book, **wanted: object) -> Message:
    (row,) = book.outbox(**wanted)
    return Message.model_validate(row.body)


def test_reminder_reaches_the_manager_on_both_channels(book: Book) -> None:
    book.renewals(renewal(1, days=30), renewal(2, days=45))
    result = book.decide()
    assert (result.n_renewals, result.n_planned, result.n_opened) == (2, 3, 1)
    slack, email, task = book.outbox()
    assert {slack.channel, email.channel} == {"slack", "email"}
    assert (task.channel, task.step, task.body["company_id"], task.body["owner_id"]) == (
        "crm_task",
        "task",
        "1001",
        "77",
    )
    for row in (slack, email):
        assert (row.entity_id, row.rule, row.step, row.episode_no) == ("C-1#2", "renewal", "30", 1)
        assert (row.recipient, row.owner_key, row.state) == ("ada@vendor.example", "crm:77", "planned")
        assert row.reads == ("crm", "product_db", "support")
        assert row.deadline == date(2026, 12, 16)
        assert row.not_after == at(7, hour=0)
    (episode,) = book.episodes()
    assert (episode["state"], episode["opened_on"], episode["severity"]) == ("open", TODAY, "normal")
    assert episode["evidence"]["usage_ratio"] == 0.95


def test_rerun_of_the_same_day_plans_nothing(book: Book) -> None:
    book.renewals(renewal(1, days=30, usage_ratio=0.5))
    first = book.decide()
    assert first.n_planned == 6  # two messages and their task, three tasks of the playbook
    before = book.scalar("select jsonb_agg(o order by key) from ops.outbox o")
    again = book.decide(decision_id="another")
    assert (again.n_planned, again.n_refreshed, again.n_opened, again.n_closed) == (0, 0, 0, 0)
    assert book.scalar("select jsonb_agg(o order by key) from ops.outbox o") == before
    assert book.decide(decision_id="another").n_planned == 0


def test_no_plan_until_the_next_rung(book: Book) -> None:
    rows = [renewal(1, days=30)]
    book.renewals(*rows)
    book.decide()
    for day in range(1, 16):
        book.set_clock(at(day))
        book.renewals(*rows)
        assert book.decide().n_planned == 0, day
    book.set_clock(at(16))
    book.renewals(*rows)
    assert book.decide().n_planned == 2
    assert {row.step for row in book.outbox()} == {"30", "task", "14"}


def test_older_day_is_rejected(book: Book) -> None:
    book.renewals(renewal(1, days=30))
    book.decide()
    book._execute("delete from meta.build")
    book.set_clock(at(-2))
    book.renewals(renewal(1, days=7))
    result = book.decide()
    assert "only move forward" in result.reason
    assert len(book.outbox()) == 3


def test_decide_before_the_first_build(book: Book) -> None:
    book._execute("delete from meta.build")
    assert "no tables" in book.decide().reason


def test_command_dry_run_writes_nothing(book: Book) -> None:
    book.renewals(renewal(1, days=30))
    result = book.decide(dry_run=True)
    assert result.n_planned == 3 and len(result.planned) == 3
    assert book.outbox() == [] and book.episodes() == []
    assert book.scalar("select count(*) from ops.decision") == 0


def test_channel_dry_run_suppresses_permanently(book: Book, overlay) -> None:
    channels = overlay / "config" / "channels.yaml"
    on = channels.read_text()
    channels.write_text(on.replace("email: {dry_run: false}", "email: {dry_run: true}"))
    book.renewals(renewal(1, days=30))
    result = book.decide()
    assert (result.n_planned, result.n_suppressed) == (2, 1)
    assert [(row.state, row.reason) for row in book.outbox(channel="email")] == [("suppressed", "dry run")]
    channels.write_text(on)
    assert book.decide(decision_id="later").n_planned == 0
    assert book.outbox(channel="email")[0].state == "suppressed"


def test_most_urgent_rung_is_sent_after_a_gap_and_the_rest_recorded(book: Book) -> None:
    row = renewal(1, days=90)
    book.renewals(row)
    book.decide()
    book.set_clock(at(60))
    book.renewals(row)
    result = book.decide()
    assert (result.n_planned, result.n_expired) == (2, 2)
    states = {(delivery.step, delivery.state) for delivery in book.outbox(channel="slack")}
    assert states == {("90", "planned"), ("60", "expired"), ("30", "planned")}
    assert "passed over" in book.outbox(channel="slack", step="60")[0].reason


def test_renewal_first_seen_late_has_no_record_of_earlier_rungs(book: Book) -> None:
    book.renewals(renewal(1, days=13))
    book.decide()
    assert {row.step for row in book.outbox()} == {"14", "task"}


def test_short_terms_get_one_reminder(book: Book) -> None:
    book.renewals(renewal(1, days=30, term_days=60), renewal(2, days=7, term_days=60))
    book.decide()
    assert {(row.entity_id, row.step) for row in book.outbox()} == {("C-2#2", "7"), ("C-2#2", "task")}


def test_auto_renewing_contract_is_silent_after_its_notice_deadline(book: Book) -> None:
    row = renewal(
        1, days=7, is_auto_renew=True, notice_deadline=TODAY + timedelta(days=7), due_date=TODAY + timedelta(days=97)
    )
    book.renewals(row)
    book.decide()
    assert "notice deadline" in message(book, channel="slack").subject
    book.set_clock(at(8))
    book.renewals(row)
    result = book.decide()
    assert (result.n_planned, result.n_closed) == (0, 1)
    assert "auto-renews" in book.episodes()[0]["close_reason"]
    assert book.decide(decision_id="again").n_closed == 0


def test_won_renewal_closes_its_episode(book: Book) -> None:
    book.renewals(renewal(1, days=30))
    book.decide()
    book.renewals()
    book.settled("C-1#2", "early", TODAY)
    assert book.decide(decision_id="next").n_closed == 1
    (episode,) = book.episodes()
    assert episode["state"] == "closed" and episode["closed_on"] == TODAY
    assert episode["close_reason"] == "renewed on 2026-11-16 (early)"
    assert episode["evidence"]["closed_by"]["as_of"] == "2026-11-16"
    assert episode["evidence"]["usage_ratio"] == 0.95


def test_vanished_renewal_closes_its_episode(book: Book) -> None:
    book.renewals(renewal(1, days=30))
    book.decide()
    book.renewals()
    assert book.decide(decision_id="next").n_closed == 1
    assert "no longer in the CRM" in book.episodes()[0]["close_reason"]


def test_returning_renewal_opens_a_new_episode(book: Book) -> None:
    book.renewals(renewal(1, days=30))
    book.decide()
    book.renewals()
    book.decide(decision_id="gone")
    book.renewals(renewal(1, days=30))
    assert book.decide(decision_id="back").n_planned == 3
    assert [episode["episode_no"] for episode in book.episodes()] == [1, 2]


def test_stand_in_for_a_departed_owner(book: Book) -> None:
    book.renewals(
        renewal(1, owner_is_active=False),
        renewal(2, owner_key=None, owner_name=None, owner_email=None, owner_team=None, owner_is_active=None),
        renewal(3, owner_email=None),
    )
    book.decide()
    assert {row.entity_id: row.recipient for row in book.outbox(channel="slack")} == {
        "C-1#2": "lead@vendor.example",
        "C-2#2": "queue@vendor.example",
        "C-3#2": "lead@vendor.example",
    }
    assert {row.owner_key for row in book.outbox()} == {""}
    notes = [message(book, channel="slack", entity_id=f"C-{n}#2").notes[0] for n in (1, 2, 3)]
    assert "Ada Lovelace, is no longer active" in notes[0]
    assert "has no owner" in notes[1]
    assert "has no e-mail address" in notes[2]


def test_new_owner_receives_unsent_deliveries(book: Book) -> None:
    book.renewals(renewal(1))
    book.decide()
    book.renewals(renewal(1, owner_key="crm:78", owner_email="bob@vendor.example", owner_name="Bob"))
    assert book.decide(decision_id="next").n_refreshed == 3
    assert {row.recipient for row in book.outbox()} == {"bob@vendor.example"}


def test_hostile_names_stay_out_of_headers_and_links(book: Book) -> None:
    book.renewals(renewal(1, account_name="<!channel>\r\nBcc: x", crm_account_id='1"/../x?y=<script>'))
    book.decide()
    shown = message(book, channel="slack")
    assert shown.subject.startswith("<!channel> Bcc: x, USD 120,000")
    assert shown.links[0].url == "https://crm.example/companies/1%22%2F..%2Fx%3Fy%3D%3Cscript%3E"


def test_decision_is_one_transaction(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    from include.outbox import store

    def fail(*arguments: object) -> None:
        raise RuntimeError("killed here")

    book.renewals(renewal(1))
    with monkeypatch.context() as patched:
        patched.setattr(store, "plan", fail)
        with pytest.raises(RuntimeError):
            book.decide()
    assert book.episodes() == [] and book.scalar("select count(*) from ops.decision") == 0
    assert book.decide().n_planned == 3


def test_message_renders_with_unknown_figures(book: Book) -> None:
    unknown = (
        "account_name tier industry region contract_number target_arr currency is_auto_renew usage_28d usage_baseline"
        " usage_ratio active_users_28d paid_seats seat_utilisation n_open_tickets n_open_urgent_tickets"
        " last_contact_at n_decision_makers decision_maker_known decision_maker_name"
    )
    book.renewals(dataclasses.replace(renewal(1), **dict.fromkeys(unknown.split())))
    book.decide()
    shown = message(book, channel="email")
    assert shown.subject == "crm:1001, amount unknown, risk unknown: renewal date 16 Dec 2026 (30 days)"
    assert any("No usage recorded" in item.text for item in shown.evidence)


def test_tasks_of_a_renewal_link_to_its_brief(book: Book, overlay: Path) -> None:
    path = overlay / "config" / "channels.yaml"
    path.write_text(path.read_text() + '  brief: "https://x.example/brief/?account={account}&renewal={renewal}"\n')
    book.renewals(renewal(1, days=90, usage_ratio=0.5))
    book.decide()
    found = {row.step: row.body["html"] for row in book.outbox(channel="crm_task")}
    assert found.keys() == {"task", "find_the_cause", "meet_the_decision_maker", "agree_the_plan"}
    for html in found.values():
        assert "Renewal brief: https://x.example/brief/?account=crm%3A1001&amp;renewal=C-1%232" in html
        assert "companies/1001" not in html  # the task is there already
    assert "https://x.example/brief/?account=crm%3A1001&renewal=C-1%232" in {
        link.url for link in message(book, channel="slack").links
    }
