"""Decisions on data that is bad, late, not built yet or no longer measured."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from include.common.formatting import timestamp
from tests.decide.test_decide import message
from tests.fixtures.decision_world import Book
from tests.fixtures.decisions import at
from tests.fixtures.renewal_rows import NOW, renewal

ZONE = ZoneInfo("Europe/Berlin")  # in the reader's time zone


def test_reminder_with_a_red_support_desk_states_the_age_of_its_data(book: Book) -> None:
    book.verdict("support", "support", "red", NOW - timedelta(days=2), "too many bad rows")
    book.renewals(renewal(1, n_open_urgent_tickets=4))
    assert book.decide().n_planned == 3
    row = book.outbox(channel="slack")[0]
    assert row.reads == ("crm", "product_db")
    evidence = [item.text for item in message(book, channel="slack").evidence]
    assert any(
        "Tickets not shown" in text and "2 days old" in text and "too many bad rows" in text for text in evidence
    )
    assert not any("urgent ticket" in text for text in evidence)
    assert book.episodes()[0]["evidence"]["n_open_urgent_tickets"] is None


def test_stale_usage_is_stated_in_the_reminder(book: Book) -> None:
    book.verdict("product_db", "product", "stale", NOW - timedelta(days=5), "not read since")
    book.renewals(renewal(1, usage_ratio=0.1))
    book.decide()
    shown = message(book, channel="email")
    assert any("Usage not shown" in item.text and "5 days old" in item.text for item in shown.evidence)
    assert not any("baseline" in item.text for item in shown.evidence)


def test_unbuilt_data_does_not_make_figures_newer(book: Book) -> None:
    book.built_up_to(NOW - timedelta(hours=8), "support")
    book.built_up_to(NOW - timedelta(hours=40), "product_db")
    book.renewals(renewal(1, usage_ratio=0.1, n_open_urgent_tickets=0))
    result = book.decide()
    evidence = message(book, channel="email").evidence
    (tickets,) = [item for item in evidence if "ticket" in item.text]
    assert tickets.source == f"support desk, complete up to {timestamp(NOW - timedelta(hours=8), ZONE)}"
    (usage,) = [item.text for item in evidence if "Usage" in item.text]
    assert "Usage not shown" in usage and "product_db has only been built up to" in usage
    assert result.gate["product_db"]["watermark"] == NOW - timedelta(hours=40)


def test_source_missing_from_every_build_is_unfit(book: Book) -> None:
    book._execute("update meta.build set watermarks = watermarks - 'crm'")
    book.renewals(renewal(1))
    assert book.decide().n_on_hold == 1
    assert book.decide(decision_id="again").gate["crm"]["reasons"] == ["crm has not been built yet"]


def test_unconnected_source_is_stated(book: Book) -> None:
    book.unload("support")
    book.renewals(renewal(1))
    assert book.decide().n_planned == 3
    texts = [item.text for item in message(book, channel="email").evidence]
    assert "Tickets not shown: the support desk has not been loaded." in texts


@pytest.mark.parametrize("state", ["red", "stale", "unknown"])
def test_unfit_crm_holds_reminders_and_reports_near_deadlines_once(book: Book, state: str) -> None:
    book.verdict("crm", "crm", state, NOW - timedelta(days=3), "half of the rows are gone")
    book.renewals(renewal(1, days=30), renewal(2, days=13))
    result = book.decide()
    assert result.n_on_hold == 2
    rows = book.outbox()
    assert {(row.entity_id, row.step, row.recipient, row.channel) for row in rows} == {
        ("C-2#2", f"deadline_notice:{role}", recipient, channel)
        for role, recipient in (("csm", "ada@vendor.example"), ("lead", "lead@vendor.example"))
        for channel in ("slack", "email")
    }
    assert {row.reads for row in rows} == {()}
    notice = message(book, channel="slack", recipient="ada@vendor.example")
    said = notice.model_dump_json()
    assert "120,000" not in said and "baseline" not in said and notice.evidence == ()
    assert ("half of the rows are gone" if state != "stale" else "longer ago than the 36 hours") in notice.why_now
    assert "Sun 29 Nov 2026, in 13 days" in said
    assert book.decide(decision_id="next").n_planned == 0
    book.set_clock(at(1))
    book.verdict("crm", "crm", state, NOW - timedelta(days=3), "half of the rows are gone")
    book.renewals(renewal(2, days=13))
    assert book.decide().n_planned == 0  # the notice is not repeated daily


def test_reminder_follows_once_the_crm_recovers(book: Book) -> None:
    book.verdict("crm", "crm", "red", NOW - timedelta(hours=3), "x")
    book.renewals(renewal(2, days=13))
    book.decide()
    book.verdict("crm", "crm", "green", NOW)
    assert book.decide(decision_id="next").n_planned == 3
    assert {row.step for row in book.outbox(recipient="ada@vendor.example")} == {"14", "task", "deadline_notice:csm"}


def test_sent_reminder_needs_no_notice(book: Book) -> None:
    book.renewals(renewal(2, days=13))
    book.decide()
    book._execute("update ops.outbox set state = 'sent'")
    book.verdict("crm", "crm", "red", NOW - timedelta(hours=3), "x")
    assert book.decide(decision_id="next").n_planned == 0


def test_one_person_as_manager_and_lead_gets_one_notice(book: Book) -> None:
    book.verdict("crm", "crm", "red", NOW - timedelta(hours=3), "x")
    book.renewals(renewal(2, days=13, owner_is_active=False))
    book.decide()
    assert [row.recipient for row in book.outbox(channel="slack")] == ["lead@vendor.example"]


def test_quarantine_holds_only_its_account(book: Book) -> None:
    book.quarantine("1001")
    book.renewals(renewal(1), renewal(2))
    result = book.decide()
    assert (result.n_planned, result.n_on_hold) == (3, 1)
    assert {row.entity_id for row in book.outbox()} == {"C-2#2"}


def test_no_episode_is_closed_on_unfit_data(book: Book) -> None:
    book.renewals(renewal(1))
    book.decide()
    book.verdict("crm", "crm", "red", NOW, "x")
    book.renewals()
    assert book.decide(decision_id="next").n_closed == 0


def test_outdated_tables_hold_all_decisions(book: Book) -> None:
    book.renewals(renewal(1, days=30), renewal(2, days=16))
    book.pass_time(at(3))
    for source, kind in (("crm", "crm"), ("support", "support"), ("product_db", "product")):
        book.verdict(source, kind, "green", book.now)
    result = book.decide()
    assert {row.step.partition(":")[0] for row in book.outbox()} == {"deadline_notice"}
    assert result.n_on_hold == 2
    assert any("last built for 16 Nov 2026" in reason for reason in result.gate["crm"]["reasons"])


def load_support(book: Book, state: str, opened_at: str) -> None:
    book.unload("support")
    book._execute(
        "insert into meta.batch (source, vendor, entity, state, until, opened_at)"
        f" values ('support', 'zendesk', 'ticket', :state, now(), {opened_at})",
        state=state,
    )


def test_decision_waits_for_a_first_load_in_progress(book: Book) -> None:
    book.renewals(renewal(1))
    load_support(book, "landing", "now()")
    result = book.decide()
    assert "first load of support is in progress" in result.reason
    assert book.outbox() == [] and book.scalar("select count(*) from ops.decision") == 0


@pytest.mark.parametrize(("state", "opened_at"), [("held", "now()"), ("landing", "now() - interval '1 hour'")])
def test_decision_does_not_wait_for_a_stuck_first_load(book: Book, state: str, opened_at: str) -> None:
    book.renewals(renewal(1))
    load_support(book, state, opened_at)
    assert book.decide().n_planned == 3


def test_decision_does_not_wait_for_a_failed_first_load(book: Book) -> None:
    book.renewals(renewal(1))
    load_support(book, "landing", "now()")
    book._execute(
        "insert into meta.source_failure (source, step, error, reason) values ('support', 'extract', 'AuthError', 'x')"
    )
    assert book.decide().n_planned == 3


def test_message_based_on_a_late_source_states_the_age_of_its_data(book: Book) -> None:
    book.verdict("crm", "crm", "stale", NOW - timedelta(hours=30), "not read since")
    book.renewals(renewal(1, days=30, usage_ratio=0.5))
    assert book.decide().n_on_hold == 0
    assert "The CRM's data is 30 hours old." in message(book, channel="slack").notes
    assert all("CRM&#39;s data is 30 hours old" in row.body["html"] for row in book.outbox(channel="crm_task"))


def test_unmeasured_feature_is_not_a_risk(book: Book) -> None:
    book._execute(
        "insert into meta.feature_hold values ('product_db', 'reports', :day, 40, 30, :now, :now)",
        day=NOW.date(),
        now=NOW,
    )
    book.renewals(renewal(1, days=30, usage_ratio=0.1))
    book.decide()
    shown = message(book, channel="slack")
    assert any("usage of reports in product_db has not been measured" in item.text for item in shown.evidence)
    assert not any("baseline" in item.text for item in shown.evidence) and book.outbox(rule="renewal_at_risk") == []


@pytest.mark.parametrize(
    ("billing", "planned", "reads"),
    [
        ("green", {"C-1#2", "C-2#2"}, {("crm", "product_db", "support"), ("crm", "product_db", "stripe", "support")}),
        ("red", {"C-1#2"}, {("crm", "product_db", "support")}),
        ("not loaded", {"C-1#2"}, {("crm", "product_db", "support")}),
    ],
)
def test_unfit_billing_system_holds_accounts_billed_by_it(
    book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, billing: str, planned: set, reads: set
) -> None:
    (tmp_path / "config").mkdir(exist_ok=True)
    owner = "owner: {name: A, email: a@vendor.example}"
    (tmp_path / "config" / "settings.yaml").write_text(
        f"sources:\n  - {{id: crm, kind: crm, {owner}}}\n  - {{id: support, kind: support, {owner}}}\n"
        f"  - {{id: product_db, kind: product, {owner}}}\n"
        f"  - {{id: stripe, kind: crm, is_billing: true, {owner}}}\n"
    )
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    book._execute(
        "create table core.committed_line (line_key text, account_key text, active_from date, active_to date)"
    )
    book._execute("grant select on core.committed_line to perennial_reader")
    book._execute("insert into core.committed_line values ('crm:1', 'crm:1001', '2026-01-01', '2027-01-01')")
    if billing != "not loaded":
        book._execute("insert into core.committed_line values ('stripe:1', 'crm:1002', '2026-01-01', '2100-12-31')")
        book._execute("insert into core.committed_line values ('stripe:2', 'crm:1001', '2025-01-01', '2026-01-01')")
        book.verdict("stripe", "crm", billing, NOW - timedelta(hours=1), "half of the rows are gone")
        book.built_up_to(NOW - timedelta(hours=1), "stripe")
    book.renewals(renewal(1), renewal(2))
    book.decide()
    rows = book.outbox(channel="slack")
    assert {row.entity_id for row in rows} == planned
    assert {tuple(sorted(row.reads)) for row in rows} == reads
