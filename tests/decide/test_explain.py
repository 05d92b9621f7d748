"""Explanations of signals that did not open: each filter reports its code and values."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.common.errors import ConfigError
from include.decide.explain.read import Line, explain
from include.decide.rules.reasons import TEXTS, Reason
from tests.fixtures.decision_world import Book
from tests.fixtures.decisions import at
from tests.fixtures.renewal_rows import NOW, TODAY, renewal
from tests.fixtures.signals import SignalBook, signal_book  # noqa: F401
from tests.fixtures.subjects_store import account

SIGNAL = """
name: fall
version: 1
status: {status}
title: Usage fell
why: It is worth a call.
kind: risk
about: account
thresholds: {{low: 0.7, high: 0.9}}
open: usage_ratio < low and days_since_contact > 3
close: usage_ratio >= high
first_scan: {first_scan}
{more}
subject: "{{{{ account_name }}}}"
evidence: ["{{{{ usage_ratio | percent }}}}"]
next_steps: [Call.]
"""
BELOW = {"usage_28d": 500, "usage_ratio": 0.5}
PLAYBOOK = """
name: call
version: {version}
status: live
title: Call
why: It helps.
trigger: {trigger}
first_scan: start
{more}
outcome: [well, not well]
steps:
  - {{id: call, kind: crm_task, owner: csm, due_in_working_days: 2, subject: Call, body: Call.}}
"""


@pytest.fixture
def rule(signal_book: SignalBook, overlay: Path) -> Any:  # noqa: F811
    """Install the signal with extra keys and decide on one account."""
    (overlay / "config" / "signals").mkdir()

    def decided(more: str = "", status: str = "live", first_scan: str = "notify", **columns: Any) -> Line:
        text = SIGNAL.format(more=more, status=status, first_scan=first_scan)
        (overlay / "config" / "signals" / "fall.yaml").write_text(text)
        signal_book.set_subjects("account", account(**{**BELOW, **columns}))
        signal_book.book.decide()
        return explain_one()

    return decided


def explain_one(rule: str = "fall", subject: str = "crm:1", **about: Any) -> Line:
    (line,) = explain(subject, rule, **about).lines
    return line


def codes(line: Line) -> list[Reason]:
    return [why.reason for why in line.why]


def playbook(overlay: Path, trigger: str, more: str = "", version: int = 1) -> None:
    text = PLAYBOOK.format(trigger=trigger, more=more, version=version)
    (overlay / "playbooks" / "call.yaml").write_text(text)


def test_every_reason_has_text() -> None:
    assert set(TEXTS) == set(Reason)


def test_explain_false_condition_with_its_values(rule: Any) -> None:
    line = rule(usage_28d=84, usage_baseline=90, usage_ratio=84 / 90)
    assert (line.outcome, codes(line)) == ("not opened", [Reason.CONDITION_NOT_MET])
    facts = line.why[0].facts
    assert facts["values"] == {"usage_ratio": 84 / 90} and facts["thresholds"] == {"low": 0.7}
    assert [(part.sql, part.holds) for part in line.parts] == [
        ("usage_ratio < low", False),
        ("days_since_contact > 3", True),
    ]
    assert line.text == "Not opened: usage 28 d is 84 against a baseline of 90 (93%); opens below 70%."


def test_explain_unknown_value(rule: Any) -> None:
    line = rule(usage_28d=None, usage_ratio=None)
    assert codes(line) == [Reason.VALUE_UNKNOWN] and line.why[0].facts["values"] == {"usage_ratio": None}


def test_explain_shows_the_threshold_of_the_tier(rule: Any) -> None:
    line = rule("tiers: {standard: {low: 0.4}}")
    assert codes(line) == [Reason.CONDITION_NOT_MET] and line.why[0].facts["thresholds"] == {"low": 0.4}


@pytest.mark.parametrize(
    ("more", "reason", "facts"),
    [
        ("min_days_as_customer: 900", Reason.MINIMUM_HISTORY, {"days": 800, "at_least": 900}),
        ("quiet: [{first: 11-10, last: 11-20}]", Reason.QUIET_PERIOD, {"first": "11-10", "last": "11-20"}),
        (
            "audience: {tiers: [key_account]}",
            Reason.NOT_IN_AUDIENCE,
            {"name": "tier", "value": "standard", "wanted": ["key_account"]},
        ),
    ],
)
def test_explain_signal_filter(rule: Any, more: str, reason: Reason, facts: dict[str, Any]) -> None:
    line = rule(more)
    assert (line.outcome, codes(line), dict(line.why[0].facts)) == ("not opened", [reason], facts)


def test_explain_names_all_filters(rule: Any) -> None:
    line = rule("min_days_as_customer: 900\nquiet: [{first: 11-10, last: 11-20}]")
    assert set(codes(line)) == {Reason.MINIMUM_HISTORY, Reason.QUIET_PERIOD}


def test_explain_cool_down(signal_book: SignalBook, rule: Any) -> None:  # noqa: F811
    assert rule("cool_down_days: 20").outcome == "opened"
    signal_book.set_clock(at(1))
    closed = rule("cool_down_days: 20", usage_ratio=0.95)
    assert (closed.outcome, codes(closed)[0]) == ("closed", Reason.CLOSED)
    signal_book.set_clock(at(2))
    line = rule("cool_down_days: 20")
    assert codes(line) == [Reason.COOL_DOWN]
    assert line.why[0].facts == {"closed_on": "2026-11-17", "opens_again_on": "2026-12-07", "is_answered": False}
    # Earlier days can still be explained.
    assert explain_one(day=TODAY).outcome == "opened" and explain_one(day=TODAY + timedelta(days=1)).outcome == "closed"


@pytest.mark.parametrize(("status", "source"), [("red", "crm"), ("red", "product_db")])
def test_explain_source_not_ready(signal_book: SignalBook, rule: Any, status: str, source: str) -> None:  # noqa: F811
    kind = {"crm": "crm", "product_db": "product"}[source]
    signal_book.book.verdict(source, kind, status, NOW, "half of the rows are gone")
    line = rule()
    assert codes(line) == [Reason.SOURCE_NOT_READY] and line.why[0].facts["source"] == source
    assert "half of the rows are gone" in line.why[0].facts["reason"]


def test_explain_quarantined_account(signal_book: SignalBook, rule: Any) -> None:  # noqa: F811
    signal_book.book.quarantine("1")
    line = rule()
    assert codes(line) == [Reason.QUARANTINED] and line.why[0].facts == {"source": "crm"}


def test_explain_entity_without_a_source(signal_book: SignalBook, rule: Any) -> None:  # noqa: F811
    signal_book.book._execute("delete from meta.verdict where entity = 'milestone'")
    line = rule("needs: [milestone]")
    assert codes(line) == [Reason.NOT_AVAILABLE] and "milestone" in line.why[0].facts["needs"]


def test_explain_condition_that_fails_to_evaluate(overlay: Path, signal_book: SignalBook, rule: Any) -> None:  # noqa: F811
    (overlay / "config" / "signals" / "typo.yaml").write_text(
        SIGNAL.format(more="", status="live", first_scan="notify")
        .replace("name: fall", "name: typo")
        .replace("usage_ratio < low and", "region > 3 and")
    )
    rule()
    assert codes(explain_one("typo")) == [Reason.NOT_EVALUATED]


def test_explain_open_episode_shows_the_status_of_its_messages(rule: Any, overlay: Path) -> None:
    channels = overlay / "config" / "channels.yaml"
    channels.write_text(channels.read_text().replace("email: {dry_run: false}", "email: {dry_run: true}"))
    line = rule()
    assert line.outcome == "opened"
    found = {why.reason: why.facts.get("channels") for why in line.why}
    assert found == {Reason.OPENED: None, Reason.PLANNED: ["crm_task", "slack"], Reason.DRY_RUN: ["email"]}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            "insert into ops.channel (channel, is_on_hold, reason, store_mark) values ('slack', true, 'x', '')",
            "CHANNEL_ON_HOLD",
        ),
        ("update ops.outbox set state = 'failed', reason = 'x' where channel = 'slack'", "NO_RECIPIENT"),
        ("update ops.outbox set state = 'sent', address = 'U1' where channel = 'slack'", "SENT"),
    ],
)
def test_explain_message_status_after_delivery(signal_book: SignalBook, rule: Any, change: str, reason: str) -> None:  # noqa: F811
    rule()
    signal_book.book._execute("delete from ops.channel")
    signal_book.book._execute(change)
    found = {why.reason: why.facts.get("channels") for why in explain_one().why}
    assert found[Reason[reason]] == ["slack"]


def test_explain_message_above_the_caps(rule: Any, overlay: Path) -> None:
    (overlay / "config" / "caps.yaml").write_text("actions_per_run: 1\n")
    found = {why.reason: why.facts for why in rule().why}
    assert found[Reason.ABOVE_CAP]["approval_id"] and "cap of 1 action" in found[Reason.ABOVE_CAP]["reason"]


def test_explain_message_above_the_daily_budget(rule: Any, overlay: Path) -> None:
    (overlay / "config" / "attention.yaml").write_text("alerts_per_person_and_day: 0\n")
    assert Reason.DAILY_BUDGET in codes(rule())


def test_draft_signal_notifies_nobody(rule: Any) -> None:
    assert codes(rule(status="draft")) == [Reason.OPENED, Reason.DRAFT]


def test_condition_true_before_the_first_scan_notifies_nobody(rule: Any) -> None:
    assert codes(rule(first_scan="silent")) == [Reason.OPENED, Reason.BEFORE_FIRST_SCAN]


def test_explain_retired_signal(rule: Any) -> None:
    assert codes(rule(status="retired")) == [Reason.RETIRED]


def test_explain_rungs_of_a_renewal(book: Book) -> None:
    book.renewals(renewal(1, days=30), renewal(2, days=30, term_days=150))
    book.decide()
    found = {(line.subject_id, line.step): codes(line)[0] for line in explain("crm:1001", "renewal").lines}
    assert found == {
        ("C-1#2", "180"): Reason.PASSED_OVER,
        ("C-1#2", "120"): Reason.PASSED_OVER,
        ("C-1#2", "90"): Reason.PASSED_OVER,
        ("C-1#2", "60"): Reason.PASSED_OVER,
        ("C-1#2", "30"): Reason.OPENED,
        ("C-1#2", "14"): Reason.NOT_DUE,
        ("C-1#2", "7"): Reason.NOT_DUE,
    }
    of_short = {line.step: codes(line)[0] for line in explain("crm:1002", "renewal").lines}
    assert of_short["180"] is of_short["90"] is Reason.TERM_TOO_SHORT and of_short["60"] is Reason.PASSED_OVER


def test_explain_rung_held_by_the_gate(book: Book) -> None:
    book.quarantine("1001")
    book.renewals(renewal(1, days=30))
    book.decide()
    found = {line.step: codes(line) for line in explain("crm:1001", "renewal").lines}
    assert found["30"] == [Reason.QUARANTINED]


def test_explain_snoozed_rung(book: Book) -> None:
    book.renewals(renewal(1, days=60))
    book.decide()
    book._execute("update ops.episode set snoozed_until = '2026-12-20' where signal = 'renewal'")
    book.set_clock(at(30))
    book.renewals(renewal(1, days=60))
    book.decide()
    found = {line.step: line.why[0] for line in explain("crm:1001", "renewal").lines}
    assert (found["30"].reason, found["30"].facts["until"]) == (Reason.SNOOZED, "2026-12-20")


def test_explain_answered_rung(book: Book) -> None:
    book.renewals(renewal(1, days=30))
    book.decide()
    book._execute(
        "update ops.episode set state = 'closed', answer = 'done', closed_on = '2026-11-16', close_reason = 'x';"
        " update ops.outbox set step = '31'"
    )
    book.set_clock(at(1))
    book.renewals(renewal(1, days=30))
    book.decide()
    found = {line.step: line.why[0] for line in explain("crm:1001", "renewal").lines}
    assert (found["30"].reason, found["30"].facts["answered_on"]) == (Reason.ANSWERED, "2026-11-16")


def test_explain_playbook_filters_on_a_rung(book: Book, overlay: Path) -> None:
    playbook(overlay, "{rung: 20}")
    book.renewals(renewal(1, days=30))
    book.decide()
    line = explain_one("call", "crm:1001")
    assert codes(line) == [Reason.RUNG_NOT_REACHED] and line.why[0].facts == {"days_to_decision": 30, "rung": 20}
    for version, (trigger, more, reason) in enumerate(
        (
            ("{rung: 40, when: usage_ratio < 0.4}", "", Reason.CONDITION_NOT_MET),
            ("{rung: 40, at_risk: true}", "", Reason.NO_OPEN_RISK),
            ("{rung: 40}", "audience: {tiers: [small]}", Reason.NOT_IN_AUDIENCE),
            ("{rung: 40}", "exit: {when: usage_ratio > 0.9}", Reason.EXIT_HOLDS),
            ("{rung: 40}", "hold_out: 0", Reason.OPENED),
        ),
        start=2,
    ):
        playbook(overlay, trigger, more, version)
        book.decide(decision_id=trigger)
        assert codes(explain_one("call", "crm:1001"))[0] is reason, (trigger, more)


def test_explain_playbook_that_ran_before(book: Book, overlay: Path) -> None:
    playbook(overlay, "{rung: 40}")
    book.renewals(renewal(1, days=30))
    book.decide()
    book._execute(
        "update ops.episode set state = 'closed', closed_on = '2026-11-16', close_reason = 'x' where signal = 'call'"
    )
    book.set_clock(at(1))
    book.renewals(renewal(1, days=30))
    book.decide()
    assert codes(explain_one("call", "crm:1001")) == [Reason.RAN_BEFORE]


def test_explain_playbook_without_an_open_signal(rule: Any, overlay: Path) -> None:
    (overlay / "config" / "signals" / "fall.yaml").write_text(
        SIGNAL.format(more="", status="live", first_scan="notify")
    )
    playbook(overlay, "{signals: [fall]}")
    rule(usage_ratio=0.95)
    line = explain_one("call")
    assert codes(line) == [Reason.SIGNAL_NOT_OPEN] and line.why[0].facts == {"signals": ["fall"]}


def test_explain_playbook_with_an_open_signal_and_a_false_condition(rule: Any, overlay: Path) -> None:
    (overlay / "config" / "signals" / "fall.yaml").write_text(
        SIGNAL.format(more="", status="live", first_scan="notify")
    )
    playbook(overlay, "{signals: [fall], when: arr > 99999}")
    assert rule().outcome == "opened"
    line = explain_one("call")
    assert codes(line) == [Reason.CONDITION_NOT_MET] and line.text == "Not opened: arr is 12,000; opens above 99,999."


def test_repeated_decision_writes_the_same_rows(signal_book: SignalBook, rule: Any) -> None:  # noqa: F811
    every = (
        "select jsonb_build_array((select jsonb_agg(e order by day, rule, subject_id, reason) from ops.evaluation e),"
        " (select jsonb_agg(i order by account_key, subject_kind, subject_id) from ops.evaluation_input i))"
    )
    rule("min_days_as_customer: 900")
    before = signal_book.book.scalar(every)
    signal_book.book.decide()
    assert signal_book.book.scalar(every) == before
    rule("min_days_as_customer: 100")  # the filter no longer blocks it, so its row goes
    assert signal_book.book.scalar("select count(*) from ops.evaluation where reason = 'minimum_history'") == 0
    signal_book.set_subjects("account")  # no customers are left: the rows of the day's earlier decision are deleted
    signal_book.book.decide()
    assert signal_book.book.scalar("select count(*) from ops.evaluation_input where subject_kind = 'account'") == 0


def test_dry_run_stores_no_explanation(book: Book) -> None:
    book.renewals(renewal(1))
    book.decide(dry_run=True)
    assert book.scalar("select count(*) from ops.evaluation") == 0


def test_explanation_stores_no_personal_data(signal_book: SignalBook, rule: Any) -> None:  # noqa: F811
    rule("min_days_as_customer: 900")
    kept = signal_book.book.scalar(
        "select (select string_agg(e::text, '') from ops.evaluation e)"
        " || (select string_agg(i::text, '') from ops.evaluation_input i)"
    )
    assert not any(word in kept for word in ("Ada", "Lovelace", "vendor.example", "Bo Li"))


def test_merged_account_is_found_by_either_id(signal_book: SignalBook, rule: Any) -> None:  # noqa: F811
    rule("min_days_as_customer: 900")
    signal_book.book._execute(
        "insert into meta.account_merge_history (source, loser_id, survivor_id, batch_id, known_from)"
        " values ('crm', '1', '2', 1, now())"
    )
    assert explain("crm:1").account_key == explain("crm:2").account_key == "crm:2"
    assert codes(explain_one(subject="crm:2")) == [Reason.MINIMUM_HISTORY]


def test_explain_reports_unknown_accounts_and_rules(signal_book: SignalBook, rule: Any) -> None:  # noqa: F811
    rule()
    with pytest.raises(ConfigError, match="was not evaluated"):
        explain("crm:999")
    with pytest.raises(ConfigError, match="no rule x"):
        explain("crm:1", "x")
    with pytest.raises(ConfigError, match="no decision of 2026-01-01"):
        explain("crm:1", day=date(2026, 1, 1))
