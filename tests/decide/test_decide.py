"""Decisions about the ladder: once, forward only, on good data only."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from include.outbox.message import Message
from tests.fixtures.decision_world import House
from tests.fixtures.decisions import at
from tests.fixtures.renewal_rows import TODAY, renewal

ZONE = ZoneInfo("Europe/Berlin")  # where the reader is


def message(house: House, **wanted: object) -> Message:
    (row,) = house.outbox(**wanted)
    return Message.model_validate(row.body)


def test_a_reminder_goes_to_the_manager_over_both_channels(house: House) -> None:
    house.renewals(renewal(1, days=30), renewal(2, days=45))
    result = house.decide()
    assert (result.n_renewals, result.n_planned, result.n_opened) == (2, 3, 1)
    slack, email, task = house.outbox()
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
    (episode,) = house.episodes()
    assert (episode["state"], episode["opened_on"], episode["severity"]) == ("open", TODAY, "normal")
    assert episode["evidence"]["usage_ratio"] == 0.95


def test_the_same_day_again_plans_nothing(house: House) -> None:
    house.renewals(renewal(1, days=30, usage_ratio=0.5))
    first = house.decide()
    assert first.n_planned == 6  # two messages and their task, three tasks of the playbook
    before = house.scalar("select jsonb_agg(o order by key) from ops.outbox o")
    again = house.decide(decision_id="another")
    assert (again.n_planned, again.n_refreshed, again.n_opened, again.n_closed) == (0, 0, 0, 0)
    assert house.scalar("select jsonb_agg(o order by key) from ops.outbox o") == before
    assert house.decide(decision_id="another").n_planned == 0


def test_the_next_days_plan_nothing_until_the_next_rung(house: House) -> None:
    rows = [renewal(1, days=30)]
    house.renewals(*rows)
    house.decide()
    for day in range(1, 16):
        house.set_clock(at(day))
        house.renewals(*rows)
        assert house.decide().n_planned == 0, day
    house.set_clock(at(16))
    house.renewals(*rows)
    assert house.decide().n_planned == 2
    assert {row.step for row in house.outbox()} == {"30", "task", "14"}


def test_an_older_day_is_refused(house: House) -> None:
    house.renewals(renewal(1, days=30))
    house.decide()
    house._execute("delete from meta.build")
    house.set_clock(at(-2))
    house.renewals(renewal(1, days=7))
    result = house.decide()
    assert "only go forward" in result.reason
    assert len(house.outbox()) == 3


def test_nothing_built_yet(house: House) -> None:
    house._execute("delete from meta.build")
    assert "no tables" in house.decide().reason


def test_dry_run_of_the_command_writes_nothing(house: House) -> None:
    house.renewals(renewal(1, days=30))
    result = house.decide(dry_run=True)
    assert result.n_planned == 3 and len(result.planned) == 3
    assert house.outbox() == [] and house.episodes() == []
    assert house.scalar("select count(*) from ops.decision") == 0


def test_dry_run_of_a_channel_suppresses_for_good(house: House, overlay) -> None:
    channels = overlay / "config" / "channels.yaml"
    on = channels.read_text()
    channels.write_text(on.replace("email: {dry_run: false}", "email: {dry_run: true}"))
    house.renewals(renewal(1, days=30))
    result = house.decide()
    assert (result.n_planned, result.n_suppressed) == (2, 1)
    assert [(row.state, row.reason) for row in house.outbox(channel="email")] == [("suppressed", "dry run")]
    channels.write_text(on)
    assert house.decide(decision_id="later").n_planned == 0
    assert house.outbox(channel="email")[0].state == "suppressed"


def test_after_a_gap_only_the_most_urgent_goes_out_and_the_rest_is_on_record(house: House) -> None:
    row = renewal(1, days=90)
    house.renewals(row)
    house.decide()
    house.set_clock(at(60))
    house.renewals(row)
    result = house.decide()
    assert (result.n_planned, result.n_expired) == (2, 2)
    states = {(letter.step, letter.state) for letter in house.outbox(channel="slack")}
    assert states == {("90", "planned"), ("60", "expired"), ("30", "planned")}
    assert "passed over" in house.outbox(channel="slack", step="60")[0].reason


def test_a_first_sight_late_in_the_ladder_leaves_no_trace_of_earlier_rungs(house: House) -> None:
    house.renewals(renewal(1, days=13))
    house.decide()
    assert {row.step for row in house.outbox()} == {"14", "task"}


def test_short_terms_hear_once(house: House) -> None:
    house.renewals(renewal(1, days=30, term_days=60), renewal(2, days=7, term_days=60))
    house.decide()
    assert {(row.entity_id, row.step) for row in house.outbox()} == {("C-2#2", "7"), ("C-2#2", "task")}


def test_an_auto_renewing_contract_is_silent_after_its_notice_deadline(house: House) -> None:
    row = renewal(
        1, days=7, is_auto_renew=True, notice_deadline=TODAY + timedelta(days=7), due_date=TODAY + timedelta(days=97)
    )
    house.renewals(row)
    house.decide()
    assert "notice deadline" in message(house, channel="slack").subject
    house.set_clock(at(8))
    house.renewals(row)
    result = house.decide()
    assert (result.n_planned, result.n_closed) == (0, 1)
    assert "auto-renews" in house.episodes()[0]["close_reason"]
    assert house.decide(decision_id="again").n_closed == 0


def test_a_renewal_that_is_won_closes_its_episode(house: House) -> None:
    house.renewals(renewal(1, days=30))
    house.decide()
    house.renewals()
    house.settled("C-1#2", "early", TODAY)
    assert house.decide(decision_id="next").n_closed == 1
    (episode,) = house.episodes()
    assert episode["state"] == "closed" and episode["closed_on"] == TODAY
    assert episode["close_reason"] == "renewed on 2026-11-16 (early)"
    assert episode["evidence"]["closed_by"]["as_of"] == "2026-11-16"
    assert episode["evidence"]["usage_ratio"] == 0.95


def test_a_renewal_that_vanished_closes_its_episode(house: House) -> None:
    house.renewals(renewal(1, days=30))
    house.decide()
    house.renewals()
    assert house.decide(decision_id="next").n_closed == 1
    assert "no longer in the CRM" in house.episodes()[0]["close_reason"]


def test_a_renewal_that_comes_back_is_a_new_episode(house: House) -> None:
    house.renewals(renewal(1, days=30))
    house.decide()
    house.renewals()
    house.decide(decision_id="gone")
    house.renewals(renewal(1, days=30))
    assert house.decide(decision_id="back").n_planned == 3
    assert [episode["episode_no"] for episode in house.episodes()] == [1, 2]


def test_who_stands_in_for_an_owner_who_left(house: House) -> None:
    house.renewals(
        renewal(1, owner_is_active=False),
        renewal(2, owner_key=None, owner_name=None, owner_email=None, owner_team=None, owner_is_active=None),
        renewal(3, owner_email=None),
    )
    house.decide()
    assert {row.entity_id: row.recipient for row in house.outbox(channel="slack")} == {
        "C-1#2": "lead@vendor.example",
        "C-2#2": "queue@vendor.example",
        "C-3#2": "lead@vendor.example",
    }
    assert {row.owner_key for row in house.outbox()} == {""}
    notes = [message(house, channel="slack", entity_id=f"C-{n}#2").notes[0] for n in (1, 2, 3)]
    assert "Ada Lovelace, is no longer active" in notes[0]
    assert "has no owner" in notes[1]
    assert "has no e-mail address" in notes[2]


def test_a_new_owner_gets_what_has_not_left_yet(house: House) -> None:
    house.renewals(renewal(1))
    house.decide()
    house.renewals(renewal(1, owner_key="crm:78", owner_email="bob@vendor.example", owner_name="Bob"))
    assert house.decide(decision_id="next").n_refreshed == 3
    assert {row.recipient for row in house.outbox()} == {"bob@vendor.example"}


def test_hostile_names_reach_no_header_and_no_link(house: House) -> None:
    house.renewals(renewal(1, account_name="<!channel>\r\nBcc: x", crm_account_id='1"/../x?y=<script>'))
    house.decide()
    shown = message(house, channel="slack")
    assert shown.subject.startswith("<!channel> Bcc: x, USD 120,000")
    assert shown.links[0].url == "https://crm.example/companies/1%22%2F..%2Fx%3Fy%3D%3Cscript%3E"


def test_one_transaction(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from include.outbox import store

    def fail(*arguments: object) -> None:
        raise RuntimeError("killed here")

    house.renewals(renewal(1))
    with monkeypatch.context() as patched:
        patched.setattr(store, "plan", fail)
        with pytest.raises(RuntimeError):
            house.decide()
    assert house.episodes() == [] and house.scalar("select count(*) from ops.decision") == 0
    assert house.decide().n_planned == 3


def test_unknown_figures_do_not_break_a_message(house: House) -> None:
    unknown = (
        "account_name tier industry region contract_number target_arr currency is_auto_renew usage_28d usage_baseline"
        " usage_ratio active_users_28d paid_seats seat_utilisation n_open_tickets n_open_urgent_tickets"
        " last_contact_at n_decision_makers decision_maker_known decision_maker_name"
    )
    house.renewals(dataclasses.replace(renewal(1), **dict.fromkeys(unknown.split())))
    house.decide()
    shown = message(house, channel="email")
    assert shown.subject == "crm:1001, amount unknown, risk unknown: renewal date 16 Dec 2026 (30 days)"
    assert any("No usage is on record" in item.text for item in shown.evidence)
