"""Requests for discounts: who may ask, who must approve, when an approval lapses, and what became of it."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from include import config
from include.analyses import discount_requests
from include.cli.main import main
from include.common import paths, texts
from include.common.errors import ConfigError
from include.config.viewers import Viewer, Viewers
from include.deliver import notices
from include.models import pending_changes, registry
from include.models.increments import Build, Range
from include.orchestration import analysis_tasks
from include.pages import discounts as page
from include.pages import entries, rendering
from include.warehouse.engine import engine
from tests.sql import cases

CSM = Viewer(role="csm", owner="crm:7")
LEAD = Viewer(role="lead", teams=("East",))
HEAD = Viewer(role="head")
DAY = date(2026, 6, 10)
SETUP = """
insert into core.account (account_key, name, owner_key) values ('crm:1', 'Acme', 'crm:7'), ('crm:2', 'Bolt', 'crm:8');
insert into core.owner (owner_key, team) values ('crm:7', 'East'), ('crm:8', 'West');
insert into marts.act_renewal_checkpoint (as_of_day, renewal_id, account_key, account_name, tier, contract_key,
    due_date, term_days, days_to_decision, owner_team, target_arr)
    values ('2026-06-10', 'R1', 'crm:1', 'Acme', 'small', 'K1', '2026-08-01', 365, 52, 'East', 80000),
    ('2026-06-10', 'R2', 'crm:2', 'Bolt', 'small', 'K2', '2026-08-01', 365, 52, 'West', 80000);
insert into core.committed_line (line_key, account_key, contract_key, currency, arr, list_arr, is_evergreen,
    active_from, active_to) values ('l1', 'crm:1', 'K1', 'USD', 60000, 80000, false, '2025-08-01', '2026-08-01'),
    ('l2', 'crm:1', 'K1', 'USD', 20000, 20000, false, '2025-08-01', '2026-08-01'),
    ('l3', 'crm:1', 'K1', 'USD', 20000, 20000, false, '2024-08-01', '2025-08-01'),
    ('l4', 'crm:2', 'K2', 'USD', 20000, null, false, '2025-08-01', '2026-08-01');
insert into meta.plan_rate (currency, from_day, to_day, rate) values ('USD', '2000-01-01', '2100-01-01', 1);
"""


@pytest.fixture
def world(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", "2026-06-10T12:00:00+00:00")
    sent: list[Any] = []
    monkeypatch.setattr(page.notices, "notify", lambda person, write: sent.append(write()))
    with engine("builder").begin() as connection:
        cases.create_tables(connection)
        connection.exec_driver_sql(SETUP)


def ask(viewer: Viewer, offer: int, login: str = "ana", **more: Any) -> int:
    given = {"why": "budget cut", "trades": ("reference",), "day": DAY, **more}
    number, _, _ = discount_requests.ask(viewer, login, "R1", Decimal(offer), **given)
    return number


def listed(day: date = DAY) -> dict[int, dict[str, Any]]:
    with engine("reader").connect() as connection:
        return {row["request_id"]: row for row in discount_requests.listed(connection, day)}


def test_request_above_the_own_hand_is_answered_by_somebody_else(world: None) -> None:
    number = ask(CSM, 88_000, months=24)
    (row,) = listed().values()
    assert (row["state"], row["level"], float(row["list_arr"])) == ("open", "lead", 100_000)
    assert (row["depth"], row["credited"]) == (pytest.approx(0.12), pytest.approx(0.07))
    for viewer, login, reason in (
        (CSM, "ben", "may not answer"),
        (LEAD, "Ana", "asked for"),
        (Viewer(role="executive"), "eva", "may not answer"),
    ):
        with pytest.raises(ConfigError, match=reason):
            discount_requests.answer(viewer, login, number, is_approved=True, day=DAY)
    discount_requests.answer(LEAD, "lea", number, is_approved=True, note="fine", day=DAY)
    assert (listed()[number]["state"], listed()[number]["answered_by"]) == ("approved", "lea")
    with pytest.raises(ConfigError, match="is approved"):
        discount_requests.answer(HEAD, "hal", number, is_approved=False, day=DAY)


def test_own_hand_needs_no_answer_and_the_head_grants_what_a_lead_does_not(world: None) -> None:
    own = ask(CSM, 96_000)
    assert listed()[own]["state"] == "approved"
    assert listed()[own]["term_months"] == 12  # that of the old contract
    number = ask(LEAD, 80_000, "lea")
    with pytest.raises(ConfigError, match="needs a head"):
        discount_requests.answer(LEAD, "lou", number, is_approved=True, day=DAY)
    discount_requests.answer(HEAD, "hal", number, is_approved=False, note="too deep", day=DAY)
    assert listed()[number]["state"] == "rejected"


def test_next_build_carries_new_approvals(warehouse: str) -> None:
    build = Build("b2", "forward", "running", "work", Range(DAY, DAY), DAY, DAY, datetime(2026, 6, 10, tzinfo=UTC))
    with engine("owner").begin() as connection:
        connection.exec_driver_sql(
            "insert into meta.build (build_id, kind, state, window_start, window_end, newest_day, first_day, known_at,"
            " trigger) select id, 'forward', state, '2026-06-09', '2026-06-10', '2026-06-09', '2026-06-09',"
            " '2026-06-09', 'day' from (values ('b1', 'done'), ('b2', 'running')) as v (id, state);"
            "insert into meta.discount_request (renewal_id, account_key, list_arr, offer_arr, depth, credited, level,"
            " trades, why, asked_by, state, answered_by, answered_at, valid_until, known_from) select 'R', key, 100,"
            " 90, 0.1, 0.1, 'lead', '{}', 'x', 'ana', state, 'lea', cast(answered_at as timestamptz), '2026-07-01',"
            " '2026-06-01' from (values ('old', 'approved', '2026-06-08'), ('new', 'approved', '2026-06-10'),"
            " ('open', 'open', null)) as v (key, state, answered_at)"
        )
        pending_changes.claim(connection, build)
        found = connection.exec_driver_sql("select origin, account_key from meta.build_change").all()
    assert found == [("meta.discount_request", "new")]
    assert "meta.discount_request" in registry.parents("marts.renewal_discount")


def test_refused_offers_are_not_recorded(world: None) -> None:
    with pytest.raises(ConfigError, match=r"lowest price is 75,000\.00"):
        ask(HEAD, 70_000)
    with pytest.raises(ConfigError, match="in return"):
        ask(CSM, 88_000, trades=())
    with pytest.raises(ConfigError, match="reason is missing"):
        ask(CSM, 88_000, why=" ")
    with pytest.raises(ConfigError, match="may not ask"):
        ask(Viewer(role="operator"), 96_000)
    with (
        engine("reader").connect() as connection,
        pytest.raises(ConfigError, match="list price of R2 is not available"),
    ):
        discount_requests.check(discount_requests.renewal(connection, "R2"), Decimal(90))
    assert listed() == {}


def test_request_and_approval_lapse(world: None) -> None:
    waiting, granted = ask(CSM, 88_000), ask(CSM, 96_000)
    late = DAY + timedelta(days=31)
    assert {row["state"] for row in listed(late).values()} == {"lapsed"}
    with pytest.raises(ConfigError, match="is lapsed"):
        discount_requests.answer(LEAD, "lea", waiting, is_approved=True, day=late)
    # Won while the approval was valid: it stays approved.
    with engine("builder").begin() as connection:
        connection.execute(
            sa.text(
                "insert into marts.renewal_discount (renewal_id, account_key, settled_on, is_renewed, renewed_arr,"
                " depth, list_arr, band) values ('R1', 'crm:1', '2026-06-20', true, 96000, 0.04, 100000, 'green')"
            )
        )
    row = listed(late)[granted]
    assert (row["state"], row["outcome"], row["renewed_arr"]) == ("approved", "renewed", 96_000)
    with engine("reader").connect() as connection:
        (green,) = discount_requests.by_band(connection, DAY, late)
    assert (green["renewal_rate"], green["mean_depth"], green["given_away"]) == (1, pytest.approx(0.04), 4000)


def test_renewal_won_below_the_approved_offer_is_unapproved(world: None) -> None:
    won = (
        "insert into marts.renewal_discount (renewal_id, account_key, tier, band, settled_on, is_renewed, list_arr,"
        " depth, term_months, renewed_arr, approved_arr) values"
        " ('R1', 'crm:1', 'small', 'yellow', '2026-06-10', true, 100000, 0.12, 12, 88000, 88000),"
        " ('R2', 'crm:2', 'small', 'yellow', '2026-06-10', true, 100000, 0.12, 12, 88000, 90000)"
    )
    with engine("builder").begin() as connection:
        connection.exec_driver_sql(won)
    with engine("reader").connect() as connection:
        found = discount_requests.unapproved(connection, DAY, DAY)
    assert [row["renewal_id"] for row in found] == ["R2"]


def test_notice_of_a_request_is_in_its_readers_language(world: None, tmp_path, monkeypatch) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "people.yaml").write_text(
        "head: {name: Eva, email: eva@vendor.example}\nreaders: {eva@vendor.example: {language: de}}\n"
    )
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    said: list[Any] = []
    monkeypatch.setattr(page.notices, "notify", lambda to, write: said.append(notices.written(to, write)))
    with texts.reading("zh_CN"):
        page.ask(CSM, "ana", "R1", Decimal(88_000), None, ("reference",), "budget")
    (notice,) = said
    assert (notice.language, notice.is_incomplete) == ("de", False)
    assert "88.000,00" in notice.evidence[0].text and texts.language() == "en"


@pytest.mark.parametrize("trades", [("referenz",), ("reference", "x")])
def test_unknown_return_is_refused(world: None, trades: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="unknown return"):
        page.ask(CSM, "ana", "R1", Decimal(88_000), None, trades, "budget")
    assert not listed()


@pytest.mark.parametrize(
    ("months", "term"), [("", None), (" 24 ", 24), ("2 years", 0), ("0", 0), ("1.5", 0), ("121", 0)]
)
def test_term_is_months_or_empty_or_refused(months: str, term: int | None) -> None:
    if term == 0:
        with pytest.raises(ConfigError, match="term in months"):
            entries.parse_months(months)
    else:
        assert entries.parse_months(months) == term


def test_page_asks_and_answers_only_about_own_accounts(world: None) -> None:
    judged = config.today()
    number, checked = page.ask(CSM, "ana", "R1", Decimal(88_000), None, ("reference",), "budget")
    assert (judged, checked.level) == (DAY, "lead")
    with pytest.raises(ConfigError, match="not one of your accounts"):
        page.ask(CSM, "ana", "R2", Decimal(88_000), None, (), "budget")
    assert page.read(LEAD, "lea").may_answer == {number}
    assert page.read(LEAD, "ana").may_answer == page.read(CSM, "ben").may_answer == frozenset()
    with pytest.raises(ConfigError, match="not about one of your accounts"):
        page.answer(Viewer(role="lead", teams=("West",)), "wim", number, True)
    page.answer(LEAD, "lea", number, True)
    environment = rendering.environment(paths.ROOT / "plugins/templates")
    template, macros = environment.get_template("discounts.html"), environment.get_template("macros.html").module
    shown = {"seen": page.read(LEAD, "lea"), "m": macros, "done": False, "root": "", "token": "", "renewal": ""}
    for viewer in (LEAD, Viewer(role="region", regions=("North",))):
        text = "".join(template.blocks["content"](template.new_context({**shown, "viewer": viewer})))
        people = {word for word in ("ana", "lea", "budget") if re.search(rf"[ >]{word}<", text)}
        assert people == ({"ana", "lea", "budget"} if viewer.sees_csms else set())
    with engine("reader").connect() as connection:
        actions = connection.execute(sa.text("select person, action from ops.human_action order by done_at")).all()
    assert [row.person for row in actions] == ["ana", "lea"]


@pytest.mark.parametrize(("viewer", "is_own"), [(CSM, False), (LEAD, True), (HEAD, True)])
def test_command_says_who_must_answer(world: None, viewer, is_own, monkeypatch, capsys) -> None:
    monkeypatch.setattr(Viewers, "of", lambda self, login: viewer)
    assert main(["discounts", "request", "R1", "--offer", "88000", "--why", "budget", "--trade", "reference"]) == 0
    (row,) = listed().values()
    assert row["state"] == ("approved" if is_own else "open")
    assert ("lead" in capsys.readouterr().out) != is_own


def test_notice_page_and_commands_count_the_same_days(world: None, monkeypatch, capsys) -> None:
    won = (
        "insert into marts.renewal_discount (renewal_id, account_key, tier, band, settled_on, is_renewed, list_arr,"
        " depth, term_months, renewed_arr) select cast(day as text), 'crm:1', 'small', 'yellow', day, true, 100000,"
        " 0.12, 12, 88000 from unnest(array['2026-04-30', '2026-05-01', '2026-05-10', '2026-05-11']::date[]) as d (day)"
    )
    with engine("builder").begin() as connection:
        connection.exec_driver_sql(won)

    def days(*given: str) -> list[str]:
        assert main(["discounts", "unapproved", "--json", *given]) == 0
        return sorted(row["renewal_id"] for row in json.loads(capsys.readouterr().out))

    sent: list[Any] = []
    monkeypatch.setattr(analysis_tasks.notices, "notify", lambda person, write: sent.append(write()))
    in_may = ["2026-05-01", "2026-05-10", "2026-05-11"]
    assert analysis_tasks.list_discounts() == {"unapproved": len(in_may)}
    _, command = sent[0].next_steps[0].split("include.cli discounts unapproved ")
    assert days(*command.split()) == in_may
    assert days() == [row["renewal_id"] for row in page.read(LEAD, "lea").unapproved] == ["2026-05-11"]
    assert main(["discounts", "by-band", "--days", "31", "--json"]) == 0
    assert [row["n"] for row in json.loads(capsys.readouterr().out)] == [1]
