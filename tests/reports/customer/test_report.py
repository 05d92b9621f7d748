"""A customer's report: its sections, its editions, its approval, and nothing that a customer must not read."""

from __future__ import annotations

import hashlib
import re
from html import unescape
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from include.cli.main import app
from include.common.errors import ConfigError, PerennialError
from include.config.viewers import Viewer
from include.pages import customer_report
from include.reports.customer import archive, document, draft, facts
from include.warehouse.engine import engine
from tests.reports.customer.conftest import MINE, PERIOD


def execute(statement: str, **values: object) -> None:
    with engine("owner").begin() as connection:
        connection.execute(sa.text(statement), values)


def ask(statement: str) -> list[tuple[Any, ...]]:
    with engine("reader").connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]


def newest(account: str = MINE) -> archive.Edition:
    with engine("reader").connect() as connection:
        return archive.newest(connection, [account], PERIOD)[account]


def sections(account: str = MINE) -> dict[str, dict[str, Any]]:
    return {one["title"]: one for one in newest(account).data["sections"]}


def test_sections_say_what_is_known(book: Path) -> None:
    made = draft.draft()
    assert (made.period, made.n_customers, made.n_without_consent, made.n_new) == (PERIOD, 6, 1, 6)
    found = sections()
    assert found["What you use, by team"]["rows"] == [
        ["Buying", "15", "1,110", "Boards"], ["Selling", "6", "450", "Boards"],
    ]  # fmt: skip
    trend = found["Trend against the same weeks of the year before"]
    assert trend["rows"][0] == ["4 May 2026", "6", "6", "444", "360"]
    assert "+5.0%" in trend["text"]
    unused = found["Valuable features that you do not use yet"]
    assert unused["rows"] == [["Reports", "Recurring reports need no work."]]  # Automation is not in the contract
    assert unused["links"] == {"0": "https://vendor.example/reports?a=1&b=2"}
    assert '<a href="https://vendor.example/reports?a=1&amp;b=2">Reports</a>' in newest().html
    assert found["Seats"]["text"].startswith("You have 40 seats.") and " 19 seats " in f" {found['Seats']['text']}"
    support = found["Support"]
    assert [row[1] for row in support["rows"]] == ["4", "2", "3 hours"] and support["text"].startswith("1 ticket")
    goals = found["Your objectives"]
    assert goals["rows"] == [
        ["Faster closing", "5 days", "4 days", "3 days", "50%", "automatic"],
        ["Happier people", "unknown", "unknown", "unknown", "unknown", "unknown"],
        ["Shorter planning", "30 hours", "20 hours", "15 hours", "67%", "template"],
    ]
    assert "58%" in goals["text"] and "1 objective is not counted" in goals["text"]
    output = found["Output per head"]
    assert [row[1:] for row in output["rows"]] == [["1,200", "20", "60.00"], ["1,560", "21", "74.29"]]
    assert output["text"].startswith("+23.8%") and "fewer people" not in output["text"]
    assert found["What we do next"]["rows"] == [["We hold the kickoff with your project team.", "20 Jun 2026"]]
    chinese = newest("crm:206")
    assert chinese.data["language"] == "zh_CN" and '<html lang="zh-CN">' in chinese.html
    assert newest("crm:204").data["language"] == "de"
    with pytest.raises(ConfigError):
        draft.draft(account="crm:207")


def test_missing_data_is_said_and_never_zero(book: Path) -> None:
    execute("update marts.account_day set paid_seats = null, active_users_28d = null where account_key = 'crm:205'")
    execute("insert into core.usage_gap (account_key, from_day) values ('crm:204', '2026-05-12')")
    execute("update core.product_start set first_day = '2025-06-01' where account_key = 'crm:203'")
    execute("update core.owner set is_active = false where owner_key = 'crm:92'")
    draft.draft()
    assert newest("crm:203").data["csm"] == "" and newest().data["csm"] == "Cora Csm"  # only who still works there
    for title, section in sections("crm:205").items():
        assert not section["rows"], title
        assert section["text"].startswith(("Not available", "No objectives", "Nothing is planned")), title
    execute("update core.account set language = null")
    draft.draft(account="crm:204")
    partly = sections("crm:204")
    assert partly["What you use, by team"]["text"] == "Usage is recorded up to 11 May 2026."
    assert [row[1] for row in partly["Trend against the same weeks of the year before"]["rows"]] == [
        "1", "unknown", "unknown", "unknown",
    ]  # fmt: skip
    assert partly["Output per head"]["text"].startswith("Not available: usage")
    young = sections("crm:203")
    assert {row[2] for row in young["Trend against the same weeks of the year before"]["rows"]} == {"unknown"}
    assert young["Output per head"]["text"].startswith("Not available")


def test_features_that_go_with_renewal_replace_those_of_peers(book: Path) -> None:
    execute(
        "insert into meta.feature_effect (month, feature, verdict, n_with, n_without, n_dropped, n_losses, n_begun,"
        " n_begun_after_contact, judged_at) values ('2026-05-01', 'dashboards', 'goes_with', 1, 1, 0, 0, 0, 0, now())"
    )
    draft.draft()
    assert [row[0] for row in sections("crm:202")["Valuable features that you do not use yet"]["rows"]] == ["Boards"]
    assert not sections()["Valuable features that you do not use yet"]["rows"]


def test_corrections_and_approval_are_editions_and_the_task_is_planned_once(book: Path) -> None:
    draft.draft()
    first = newest()
    assert (first.edition, first.is_approved) == (1, False)
    assert first.sha256 == hashlib.sha256(first.html.encode()).hexdigest()
    execute("update core.ticket set first_reply_minutes = 120 where ticket_key = 'support:2'")
    assert draft.draft().n_corrected == 0  # compared once a day
    assert draft.draft(account=MINE).n_corrected == 1
    assert draft.draft(account=MINE).n_corrected == 0
    second = newest()
    assert second.edition == 2 and second.sha256 != first.sha256
    with pytest.raises(ConfigError) as error:
        archive.approve(first.customer_report_id, "", by="cora")
    assert str(second.customer_report_id) in error.value.cure
    assert draft.draft().n_tasks == 0
    said = CliRunner().invoke(
        app, ["report", "customer", "approve", str(second.customer_report_id), "--next-steps", "We <meet> in June."]
    )
    assert said.exit_code == 0, said.output
    third = newest()
    assert (third.edition, third.is_approved, third.data) == (3, True, second.data)
    assert "We &lt;meet&gt; in June." in third.html and third.sha256 in said.output
    for one in (second, third):
        with pytest.raises(ConfigError):
            archive.approve(one.customer_report_id, "", by="cora")
    execute("update core.ticket set first_reply_minutes = 600 where ticket_key = 'support:2'")
    made = draft.draft(account=MINE)
    assert (made.n_corrected, made.n_tasks) == (0, 1)
    assert draft.draft().n_tasks == 0
    ((recipient, body),) = ask("select recipient, body from ops.outbox where rule = 'customer_report'")
    assert recipient == "csm@vendor.example" and body["owner_id"] == "91" and body["company_id"] == "201"
    assert f"/customer-report/?id={third.customer_report_id}" in body["html"]
    assert ask("select account_key, reason from ops.human_action where action like '%customer%'") == [
        (MINE, "We <meet> in June.")
    ]
    for statement in ("update ops.customer_report set html = ''", "delete from ops.customer_report"):
        with pytest.raises(sa.exc.ProgrammingError) as refused, engine("builder").begin() as connection:
            connection.exec_driver_sql(statement)
        assert isinstance(refused.value.orig, psycopg.errors.InsufficientPrivilege)
    assert len(ask(f"select 1 from ops.customer_report where account_key = '{MINE}'")) == 3
    (book / "config" / "customer_report.yaml").write_text("cadence: never\n")
    assert draft.draft().n_customers == 0


def test_a_report_that_is_approved_during_a_run_stays_the_last_edition(book: Path) -> None:
    draft.draft()
    first = newest()
    read = facts.read

    def approve(*args: Any) -> Any:
        archive.approve(first.customer_report_id, "", by="cora")
        return read(*args)

    execute("update core.ticket set first_reply_minutes = 120 where ticket_key = 'support:2'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facts, "read", approve)
        assert draft.draft(account=MINE).n_corrected == 0
    kept = newest()
    assert (kept.edition, kept.is_approved) == (2, True)
    # Even with a draft above it, the approved edition is the newest.
    with engine("builder").begin() as connection:
        archive.keep(connection, [(MINE, PERIOD, 3, first.data)], kept.made_at)
    assert newest() == kept
    late = ask("select max(customer_report_id) from ops.customer_report")[0][0]
    with pytest.raises(ConfigError, match="approved already"):
        archive.approve(late, "", by="cora")


def test_an_account_that_fails_is_named_and_stops_no_other(book: Path) -> None:
    make = document.make

    def fail(found: facts.Facts, *args: Any) -> document.Document:
        if found.account["account_key"] == "crm:202":
            raise TypeError("no figure")
        return make(found, *args)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(PerennialError) as error:
        patch.setattr(document, "make", fail)
        draft.draft()
    assert "crm:202: TypeError" in error.value.message and MINE not in error.value.message
    assert ask("select count(*), count(*) filter (where account_key = 'crm:202') from ops.customer_report") == [(5, 0)]
    execute("update core.ticket set first_reply_minutes = 120 where ticket_key = 'support:2'")
    made = draft.draft()
    assert (made.n_new, made.n_corrected) == (1, 1)


def test_who_opts_out_after_the_draft_gets_no_approval_and_no_task(book: Path) -> None:
    draft.draft()
    archive.approve(newest().customer_report_id, "", by="cora")
    late, path = newest("crm:202").customer_report_id, book / "config" / "customer_report.yaml"
    path.write_text(f"cadence: monthly\nopted_out: ['{MINE}', 'crm:202', 'crm:207']\n")
    assert draft.draft().n_tasks == 0
    with pytest.raises(ConfigError, match="has not agreed"):
        archive.approve(late, "", by="cora")
    for viewer in (Viewer(role="head"), Viewer(role="csm", owner="crm:92")):
        with engine("reader").connect() as connection:
            waiting = customer_report.waiting(connection, viewer)
            assert not customer_report.waiting(connection, viewer, "crm:202")
        assert [row["account_key"] for row in waiting] == ["crm:203", "crm:204", "crm:205", "crm:206"]
        assert not customer_report.read(viewer, late).can_approve


def test_consent_may_be_required(book: Path) -> None:
    (book / "config" / "customer_report.yaml").write_text(
        f"cadence: monthly\nconsent: required\nopted_in: ['{MINE}', 'crm:202']\nopted_out: ['crm:202']\n"
    )
    assert (draft.draft().n_customers, draft.draft().n_without_consent) == (1, 6)
    assert ask("select distinct account_key from ops.customer_report") == [(MINE,)]


def test_nothing_but_the_allowed_columns_reaches_a_customer(book: Path) -> None:
    """Fill each other column of each table that is read with a mark: no page and no stored content has one."""
    n_marked = 0
    for name, allowed in facts.ALLOWED.items():
        schema, table = name.split(".")
        if name == "staging.stg_crm__objective":
            schema, table = "raw", "hubspot__objective"
        columns = ask(
            "select column_name, data_type from information_schema.columns"
            f" where table_schema = '{schema}' and table_name = '{table}'"
        )
        for column, kind in columns:
            value = {"text": "'LEAK'", "numeric": "98765431", "bigint": "98765431", "integer": "98765431"}.get(kind)
            if kind in ("date", "timestamp with time zone"):
                value = "cast('1971-11-17' as date)"
            if value is None or column in allowed or column.startswith("_") or column in ("id", "crm_source"):
                continue
            if column.endswith("_key") or column == "ticket_id":
                value = f"'LEAK' || {column}" if kind == "text" else value
            execute(f'update {schema}.{table} set "{column}" = {value}')
            n_marked += 1
    assert n_marked > 80
    draft.draft()
    stored = ask("select html, cast(data as text) from ops.customer_report")
    assert len(stored) == 6
    for row in stored:
        for text in map(unescape, row):
            assert not re.search("LEAK|98.?765.?431|1971|Nov", text)
            assert not re.search("424.?242|515.?151|Other Owner.*Cora|csm@vendor|score|forecast|competitor", text, re.I)
    assert "Cora Csm" in newest().html and "Cora Csm" not in newest("crm:202").html


def test_every_table_of_a_query_is_read_through_the_allowed_columns() -> None:
    source = Path(facts.__file__).read_text().partition("_TABLE = re.compile")[2]
    assert len(re.findall(r"\[(\w+)\.(\w+)\]", source)) > 20
    assert not re.findall(r"(?<!\[)\b(?:raw|staging|core|marts|meta|ops)\.\w+", source)
