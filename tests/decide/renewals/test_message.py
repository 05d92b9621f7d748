"""The exact text of renewal messages."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from include.common import texts
from include.config import Settings, load
from include.config.models import Reader, WorkingCalendar
from include.config.person import Lead
from include.decide.context import Day
from include.decide.readiness import Readiness, SourceState
from include.decide.recipients import recipient
from include.decide.renewals import evidence, message
from include.decide.renewals.checkpoint import Checkpoint, without
from include.decide.renewals.ladder import due_on, rungs
from include.decide.risk import OpenRisk, Risk
from include.decide.rules.subjects import table
from include.deliver.render import email as render_mail
from include.gate import verdicts
from tests.fixtures.renewal_rows import NOW, TODAY, renewal

SHIPPED = load()
LINKS = SHIPPED.channels.links.model_copy(update={"account": "https://crm.example/{id}"})
PEOPLE = {
    "team_leads": {"East": Lead(name="Lea", email="lead@vendor.example")},
    "calendars": SHIPPED.people.calendars | {"Germany": WorkingCalendar(country="DE", zone="Europe/Berlin")},
}
SETTINGS = SHIPPED.model_copy(
    update={
        "channels": SHIPPED.channels.model_copy(update={"links": LINKS}),
        "people": SHIPPED.people.model_copy(update=PEOPLE),
    }
)
FIT = Readiness(
    (
        SourceState("crm", "crm", (), NOW - timedelta(minutes=20)),
        SourceState("support", "support", (), NOW - timedelta(hours=1)),
        SourceState("product_db", "product", (), NOW - timedelta(hours=5)),
    )
)
AT_RISK = renewal(
    1,
    days=29,
    account_name="Brückner & Söhne",
    tier="key_account",
    usage_28d=Decimal(1240),
    usage_baseline=Decimal(2000),
    usage_ratio=0.62,
    active_users_28d=23,
    paid_seats=80,
    n_open_urgent_tickets=2,
    n_open_tickets=5,
    oldest_open_urgent_at=NOW - timedelta(days=10, hours=3),
    decision_maker_known=False,
    notice_deadline=TODAY + timedelta(days=29),
    due_date=TODAY + timedelta(days=120),
    is_auto_renew=True,
    last_contact_at=NOW - timedelta(days=50),
    owner_is_active=False,
)


OPEN = Risk(
    (
        OpenRisk("urgent_ticket_ageing", "Urgent ticket is ageing", "high", TODAY - timedelta(days=5)),
        OpenRisk("usage_down", "Usage is down", "normal", TODAY - timedelta(days=9)),
        OpenRisk("detractor", "Detractor", "normal", TODAY - timedelta(days=2)),
    )
)


def day(readiness: Readiness, settings: Settings = SETTINGS) -> Day:
    return Day(TODAY, NOW, TODAY, settings, readiness, {}, {}, {}, {})


def text(row: Checkpoint, readiness: Readiness = FIT, risk: Risk | None = None) -> str:
    ladder = SHIPPED.renewals.ladder()
    rung = due_on(TODAY, row.decision_date, row.term_days, ladder)
    assert rung is not None
    following = next((one for one in rungs(row.decision_date, row.term_days, ladder) if one.on > rung.on), None)
    row = without(row, readiness.unfit_kinds(row.account_key), table("renewal"))
    to = recipient(row, "csm", SETTINGS.people)
    return render_mail.text(message.checkpoint_message(row, rung, following, to, risk or Risk(), day(readiness)))


def test_message_for_a_renewal_at_risk() -> None:
    assert text(AT_RISK, risk=OPEN) == EXPECTED_AT_RISK


EXPECTED_AT_RISK = """\
Brückner & Söhne, USD 120,000, high risk: notice deadline 15 Dec 2026 (29 days)
========================================================================

! You get this because the account's owner in the CRM, Ada Lovelace, is no longer active.

USD 120,000 a year, decision by Tue 15 Dec 2026. High risk: Urgent ticket is ageing; Usage is down; Detractor.

Customer:          Brückner & Söhne (key account, Retail, Germany)
At stake:          USD 120,000 a year (ARR)
Decide by:         Tue 15 Dec 2026, in 29 days (notice deadline)
Due date:          Tue 16 Mar 2027: auto-renews
Contract:          C-1, term 2
CSM:               Ada Lovelace

WHY NOW
This is the 30-day checkpoint, which was reached on Sun 15 Nov 2026. The next one is on Tue 1 Dec 2026. The \
contract auto-renews after the notice deadline: agree any changes before then.

WHAT WE SEE
[-] 2 urgent tickets open, the oldest since 6 Nov 2026 07:00 CET (10 days). 5 tickets open in total. (support desk, \
complete up to 16 Nov 2026 09:00 CET)
[-] Usage in the last 28 days: 1,240 value events, 38% below its baseline of 2,000. (product database, complete \
up to 16 Nov 2026 05:00 CET)
[-] Detractor, since 14 Nov 2026.
[ ] 23 of 80 paid seats were active in the last 28 days (29%). (product database, complete up to 16 Nov 2026 05:00 CET)
[ ] Last contact on 27 Sep 2026 (50 days ago). (CRM, complete up to 16 Nov 2026 09:40 CET)
[ ] No decision maker recorded. (CRM, complete up to 16 Nov 2026 09:40 CET)

WHAT TO DO NEXT
1. Ask support when the oldest urgent ticket will be fixed, and tell the customer before you discuss the renewal.
2. Ask your main contact who decides on the renewal, and mark that person as decision maker in the CRM.
3. Find out why usage fell: call the most active remaining user this week.
4. Schedule the renewal call, and set the renewal's forecast category in the CRM.

Open in the CRM: https://crm.example/1001

--
Renewal checkpoint 30 of contract C-1, term 2; data as of 16 Nov 2026. All times in Europe/Berlin.
"""


def test_message_for_a_healthy_renewal() -> None:
    said = text(renewal(1, days=90))
    assert "No risks found." in said
    assert "[-]" not in said
    assert "Due date:          Sun 14 Feb 2027: ends unless renewed" in said
    assert "1. Review this term's results with the customer" in said


def test_message_near_the_decision_date_asks_for_the_answer_first() -> None:
    assert "1. Get the customer's answer in writing before Mon 23 Nov 2026" in text(renewal(1, days=7))
    assert "renewal date 16 Nov 2026 (today)" in text(renewal(1, days=0))
    assert "renewal date 17 Nov 2026 (1 day)" in text(renewal(1, days=1))


ANSWER, TALK, REVIEW = "Get the customer's answer", "Schedule the renewal call", "Review this term's results"


@pytest.mark.parametrize(
    ("days", "first"), [(13, ANSWER), (14, ANSWER), (15, TALK), (59, TALK), (60, TALK), (61, REVIEW)]
)
def test_first_step_changes_at_14_and_60_days_left(days: int, first: str) -> None:
    steps = message._next_steps(evidence.Findings((), frozenset()), days, renewal(1, days=days))
    assert steps[0].startswith(first)


@pytest.mark.parametrize(
    ("changes", "is_good"),
    [
        ({"usage_ratio": 0.949}, False),
        ({"usage_ratio": 0.95}, True),
        ({"usage_ratio": 0.951}, True),
        ({"active_users_28d": 49, "paid_seats": 100}, False),
        ({"active_users_28d": 50, "paid_seats": 100}, True),
        ({"active_users_28d": 51, "paid_seats": 100}, True),
        ({"last_contact_at": NOW - timedelta(days=44)}, True),
        ({"last_contact_at": NOW - timedelta(days=45)}, True),
        ({"last_contact_at": NOW - timedelta(days=46)}, False),
    ],
)
def test_figure_is_good_up_to_and_including_its_threshold(changes: dict[str, Any], is_good: bool) -> None:
    zone = ZoneInfo("Europe/Berlin")
    found = evidence.gather(renewal(1, **changes), Risk(), FIT, zone, NOW)
    about = {"usage_ratio": "Usage in", "paid_seats": "paid seats", "last_contact_at": "Last contact"}
    (line,) = (line for line in found.lines if about[list(changes)[-1]] in line.text)
    assert line.level == ("good" if is_good else "info")


def test_times_are_in_the_readers_time_zone() -> None:
    assert "09:40 CET" in text(renewal(1, days=30))
    assert "03:40 EST" in text(renewal(1, days=30, region="unknown region"))


def test_unfit_evidence_is_replaced_by_a_sentence_with_its_age() -> None:
    red = Readiness(
        (
            FIT.sources[0],
            SourceState("support", "support", ("half of the rows are gone",), NOW - timedelta(hours=30)),
            SourceState("product_db", "product", ("product_db was never loaded",), None),
        )
    )
    said = text(AT_RISK, red, Risk(unknown=("usage", "tickets")))
    assert "[?] Tickets not shown: the support desk's data is 30 hours old: half of the rows are gone." in said
    assert "Risk unknown. No data on usage and tickets." in said
    assert "[?] Usage not shown: the product database has not been loaded." in said
    assert "urgent" not in said.lower() and "38%" not in said


@pytest.mark.parametrize("language", ["de", "zh_CN"])
def test_deadline_notice_gives_its_reason_in_the_readers_language(language: str) -> None:
    people = SHIPPED.people.model_copy(update={"readers": {"@vendor.example": Reader(language=language)}})
    row = renewal(1, days=9)
    to = recipient(row, "csm", people)
    late = verdicts.Reason("{source} has only been built up to {time}", {"source": "crm", "time": NOW})
    for state in (
        SourceState("crm", "crm", (late, verdicts.unlisted("crm")), NOW),
        SourceState("crm", "crm", (), NOW, quarantined=frozenset({row.account_key})),
    ):
        today = day(Readiness((state,)), SHIPPED.model_copy(update={"people": people}))
        with texts.reading(language):
            reason = today.why_on_hold(row)
        assert reason != today.why_on_hold(row)  # outside of a reading: English
        notice = message.deadline_notice(row, to, today)
        assert (notice.language, notice.is_incomplete) == (language, False) and reason in notice.why_now


def test_link_with_a_placeholder_is_omitted() -> None:
    row = renewal(1, days=30)
    to = recipient(row, "csm", SHIPPED.people)
    rung = due_on(TODAY, row.decision_date, row.term_days, SHIPPED.renewals.ladder())
    assert rung is not None
    assert message.checkpoint_message(row, rung, None, to, Risk(), day(FIT, SHIPPED)).links == ()


@pytest.mark.parametrize("word", ["discount", "free", "guarantee", "promise", "refund"])
def test_messages_make_no_promises(word: str) -> None:
    assert word not in text(AT_RISK, risk=OPEN).lower()


@pytest.mark.parametrize(("language", "customer"), [("de", "Kunde"), ("zh_CN", "客户")])
def test_reminder_is_in_its_readers_language_and_zone(language: str, customer: str) -> None:
    readers = {"lead@vendor.example": Reader(language=language, zone="Asia/Shanghai")}
    settings = SETTINGS.model_copy(update={"people": SETTINGS.people.model_copy(update={"readers": readers})})
    risk = Risk(OPEN.open[:2])
    rung = due_on(TODAY, AT_RISK.decision_date, AT_RISK.term_days, SHIPPED.renewals.ladder())
    assert rung is not None
    to = recipient(AT_RISK, "csm", settings.people)
    written = message.checkpoint_message(AT_RISK, rung, None, to, risk, day(FIT, settings))
    english = message.checkpoint_message(AT_RISK, rung, None, to, risk, day(FIT))
    assert (written.language, written.is_incomplete, written.facts[0].label) == (language, False, customer)
    texts = {name for name in type(written).model_fields if getattr(written, name) == getattr(english, name) != ()}
    assert texts == {"is_incomplete"}  # nothing else is the English text
    assert "Asia/Shanghai" in written.footer
    assert "Europe/Berlin" in english.footer


def test_reader_without_an_entry_reads_as_the_domain_or_the_default_says() -> None:
    readers = {"@vendor.example": Reader(language="de"), "ada@vendor.example": Reader(language="zh_CN")}
    settings = SETTINGS.model_copy(update={"people": SETTINGS.people.model_copy(update={"readers": readers})})
    addresses = ("Ada@Vendor.example", "bob@vendor.example", "eve@other.example")
    assert [settings.language_of(one) for one in addresses] == ["zh_CN", "de", "en"]
