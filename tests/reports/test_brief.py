"""The renewal brief of a built world and of one with many facts, and its choice of questions."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from include import config
from include.cli.main import app
from include.common import clock
from include.common.errors import ConfigError
from include.entities.catalog import of_kind
from include.reports import brief, brief_queries, questions
from include.warehouse.engine import engine

SOLVED = {"ticket_id": "1", "created_day": date(2026, 5, 1), "status": "solved"}
OPEN = {"ticket_id": "2", "created_day": date(2026, 5, 2), "status": "open"}
UNUSED = {"feature": "export", "is_key_feature": True, "n_events": 0}
FEW_KNOWN = """
insert into core.competitor_mention (account_key, day, n_mentions) values ('crm:1', '2026-05-01', 2);
insert into ops.episode
    (signal, entity_kind, entity_id, episode_no, account_key, state, evidence, opened_on, updated_on, arm)
values
    ('usage_down', 'account', 'crm:1', 1, 'crm:1', 'open', '{}', '2026-06-01', '2026-06-01', ''),
    ('adoption_recovery', 'account', 'crm:1', 1, 'crm:1', 'open', '{}', '2026-06-02', '2026-06-02', 'acted'),
    ('small_asleep', 'account', 'crm:1', 1, 'crm:1', 'closed', '{}', '2026-06-03', '2026-06-03', 'acted'),
    ('small_champions', 'account', 'crm:1', 1, 'crm:1', 'closed', '{}', '2026-06-03', '2026-06-03', 'held_out');
insert into ops.touch_list values ('small_asleep', '2026-06-03', 1, 1, 1, '{}', '', '2026-06-03')
"""


def test_brief_states_known_and_unknown_facts(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with engine("owner").begin() as connection:
        connection.exec_driver_sql(FEW_KNOWN)
        connection.exec_driver_sql("update core.account set name = '<b>Acme</b>' where account_key = 'crm:1'")
    found = brief.read("crm:1")
    by_title = {section.title: section for section in found.sections}
    assert dict(found.head)["Decide by"].endswith("ago") or "in " in dict(found.head)["Decide by"]
    products = by_title["Products"]
    assert products.rows or "Nothing is under contract" in products.text
    assert by_title["Invoices"].text == "No invoices found for this account."
    assert "1 May 2026" in by_title["Competitors"].text
    ((title, _, since, _, done),) = by_title["Risks"].rows
    assert (title, since, done) == ("Usage is down", date(2026, 6, 1), "Adoption recovery")
    with engine("owner").begin() as connection:
        # One notice for both parts of a contract.
        connection.exec_driver_sql(
            "create temp table part as select * from core.renewal where account_key = 'crm:1' limit 1;"
            "update part set renewal_id = 'part 2';"
            "insert into core.renewal select * from part;"
            "update core.renewal set contract_number = 'C1', notice_given_on = '2026-06-04'"
            " where account_key = 'crm:1';"
            "insert into core.notice (account_key, renewal_id, notice_given_on, until_day)"
            " select account_key, renewal_id, notice_given_on, due_date from core.renewal where account_key = 'crm:1'"
        )
    with brief_queries.opened("crm:1") as rows:
        told = [row["what"] for row in rows.all(brief_queries.TIMELINE, live=["usage_down"])]
    assert told.count("alert opened") == told.count("playbook started") == told.count("touch") == 1
    assert told.count("notice given") == 1
    assert "playbook ended" not in told
    assert len(by_title["Three questions to ask"].rows) == 3
    assert by_title["Three questions to ask"].text == ""
    with engine("owner").begin() as connection:
        connection.exec_driver_sql("update core.account set language = 'Chinese' where account_key = 'crm:1'")
    asked = brief.read("crm:1").sections[-1]
    assert "Chinese" in asked.text
    assert not any(row[0].isascii() for row in asked.rows)
    page = tmp_path / "brief.html"
    reads: list[tuple[str, ...]] = []
    built.setattr(brief, "read", lambda *given, read=brief.read: reads.append(given) or read(*given))
    said = CliRunner().invoke(app, ["renewals", "brief", "crm:1", "--html", str(page)])
    assert said.exit_code == 0, said.output
    assert len(reads) == 1
    assert page.stat().st_mode & 0o077 == 0  # it contains names of persons
    assert "&lt;b&gt;Acme&lt;/b&gt;" in page.read_text()
    assert "<b>Acme" not in page.read_text()
    plain = CliRunner().invoke(app, ["renewals", "brief", "crm:1"]).output
    assert all(section.title in plain for section in found.sections)
    as_json = json.loads(CliRunner().invoke(app, ["renewals", "brief", "crm:1", "--json"]).output)
    assert as_json["renewal_id"] == found.renewal_id


def test_every_account_with_arr_has_a_product(built: pytest.MonkeyPatch) -> None:
    with engine("owner").begin() as connection:
        newest = "day = (select max(day) from marts.account_day)"
        paying = connection.exec_driver_sql(f"select account_key from marts.account_day where {newest} and arr > 0")
        keys = list(paying.scalars())
        # The first term of the lines is over, and the contract went on by itself.
        connection.exec_driver_sql(
            "update core.contract_line set term_end = term_start + 30, active_to = term_start + 30"
        )
    assert keys
    for key in keys:
        with brief_queries.opened(key) as rows:
            assert rows.all(brief_queries.LINES), key


@pytest.mark.parametrize(
    ("state", "says"), [("green", "No risks found."), ("red", "Risk unknown. No data on tickets.")]
)
def test_a_brief_says_the_same_of_the_risk_as_the_reminder(built: pytest.MonkeyPatch, state: str, says: str) -> None:
    """The desk's figures are there, and older than anyone may act on: the mail says so, and so does the brief."""
    now = clock.now()
    with engine("owner").begin() as connection:
        connection.exec_driver_sql("delete from meta.verdict")
        connection.execute(
            sa.text(
                "insert into meta.verdict (source, kind, entity, state, reason, watermark, since, checked_at)"
                " values (:source, :kind, :entity, :state, '', :now, :now, :now)"
            ),
            [
                {"source": source.id, "kind": source.kind, "entity": entity, "now": now,
                 "state": state if source.kind == "support" else "green"}
                for source in config.load().sources
                for entity in ("", *(one.name for one in of_kind(source.kind)))
            ],
        )  # fmt: skip
        connection.execute(
            sa.text(
                "update meta.build set watermarks ="
                " (select jsonb_object_agg(source, cast(:now as text)) from meta.verdict)"
            ),
            {"now": now.isoformat()},
        )
    (risks,) = (section for section in brief.read("crm:1").sections if section.title == "Risks")
    assert (risks.rows, risks.text) == ([], says)


def test_missing_brief_is_explained(built: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="unknown account crm:none"):
        brief.read("crm:none")
    with pytest.raises(ConfigError, match="no open renewal nothing#1"):
        brief.read("crm:1", "nothing#1")


@pytest.mark.parametrize(
    ("today", "features", "tickets", "first"),
    [
        ({}, [], [], "Which result"),
        ({"n_decision_makers": 0, "use_ratio": 0.1}, [], [], "Who decides"),
        ({"n_decision_makers": None}, [], [], "Which result"),  # unknown is not zero
        ({"use_ratio": 0.79}, [], [], "79%"),
        ({"use_ratio": 0.8}, [], [], "Which result"),
        ({}, [], [SOLVED, OPEN], "ticket 2 of 2 May 2026"),
        ({}, [], [SOLVED], "Which result"),
        ({"paid_seats": 10, "active_users_28d": 5}, [], [], "5 unused seats"),
        ({"paid_seats": 10, "active_users_28d": 6}, [UNUSED], [], "what export could do"),
        ({"overdue_days": 0, "n_competitor_mentions_90d": 0}, [], [], "Which result"),
    ],
)
def test_brief_questions_follow_from_the_facts(today, features, tickets, first) -> None:
    found = questions.choose(today, features, tickets)
    assert len(set(found)) == 3
    assert first in found[0]
