"""The competitor register: reasons with what answers them, the page, the commands and the monthly notice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from include.analyses import competitors
from include.cli.main import main
from include.common.errors import ConfigError
from include.config import competitors as settings
from include.config.viewers import Viewer
from include.orchestration import competitor_notices
from include.warehouse.engine import engine
from tests.analyses.page_text import content
from tests.sql import cases

FILE = """
name: Zendo
owner: {name: Pia, email: pia@vendor.example}
reviewed_on: 2026-05-01
answers:
  - {when: [price, too expensive], says: Show the cost of moving their history.}
"""
SETUP = """
insert into marts.act_account (as_of_day, account_key, account_name, arr, days_to_decision)
    values ('2026-06-05', 'crm:1', 'Acme', 50000, 60);
insert into core.competitor_text (account_key, day, competitor, origin, text_key)
    select 'crm:' || n, '2026-05-01', 'zendo', 'note', 'crm:' || n from generate_series(1, 6) as n;
insert into core.opportunity (opportunity_key, account_key, opportunity_type, is_closed, is_won, close_date, is_deleted,
    lost_reason) values
    ('crm:o1', 'crm:1', 'new', true, true, '2026-05-20', false, null),
    ('crm:o2', 'crm:2', 'new', true, false, '2026-05-20', false, 'Price'),
    ('crm:o3', 'crm:3', 'new', true, false, '2026-05-21', false, 'No SSO'),
    ('crm:o4', 'crm:4', 'new', true, false, '2026-05-22', false, 'no sso'),
    ('crm:o5', 'crm:5', 'new', true, false, '2026-05-22', false, 'Budget'),
    ('crm:o6', 'crm:6', 'new', true, false, '2026-05-22', false, null);
"""


@pytest.fixture
def world(warehouse: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "config"
    (folder / "competitors").mkdir(parents=True)
    (folder / "competitors" / "zendo.yaml").write_text(FILE)
    (folder / "settings.yaml").write_text("competitors: [Zendo]\n")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("PERENNIAL_NOW", "2026-06-06T12:00:00+00:00")
    with engine("builder").begin() as connection:
        cases.create_tables(connection)
        connection.exec_driver_sql(SETUP)
    return folder


def test_reasons_show_what_answers_them(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["competitors", "reasons", "--json"])
    found = {row["lost_reason"]: (row["n_lost"], row["answer"]) for row in json.loads(capsys.readouterr().out)}
    assert found == {"No SSO": (2, ""), "Price": (1, "Show the cost of moving their history."), "Budget": (1, "")}
    main(["competitors", "reasons", "--unanswered", "--json"])
    assert [row["lost_reason"] for row in json.loads(capsys.readouterr().out)] == ["No SSO"]
    main(["competitors", "list", "--json"])
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["n_won"], row["n_lost"], row["n_lost_to"], row["owner"]) == (1, 5, 0, "Pia")
    assert row["win_rate"] == pytest.approx(1 / 6)


def test_missing_names_and_reasons_are_not_available(world: Path) -> None:
    with engine("builder").begin() as connection:
        assert competitors.lacking(connection) == []
        connection.exec_driver_sql("update core.opportunity set lost_reason = null")
        assert competitors.lacking(connection) == ["lost_reasons"]
        assert [row["n_lost_to"] for row in competitors.listed(connection)] == [None]
        (world / "settings.yaml").unlink()
        assert competitors.lacking(connection) == ["competitors"]


def test_owner_of_the_answers_is_notified_of_reasons_of_last_month(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, Any]] = []
    monkeypatch.setattr(competitor_notices.notices, "notify", lambda to, write: sent.append((to.email, write())))
    assert competitor_notices.list_competitors() == {"zendo": 1}
    assert [(to, len(message.evidence)) for to, message in sent] == [("pia@vendor.example", 1)]
    with engine("builder").begin() as connection:  # frequent: lost for it this month too
        connection.exec_driver_sql(
            "insert into core.opportunity (opportunity_key, account_key, opportunity_type, is_closed, is_won,"
            " close_date, is_deleted, lost_reason)"
            " values ('crm:o7', 'crm:3', 'new', true, false, '2026-06-03', false, 'No SSO')"
        )
    assert competitor_notices.list_competitors() == {"zendo": 1}
    monkeypatch.setenv("PERENNIAL_NOW", "2026-08-06T12:00:00+00:00")
    assert competitor_notices.list_competitors() == {}


def test_page_shows_the_register_to_viewers_of_all_customers(world: Path) -> None:
    text = content(Viewer(role="head"))
    assert "zendo" in text and "No SSO" in text and "50,000" in text
    for viewer in (Viewer(role="csm", owner="crm:7"), Viewer(role="operator")):
        assert "zendo" not in content(viewer)


def test_two_files_on_one_competitor_are_refused(world: Path) -> None:
    (world / "competitors" / "again.yaml").write_text(FILE)
    with pytest.raises(ConfigError, match=r"zendo\.yaml:"):
        settings.load()
