"""Decisions on data that is bad, late, not built yet or not measured any more."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from include.common.formatting import moment
from tests.decide.test_decide import message
from tests.fixtures.decision_world import House
from tests.fixtures.decisions import at
from tests.fixtures.renewal_rows import NOW, renewal

ZONE = ZoneInfo("Europe/Berlin")  # where the reader is


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
    assert house.decide().n_on_hold == 1
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
    assert result.n_on_hold == 2
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
    assert (result.n_planned, result.n_on_hold) == (3, 1)
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
    assert result.n_on_hold == 2
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
    assert "first load of support is under way" in result.reason
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


def test_what_goes_out_on_the_data_of_a_late_source_says_how_old_it_is(house: House) -> None:
    house.verdict("crm", "crm", "stale", NOW - timedelta(hours=30), "not read since")
    house.renewals(renewal(1, days=30, usage_ratio=0.5))
    assert house.decide().n_on_hold == 0
    assert "The CRM's data is 30 hours old." in message(house, channel="slack").notes
    assert all("CRM&#39;s data is 30 hours old" in row.body["html"] for row in house.outbox(channel="crm_task"))


def test_a_feature_that_is_not_measured_any_more_is_no_risk(house: House) -> None:
    house._execute(
        "insert into meta.feature_hold values ('product_db', 'reports', :day, 40, 30, :now, :now)",
        day=NOW.date(),
        now=NOW,
    )
    house.renewals(renewal(1, days=30, usage_ratio=0.1))
    house.decide()
    shown = message(house, channel="slack")
    assert any("the use of reports in product_db is not measured" in item.text for item in shown.evidence)
    assert not any("baseline" in item.text for item in shown.evidence) and house.outbox(rule="renewal_at_risk") == []


@pytest.mark.parametrize(
    ("billing", "planned", "reads"),
    [
        ("green", {"C-1#2", "C-2#2"}, {("crm", "product_db", "support"), ("crm", "product_db", "stripe", "support")}),
        ("red", {"C-1#2"}, {("crm", "product_db", "support")}),
        ("not loaded", {"C-1#2"}, {("crm", "product_db", "support")}),
    ],
)
def test_a_bad_billing_system_holds_the_accounts_whose_contract_comes_from_it(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, billing: str, planned: set, reads: set
) -> None:
    (tmp_path / "config").mkdir(exist_ok=True)
    owner = "owner: {name: A, email: a@vendor.example}"
    (tmp_path / "config" / "settings.yaml").write_text(
        f"sources:\n  - {{id: crm, kind: crm, {owner}}}\n  - {{id: support, kind: support, {owner}}}\n"
        f"  - {{id: product_db, kind: product, {owner}}}\n"
        f"  - {{id: stripe, kind: crm, is_billing: true, {owner}}}\n"
    )
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    house._execute(
        "create table core.committed_line (line_key text, account_key text, active_from date, active_to date)"
    )
    house._execute("grant select on core.committed_line to perennial_reader")
    house._execute("insert into core.committed_line values ('crm:1', 'crm:1001', '2026-01-01', '2027-01-01')")
    if billing != "not loaded":
        house._execute("insert into core.committed_line values ('stripe:1', 'crm:1002', '2026-01-01', '2100-12-31')")
        house._execute("insert into core.committed_line values ('stripe:2', 'crm:1001', '2025-01-01', '2026-01-01')")
        house.verdict("stripe", "crm", billing, NOW - timedelta(hours=1), "half of the rows are gone")
        house.built_up_to(NOW - timedelta(hours=1), "stripe")
    house.renewals(renewal(1), renewal(2))
    house.decide()
    rows = house.outbox(channel="slack")
    assert {row.entity_id for row in rows} == planned
    assert {tuple(sorted(row.reads)) for row in rows} == reads
