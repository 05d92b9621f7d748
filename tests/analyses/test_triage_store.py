"""Labels of tickets in the warehouse: both clocks, corrections, the refit, and where tickets lead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from include import config
from include.analyses.triage import model, routes, store
from include.common.errors import PerennialError
from include.config import triage as settings
from include.warehouse.engine import engine
from tests.fixtures.databases import database
from tests.sql import cases

TICKETS: tuple[tuple[str, str, str, str, str], ...] = (
    # id, account, subject, the requester's words, day
    ("1", "A", "Export", "The export fails with error 500 for anna@contoso.com", "2026-11-20"),
    ("2", "B", "导出", "导出报错，打不开", "2026-11-25"),
    ("3", "B", "Invoice", "Please resend the invoice of May", "2026-11-10"),
    ("4", "B", "Invoice", "Please resend the invoice of June", "2026-11-26"),
    ("5", "A", "", "", "2026-11-26"),
    ("6", "C", "Hm", "ok", "2026-11-27"),
    *(
        (f"q{n}", "ABC"[n % 3], "Export", f"How can I export the accounts table to Excel{'?' * n}", "2026-11-28")
        for n in range(5)
    ),
)


@pytest.fixture(scope="module")
def fitted() -> bytes:
    seeds = settings.seeds().labelled
    return model.fit([t for t, _ in seeds], [label for _, label in seeds], config.load().triage).dump()


@pytest.fixture
def connection(postgres: str, fitted: bytes) -> Iterator[sa.Connection]:
    with (
        database(postgres, "triage", "template") as url,
        engine("owner", url).connect() as opened,
        opened.begin() as all_of_it,
    ):
        cases.create_tables(opened)
        for number, account, subject, body, day in TICKETS:
            named = {"id": number, "account": f"crm:{account}", "subject": subject, "body": body, "day": day}
            opened.execute(_TICKET, named | {"rating": "good" if number == "q2" else None})
            opened.execute(_DESK, named)
            if body:
                opened.execute(_COMMENT, named | {"no": f"{number}-1", "author": "u1", "hour": 1})
                opened.execute(
                    _COMMENT,
                    named | {"no": f"{number}-0", "author": "agent", "hour": 0, "body": "The invoice is overdue"},
                )
        opened.exec_driver_sql(
            "insert into marts.act_account (account_key, account_name, arr, days_to_decision)"
            " values ('crm:A', 'A', 50000, 60), ('crm:B', 'B', 20000, 300);"
            "insert into core.account (account_key, name) values ('crm:A', 'Contoso')"
        )
        opened.execute(
            store._KEEP_MODEL,
            {"version": 1, "rules": store.rules_hash(config.load().triage), "n_labels": 240, "n_judged": 0, "f1": None,
             "before": None, "is_kept": True, "content": fitted, "now": cases.LONG_AGO},
        )  # fmt: skip
        yield opened
        all_of_it.rollback()


def label_all(connection: sa.Connection) -> dict[str, int]:
    return store.label_all(lambda: nullcontext(connection))


def current(connection: sa.Connection) -> dict[str, tuple[str, str]]:
    rows = connection.exec_driver_sql(
        "select ticket_key, label, labelled_by from core.ticket_triage where known_to is null"
    )
    return {row.ticket_key.removeprefix("support:"): (row.label, row.labelled_by) for row in rows}


def test_tickets_are_labelled_once_by_what_the_customer_wrote(
    connection: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BATCH", 4)  # more than one batch
    assert label_all(connection) == {"bug": 2, "management": 2, "how_to": 5, "unknown": 2}
    found = current(connection)
    assert found["1"] == ("bug", "rule") and found["2"][0] == "bug" and found["q1"][0] == "how_to"
    assert found["5"] == ("unknown", "empty") and found["6"] == ("unknown", "model")
    assert label_all(connection) == {}


def test_a_correction_stays_and_what_was_known_before_too(connection: sa.Connection) -> None:
    label_all(connection)
    store.correct(connection, "support:6", "request", "ana")
    connection.exec_driver_sql("update staging.stg_support__ticket set known_from = clock_timestamp()")
    assert label_all(connection) == {}
    rows = connection.exec_driver_sql(
        "select label, labelled_by, p, known_to is null as is_current from core.ticket_triage"
        " where ticket_key = 'support:6' order by known_from"
    ).all()
    assert [(row.label, row.labelled_by, row.is_current) for row in rows] == [
        ("unknown", "model", False),
        ("request", "agent", True),
    ]
    ledger = connection.exec_driver_sql("select person, subject from ops.human_action where action like 'labelled%%'")
    assert ledger.all() == [("ana", "support:6")]
    for key, label in (("support:6", "spam"), ("support:404", "bug")):
        with pytest.raises(PerennialError):
            store.correct(connection, key, label, "ana")


def test_the_desks_own_value_decides(connection: sa.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = config.load().triage.model_copy(update={"desk_values": {"request": ("Type_Request",)}})
    monkeypatch.setattr(config, "load", lambda: config.loader.load().model_copy(update={"triage": rules}))
    connection.exec_driver_sql("update staging.stg_support__ticket set tags = 'vip,type_request' where ticket_id = '1'")
    label_all(connection)
    assert current(connection)["1"] == ("request", "desk")


def test_an_erased_text_leaves_the_label_and_an_erased_ticket_none(connection: sa.Connection) -> None:
    label_all(connection)
    connection.exec_driver_sql("update staging.stg_support__ticket set subject = null, known_from = clock_timestamp()")
    connection.exec_driver_sql("delete from staging.stg_support__ticket_comment")
    connection.exec_driver_sql("delete from staging.stg_support__ticket where ticket_id = '2'")
    assert label_all(connection) == {} and current(connection)["1"] == ("bug", "rule")
    assert not connection.exec_driver_sql("select from meta.ticket_label where ticket_key = 'support:2'").all()


def test_the_model_is_fitted_again_only_if_it_gets_better(
    connection: sa.Connection, monkeypatch: pytest.MonkeyPatch, fitted: bytes
) -> None:
    label_all(connection)
    assert store.refit(connection) == 1  # no new labels
    for number, *_ in TICKETS[:4]:
        store.correct(connection, f"support:{number}", "request", "ana")
    monkeypatch.setattr(store, "FEWEST_NEW", 4)
    monkeypatch.setattr(store.model, "fit", lambda *_: model.Model.load(fitted))
    monkeypatch.setattr(
        store.model, "cross_validated", lambda words, *_: [model.Guess("bug", 1.0, "model")] * len(words)
    )
    assert store.refit(connection) == 1  # worse: remembered, not kept
    monkeypatch.setattr(store, "REFIT_DAYS", -1)
    guesses = [model.Guess("request", 1.0, "model")] * 4
    monkeypatch.setattr(store.model, "cross_validated", lambda *_: guesses)
    assert store.refit(connection) == 3
    kept = connection.exec_driver_sql("select version, n_judged, is_kept from meta.triage_model order by 1").all()
    assert kept == [(1, 0, True), (2, 4, False), (3, 4, True)]
    monkeypatch.setattr(store, "rules_hash", lambda rules: "other")
    assert store.refit(connection) == 4  # other patterns


@pytest.mark.parametrize(("days", "fewest"), [(28, 0), (-1, 2)])
def test_no_text_is_read_within_a_month_or_without_new_labels(
    connection: sa.Connection, days: int, fewest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_all(connection)
    store.correct(connection, "support:1", "request", "ana")
    connection.exec_driver_sql("update meta.triage_model set fitted_at = now() - interval '1 day'")
    monkeypatch.setattr(store, "REFIT_DAYS", days)
    monkeypatch.setattr(store, "FEWEST_NEW", fewest)
    monkeypatch.setattr(store, "_LABELLED", sa.text("select 1 / 0"))
    assert store.refit(connection) == 1


def test_bugs_lead_to_product_by_arr_and_name_nobody(connection: sa.Connection) -> None:
    label_all(connection)
    (bug,) = routes.bugs(connection, date(2026, 11, 1), date(2026, 11, 30))
    assert (bug["about"], bug["n_tickets"], bug["n_accounts"]) == ("import and export", 2, 2)
    assert (bug["arr"], bug["arr_due"], bug["first_seen"]) == (70_000, 50_000, date(2026, 11, 20))
    assert "[e-mail]" in bug["example"] and "contoso" not in bug["example"].lower()
    assert routes.bugs(connection, date(2026, 1, 1), date(2026, 1, 2)) == []


def test_frequent_questions_and_topics_are_listed(connection: sa.Connection) -> None:
    label_all(connection)
    for _ in range(2):
        assert routes.keep_questions(connection) == 1
    (question,) = routes.questions(connection)
    assert (question["n_tickets"], question["n_accounts"], question["language"]) == (5, 3, "en")
    assert question["answer_key"] == "support:q2" and question["draft"] == "The invoice is overdue"
    (topic,) = routes.topics(connection)
    assert (topic["about"], topic["n_tickets"], topic["n_repeats"], topic["proposal"]) == (
        "invoices and payment", 2, 1, "optimise",
    )  # fmt: skip
    shares: dict[str, Any] = {row["label"]: row for row in routes.mix(connection)}
    assert shares["management"]["repeat_rate"] == 0.5 and shares["unknown"]["n_tickets"] == 1
    assert sum(row["share"] for row in shares.values()) == pytest.approx(1)
    # They are no longer questions: the day's are replaced. Those of an earlier day are not shown.
    connection.exec_driver_sql("update meta.ticket_label set label = 'request' where label = 'how_to'")
    connection.exec_driver_sql("update meta.qa_cluster set as_of = as_of - 1")
    assert routes.questions(connection) == []
    connection.exec_driver_sql("update meta.qa_cluster set as_of = as_of + 1")
    assert (routes.keep_questions(connection), routes.questions(connection)) == (0, [])


_TICKET = sa.text(
    "insert into core.ticket (ticket_key, account_key, source, ticket_id, created_day, created_at, is_deleted, rating,"
    " n_replies) values ('support:' || :id, :account, 'support', :id, cast(:day as date), cast(:day as date), false,"
    " :rating, 1)"
)
_DESK = sa.text(
    "insert into staging.stg_support__ticket (source, ticket_id, requester_id, subject, known_from)"
    " values ('support', :id, 'u1', nullif(:subject, ''), '2020-01-01')"
)
_COMMENT = sa.text(
    "insert into staging.stg_support__ticket_comment (source, comment_id, ticket_id, author_id, body, created_at,"
    " known_from, is_deleted) values ('support', :no, :id, :author, :body,"
    " cast(:day as date) + :hour * interval '1 hour', '2020-01-01', false)"
)
