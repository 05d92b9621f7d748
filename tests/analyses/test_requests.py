"""Requests for features: entries, merges, decisions, proposals, and the task once one has shipped."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from include.analyses import request_file, request_hints, requests
from include.analyses.requests import Entry
from include.cli.main import main
from include.common.errors import ConfigError
from include.config.viewers import Viewer
from include.operations.privacy import erase
from include.warehouse.engine import engine
from tests.analyses.page_text import content
from tests.fixtures.landing import rows
from tests.sql import cases

SETUP = """
insert into core.account (account_key, name) values ('crm:1', 'Acme'), ('crm:2', 'Bolt'), ('crm:3', 'Coil');
insert into core.account_bridge (source, source_id, entity, account_key, method, confidence)
    values ('stripe', 'cus_2', 'billing_customer', 'crm:2', 'external_id', 1);
insert into marts.act_account (as_of_day, account_key, account_name, arr, days_to_decision)
    values ('2026-06-10', 'crm:1', 'Acme', 50000, 60), ('2026-06-10', 'crm:2', 'Bolt', 20000, 200),
    ('2026-06-10', 'crm:3', 'Coil', 90000, 300);
insert into core.ticket (ticket_key, source, ticket_id, account_key, created_day, is_deleted)
    select 'support:' || n, 'support', n, 'crm:' || n, '2026-05-01', false from generate_series(1, 3) as n;
insert into staging.stg_support__ticket (source, ticket_id, subject, is_deleted) values
    ('support', '1', 'Please add a dark theme for the night shift', false),
    ('support', '2', 'Please add a dark theme for our night shift', false),
    ('support', '3', 'Upload of big files', false);
insert into meta.ticket_label (ticket_key, label, p, labelled_by, about, known_from, checked_at) values
    ('support:1', 'request', 1, 'rule', 'Dashboards', '2026-05-01', '2026-05-01'),
    ('support:2', 'request', 1, 'rule', '', '2026-05-01', '2026-05-01'),
    ('support:3', 'request', 1, 'rule', 'segments', '2026-05-01', '2026-05-01');
"""


@pytest.fixture
def world(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", "2026-06-10T12:00:00+00:00")
    with engine("builder").begin() as connection:
        cases.create_tables(connection)
        connection.exec_driver_sql(SETUP)


def listed() -> dict[str, dict[str, Any]]:
    with engine("reader").connect() as connection:
        return {row["request"]: row for row in requests.listed(connection)}


def test_merged_requests_count_as_one_until_they_are_taken_apart(world: None) -> None:
    requests.assign("support:2", "Dark  theme", "ana")
    assert list(listed()) == ["dashboards", "segments", "dark theme"]  # due first, then by ARR
    assert requests.merge(["dark theme"], "dashboards", "ana", "the same") == "dashboards"
    assert listed()["dashboards"]["n_accounts"] == 2 and float(listed()["dashboards"]["arr"]) == 70_000
    # What was merged before goes along, and a name that was merged leads to the request that it became.
    requests.merge(["dashboards"], "themes", "ana")
    assert requests.merge(["segments"], "dark theme", "ana") == "themes"
    assert [(name, row["n_accounts"]) for name, row in listed().items()] == [("themes", 3)]
    for names, into in ((["themes"], "dark theme"), (["nobody asked"], "themes")):
        with pytest.raises(ConfigError):
            requests.merge(names, into, "ana")
    requests.unmerge("segments", "ben")
    assert {name: row["n_accounts"] for name, row in listed().items()} == {"themes": 2, "segments": 1}
    with pytest.raises(ConfigError):
        requests.unmerge("segments", "ben")
    ledger = rows("select person, subject from ops.human_action order by person, subject")
    assert ledger == [
        *(("ana", subject) for subject in ("dark theme", "dark theme", "dashboards", "segments", "support:2")),
        ("ben", "segments"),
    ]


def test_file_is_entered_once_and_unknown_accounts_are_named(world: None, tmp_path: Path) -> None:
    path = tmp_path / "asks.csv"
    path.write_text(
        "request,account,asked_on,origin,votes\nDark mode,crm:1,2026-05-01,n1,3\n"
        "dark mode,stripe:cus_2,2026-05-02T08:00:00Z,n2,1\ndark mode,crm:404,2026-05-02,n3,1\n"
    )
    assert requests.enter(request_file.read(path), "ana") == (2, ["crm:404"])
    assert requests.enter(request_file.read(path), "ana") == (0, ["crm:404"])
    assert listed()["dark mode"]["n_accounts"] == 2 and listed()["dark mode"]["n_entries"] == 2
    # The tool merged two requests, which moved the votes: the newest file counts, and they stay the same asks.
    keys = rows("select ask_key from core.request_ask where origin = 'entry' order by 1")
    row = "Themes,crm:1,2026-05-01,n1\n"
    path.write_text(f"request,account,asked_on,origin\n{row}{row}Themes,stripe:cus_2,2026-05-02,n2\n")
    assert [requests.enter(request_file.read(path), "ana")[0] for _ in range(2)] == [2, 0]
    assert "dark mode" not in listed() and listed()["themes"]["n_entries"] == 2
    assert rows("select ask_key from core.request_ask where origin = 'entry' order by 1") == keys
    head = "request,account,asked_on,origin\nsso,crm:1,"
    for text in (
        "request,account\na,b\n", f"{head}soon,n4\n", f"{head}2026-05-01,n4\nsso,crm:2,2026-05-01,n4\n"
    ):  # fmt: skip
        path.write_text(text)
        with pytest.raises(ConfigError):
            request_file.read(path)


def test_decisions_are_checked_and_the_newest_counts(world: None) -> None:
    requests.decide("segments", "ana", kind="core", state="planned")
    requests.decide("segments", "ana", state="shipped", shipped_on=date(2026, 6, 1))
    row = listed()["segments"]
    assert (row["kind"], row["state"], row["shipped_on"]) == ("core", "shipped", date(2026, 6, 1))
    for wrong in ({}, {"kind": "nice"}, {"state": "shipped"}, {"state": "open", "shipped_on": date(2026, 6, 1)}):
        with pytest.raises(ConfigError):
            requests.decide("segments", "ana", **wrong)


def test_similar_tickets_are_proposed_until_a_person_settled_them(world: None) -> None:
    with engine("builder").begin() as connection:
        assert request_hints.keep(connection) == 1
    found = similar()
    assert [(row["proposal"], row["ticket_key"], row["like_request"]) for row in found] == [
        ("assign", "support:2", "dashboards")
    ]
    requests.assign("support:2", "dark theme", "ana")
    assert [row["proposal"] for row in similar()] == ["merge"]
    requests.merge(["dark theme"], "dashboards", "ana")
    assert similar() == []


def similar() -> list[dict[str, Any]]:
    with engine("reader").connect() as connection:
        return request_hints.listed(connection)


def test_commands_list_in_json_and_name_what_is_missing(world: None, capsys: pytest.CaptureFixture[str]) -> None:
    main(["requests", "list", "--json"])
    assert [row["request"] for row in json.loads(capsys.readouterr().out)] == ["dashboards", "segments", ""]
    main(["requests", "list"])
    text = capsys.readouterr().out
    assert "arr_due" in text and "not available: health_bands, lost_reasons" in text
    main(["requests", "who", "Segments", "--json"])
    assert [row["account_key"] for row in json.loads(capsys.readouterr().out)] == ["crm:3"]


def test_erasure_reaches_entries_and_proposals(world: None) -> None:
    requests.enter([Entry("sso", f"crm:{n}", date(2026, 5, 1)) for n in (1, 2)], "ana")
    erase.account("crm:1", reason="asked in writing", by="dpo")
    assert rows("select account_key from meta.request_entry") == [("crm:2",)]
    assert rows("select from meta.request_hint where 'support:1' in (ticket_key, like_ticket)") == []


def test_page_shows_requests_to_viewers_of_all_customers(world: None) -> None:
    text = content(Viewer(role="head"))
    assert "dashboards" in text and "50,000" in text and "no feature named" in text
    for viewer in (Viewer(role="csm", owner="crm:7"), Viewer(role="operator")):
        assert "dashboards" not in content(viewer)
