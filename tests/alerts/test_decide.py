"""Decisions about the ladder: once, forward only, on good data only."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from include.delivery.message import Message
from include.renewals.wording import moment
from tests.alerts.conftest import at
from tests.alerts.house import House
from tests.renewal_rows import NOW, TODAY, renewal

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
    assert "only go forward" in result.because
    assert len(house.outbox()) == 3


def test_nothing_built_yet(house: House) -> None:
    house._execute("delete from meta.build")
    assert "no tables" in house.decide().because


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
    assert [(row.state, row.because) for row in house.outbox(channel="email")] == [("suppressed", "dry run")]
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
    assert "passed over" in house.outbox(channel="slack", step="60")[0].because


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
    assert "notice deadline" in message(house, channel="slack").headline
    house.set_clock(at(8))
    house.renewals(row)
    result = house.decide()
    assert (result.n_planned, result.n_closed) == (0, 1)
    assert "renews by itself" in house.episodes()[0]["closed_because"]
    assert house.decide(decision_id="again").n_closed == 0


def test_a_renewal_that_is_won_closes_its_episode(house: House) -> None:
    house.renewals(renewal(1, days=30))
    house.decide()
    house.renewals()
    house.settled("C-1#2", "early", TODAY)
    assert house.decide(decision_id="next").n_closed == 1
    (episode,) = house.episodes()
    assert episode["state"] == "closed" and episode["closed_on"] == TODAY
    assert episode["closed_because"] == "renewed on 2026-11-16 (early)"
    assert episode["evidence"]["closed_by"]["as_of"] == "2026-11-16"
    assert episode["evidence"]["usage_ratio"] == 0.95


def test_a_renewal_that_vanished_closes_its_episode(house: House) -> None:
    house.renewals(renewal(1, days=30))
    house.decide()
    house.renewals()
    assert house.decide(decision_id="next").n_closed == 1
    assert "no longer in the CRM" in house.episodes()[0]["closed_because"]


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


# The gate.


def test_a_red_support_desk_leaves_the_reminder_and_says_how_old_it_is(house: House) -> None:
    house.verdict("support", "support", "red", NOW - timedelta(days=2), "too many bad rows")
    house.renewals(renewal(1, n_open_urgent_tickets=4))
    assert house.decide().n_planned == 3
    row = house.outbox(channel="slack")[0]
    assert row.reads == ("crm", "product_db")
    evidence = [item.text for item in message(house, channel="slack").evidence]
    assert any(
        "Tickets not shown" in text and "2 days old" in text and "too many bad rows" in text for text in evidence
    )
    assert not any("urgent ticket" in text for text in evidence)
    assert house.episodes()[0]["evidence"]["n_open_urgent_tickets"] is None


def test_stale_usage_is_a_sentence(house: House) -> None:
    house.verdict("product_db", "product", "stale", NOW - timedelta(days=5), "not read since")
    house.renewals(renewal(1, usage_ratio=0.1))
    house.decide()
    shown = message(house, channel="email")
    assert any("Usage not shown" in item.text and "5 days old" in item.text for item in shown.evidence)
    assert not any("baseline" in item.text for item in shown.evidence)


def test_data_that_is_read_but_not_built_makes_no_figure_newer(house: House) -> None:
    house.built_up_to(NOW - timedelta(hours=8), "support")
    house.built_up_to(NOW - timedelta(hours=40), "product_db")
    house.renewals(renewal(1, usage_ratio=0.1, n_open_urgent_tickets=0))
    result = house.decide()
    evidence = message(house, channel="email").evidence
    (tickets,) = [item for item in evidence if "ticket" in item.text]
    assert tickets.source == f"support desk, complete up to {moment(NOW - timedelta(hours=8), ZONE)}"
    (usage,) = [item.text for item in evidence if "Usage" in item.text]
    assert "Usage not shown" in usage and "product_db is in the tables only up to" in usage
    assert result.gate["product_db"]["watermark"] == NOW - timedelta(hours=40)


def test_a_source_that_no_build_holds_yet_is_not_fit(house: House) -> None:
    house._execute("update meta.build set watermarks = watermarks - 'crm'")
    house.renewals(renewal(1))
    assert house.decide().n_held == 1
    assert house.decide(decision_id="again").gate["crm"]["reasons"] == ["crm is not in the tables yet"]


def test_what_was_never_connected_is_said(house: House) -> None:
    house.unload("support")
    house.renewals(renewal(1))
    assert house.decide().n_planned == 3
    texts = [item.text for item in message(house, channel="email").evidence]
    assert "Tickets not shown: the support desk has not been loaded." in texts


@pytest.mark.parametrize("state", ["red", "stale", "unknown"])
def test_a_bad_crm_holds_reminders_and_names_near_deadlines_once(house: House, state: str) -> None:
    house.verdict("crm", "crm", state, NOW - timedelta(days=3), "half of the rows are gone")
    house.renewals(renewal(1, days=30), renewal(2, days=13))
    result = house.decide()
    assert result.n_held == 2
    rows = house.outbox()
    assert {(row.entity_id, row.step, row.recipient, row.channel) for row in rows} == {
        ("C-2#2", f"deadline_notice:{role}", recipient, channel)
        for role, recipient in (("csm", "ada@vendor.example"), ("lead", "lead@vendor.example"))
        for channel in ("slack", "email")
    }
    assert {row.reads for row in rows} == {()}
    notice = message(house, channel="slack", recipient="ada@vendor.example")
    said = notice.model_dump_json()
    assert "120,000" not in said and "baseline" not in said and notice.evidence == ()
    assert ("half of the rows are gone" if state != "stale" else "longer ago than the 36 hours") in notice.why_now
    assert "Sun 29 Nov 2026, in 13 days" in said
    assert house.decide(decision_id="next").n_planned == 0
    house.set_clock(at(1))
    house.verdict("crm", "crm", state, NOW - timedelta(days=3), "half of the rows are gone")
    house.renewals(renewal(2, days=13))
    assert house.decide().n_planned == 0  # the same notice is not given every day


def test_when_the_crm_is_good_again_the_reminder_follows(house: House) -> None:
    house.verdict("crm", "crm", "red", NOW - timedelta(hours=3), "x")
    house.renewals(renewal(2, days=13))
    house.decide()
    house.verdict("crm", "crm", "green", NOW)
    assert house.decide(decision_id="next").n_planned == 3
    assert {row.step for row in house.outbox(recipient="ada@vendor.example")} == {"14", "task", "deadline_notice:csm"}


def test_a_reminder_that_has_left_needs_no_notice(house: House) -> None:
    house.renewals(renewal(2, days=13))
    house.decide()
    house._execute("update ops.outbox set state = 'sent'")
    house.verdict("crm", "crm", "red", NOW - timedelta(hours=3), "x")
    assert house.decide(decision_id="next").n_planned == 0


def test_manager_and_lead_who_are_one_person_get_one_notice(house: House) -> None:
    house.verdict("crm", "crm", "red", NOW - timedelta(hours=3), "x")
    house.renewals(renewal(2, days=13, owner_is_active=False))
    house.decide()
    assert [row.recipient for row in house.outbox(channel="slack")] == ["lead@vendor.example"]


def test_an_account_in_quarantine_is_held_alone(house: House) -> None:
    house.quarantine("1001")
    house.renewals(renewal(1), renewal(2))
    result = house.decide()
    assert (result.n_planned, result.n_held) == (3, 1)
    assert {row.entity_id for row in house.outbox()} == {"C-2#2"}


def test_nothing_is_closed_on_bad_data(house: House) -> None:
    house.renewals(renewal(1))
    house.decide()
    house.verdict("crm", "crm", "red", NOW, "x")
    house.renewals()
    assert house.decide(decision_id="next").n_closed == 0


def test_old_tables_hold_everything(house: House) -> None:
    house.renewals(renewal(1, days=30), renewal(2, days=16))
    house.pass_time(at(3))
    for source, kind in (("crm", "crm"), ("support", "support"), ("product_db", "product")):
        house.verdict(source, kind, "green", house.now)
    result = house.decide()
    assert {row.step.partition(":")[0] for row in house.outbox()} == {"deadline_notice"}
    assert result.n_held == 2
    assert any("last built for 2026-11-16" in reason for reason in result.gate["crm"]["reasons"])


def load_support(house: House, state: str, opened_at: str) -> None:
    house.unload("support")
    house._execute(
        "insert into meta.batch (source, vendor, entity, state, until, opened_at)"
        f" values ('support', 'zendesk', 'ticket', :state, now(), {opened_at})",
        state=state,
    )


def test_a_first_load_under_way_is_waited_for(house: House) -> None:
    house.renewals(renewal(1))
    load_support(house, "landing", "now()")
    result = house.decide()
    assert "first load of support is under way" in result.because
    assert house.outbox() == [] and house.scalar("select count(*) from ops.decision") == 0


@pytest.mark.parametrize(("state", "opened_at"), [("held", "now()"), ("landing", "now() - interval '1 hour'")])
def test_a_first_load_that_got_stuck_is_not_waited_for(house: House, state: str, opened_at: str) -> None:
    house.renewals(renewal(1))
    load_support(house, state, opened_at)
    assert house.decide().n_planned == 3


def test_a_first_load_that_failed_is_not_waited_for(house: House) -> None:
    house.renewals(renewal(1))
    load_support(house, "landing", "now()")
    house._execute(
        "insert into meta.source_failure (source, step, error, reason) values ('support', 'extract', 'AuthError', 'x')"
    )
    assert house.decide().n_planned == 3


def test_hostile_names_reach_no_header_and_no_link(house: House) -> None:
    house.renewals(renewal(1, account_name="<!channel>\r\nBcc: x", crm_account_id='1"/../x?y=<script>'))
    house.decide()
    shown = message(house, channel="slack")
    assert shown.headline.startswith("<!channel> Bcc: x: 30 days")
    assert shown.links[0].url == "https://crm.example/companies/1%22%2F..%2Fx%3Fy%3D%3Cscript%3E"


def test_one_transaction(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from include.delivery import outbox

    def fail(*arguments: object) -> None:
        raise RuntimeError("killed here")

    house.renewals(renewal(1))
    with monkeypatch.context() as patched:
        patched.setattr(outbox, "plan", fail)
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
    assert shown.headline == "crm:1001: 30 days to the renewal date"
    assert any("No usage is on record" in item.text for item in shown.evidence)
