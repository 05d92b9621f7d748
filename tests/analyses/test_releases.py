"""Adoption of releases: reach, adoption, goals that were set in time, and the notice on day 28."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from include.analyses import releases
from include.analyses.releases import Version
from include.cli.main import main
from include.common.errors import ConfigError
from include.config import releases as settings
from include.config.viewers import Viewer
from include.decide import released
from include.warehouse.engine import engine
from tests.analyses.page_text import content
from tests.fixtures.landing import rows
from tests.sql import cases

DAY = date(2026, 5, 1)
FILE = """
name: boards
title: Boards 2
released_on: 2026-05-01
features: [Boards]
target: {tiers: [Small]}
goal: 0.2
owner: {name: Pia, email: pia@vendor.example}
"""
# Of 120 targets 34 used it: 10 by three people on one day, 8 by one person in two weeks, 16 by one person once.
SETUP = """
insert into meta.build (build_id, kind, state, window_start, window_end, newest_day, first_day, known_at, trigger)
    values ('b1', 'forward', 'done', '2026-05-31', '2026-06-01', '2026-05-31', '2026-01-01', '2026-05-31', 'day');
insert into marts.account_day (account_key, day, tier, is_customer)
    select 'crm:' || n, '2026-05-01', case when n <= 125 then 'small' else 'key' end, n <> 124
    from generate_series(1, 130) as n;
insert into core.product_start (account_key, first_day)
    select 'crm:' || n, case when n = 121 then date '2026-05-02' else '2026-01-01' end from generate_series(1, 130) as n
    where n <> 122;
insert into core.usage_gap (account_key, from_day) values ('crm:123', '2026-05-20'), ('crm:125', '2026-05-20');
insert into core.usage_day (account_key, day, user_key, feature, n_events)
    select 'crm:' || n, date '2026-05-03', 'u' || n || '-' || p, 'boards', 1
    from generate_series(1, 34) as n cross join generate_series(1, 3) as p where p = 1 or n <= 10
    union all select 'crm:' || n, '2026-05-08', 'u' || n || '-1', 'boards', 1 from generate_series(11, 18) as n
    union all select 'crm:' || n, '2026-05-07', 'u' || n || '-1', 'boards', 1 from generate_series(19, 34) as n
    union all select 'crm:' || n, day, 'u', 'boards', 1 from generate_series(19, 60) as n
        cross join (values (date '2026-04-30'), ('2026-05-29')) as v (day)
    union all select 'crm:' || n, '2026-05-03', 'u', 'other', 1 from generate_series(19, 60) as n;
"""


@pytest.fixture
def overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "config" / "releases").mkdir(parents=True)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    (tmp_path / "config" / "releases" / "boards.yaml").write_text(FILE)
    return tmp_path


@pytest.fixture
def world(warehouse: str, overlay: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with engine("builder").begin() as connection:
        cases.create_tables(connection)
        for table in ("marts.account_day", "core.usage_day"):
            cases.materialize.partition(connection, cases.registry.get(table), date(2026, 4, 1), date(2026, 6, 1))
        connection.exec_driver_sql(SETUP)
    monkeypatch.setenv("PERENNIAL_NOW", "2026-04-20T12:00:00+00:00")
    with engine("builder").begin() as connection:
        assert releases.note_goals(connection) == 1
    monkeypatch.setenv("PERENNIAL_NOW", "2026-05-29T12:00:00+00:00")


def judge() -> dict[str, str]:
    with engine("builder").begin() as connection:
        releases.note_goals(connection)
    with engine("builder").begin() as connection:
        return releases.judge(connection)


def test_golden_release_missed_its_goal(world: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge() == {"boards": "missed_goal"}
    main(["releases", "list", "--json"])
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["n_targets"], row["n_reached"], row["n_adopted"], row["n_unknown"]) == (120, 34, 18, 4)
    assert (row["reach"], row["adoption"], row["of_reached"], row["goal"]) == ("28.3%", "15.0%", "52.9%", "20.0%")
    assert row["n_tickets"] is None and row["retention"] == "not available"
    main(["releases", "list"])
    assert "n_reached" in capsys.readouterr().out


def test_a_final_row_and_its_goal_never_change(world: None, overlay: Path) -> None:
    judge()
    (overlay / "config" / "releases" / "boards.yaml").write_text(FILE.replace("0.2", "0.1"))
    with engine("builder").begin() as connection:
        connection.exec_driver_sql("delete from core.usage_day")
    assert judge() == {}
    assert rows("select n_adopted, goal from meta.release_adoption") == [(18, 0.2)]
    assert rows("select goal from meta.release_goal order by known_from") == [(0.2,), (0.1,)]


def test_release_without_a_stored_goal_waits(world: None, overlay: Path) -> None:
    (overlay / "config" / "releases" / "new.yaml").write_text(FILE.replace("name: boards", "name: new"))
    with engine("builder").begin() as connection:
        assert releases.judge(connection) == {"boards": "missed_goal"}


def test_before_its_28_days_are_read_there_is_no_verdict(world: None) -> None:
    with engine("builder").begin() as connection:
        connection.exec_driver_sql("update meta.build set newest_day = '2026-05-30'")
    assert judge() == {"boards": "too_early"}


def test_result_waits_two_weeks_for_late_usage(world: None) -> None:
    with engine("builder").begin() as connection:
        connection.exec_driver_sql("update core.usage_gap set from_day = '2026-06-30'")
        connection.exec_driver_sql(
            "insert into core.usage_gap select 'crm:' || n, '2026-05-27' from generate_series(1, 20) as n"
        )
    assert judge() == {"boards": "too_early"}
    with engine("builder").begin() as connection:
        connection.exec_driver_sql("update meta.build set newest_day = '2026-06-12'")
    assert judge() == {"boards": "missed_goal"}
    assert rows("select n_targets, n_unknown from meta.release_adoption") == [(102, 22)]


def test_effect_on_retention_is_shown_after_two_quarters(world: None) -> None:
    judge()
    with engine("builder").begin() as connection:
        connection.exec_driver_sql(
            "insert into meta.feature_effect (month, feature, verdict, n_with, n_without, n_dropped, n_losses,"
            " difference, n_begun, n_begun_after_contact, judged_at) select month, 'boards', 'goes_with', 1, 1, 0, 30,"
            " 0.1, 0, 0, now() from (values (date '2026-10-01'), ('2026-11-01')) as v (month)"
        )
    with engine("reader").connect() as connection:
        (row,) = releases.with_effects(connection, releases.stored(connection))
        (early,) = releases.with_effects(connection, [{**row, "released_on": date(2026, 5, 31)}])
    assert early["effects"] is None  # two quarters later there is no finding yet
    assert [(one["month"], one["verdict"]) for one in row["effects"]] == [(date(2026, 11, 1), "goes_with")]


@pytest.mark.parametrize(
    ("known", "goal"),
    [
        ([(date(2026, 4, 1), DAY, 0.1), (DAY, DAY, 0.2)], 0.2),  # the last one by that day
        ([(date(2026, 4, 1), DAY, 0.1), (date(2026, 5, 2), DAY, 0.2)], 0.1),
        ([(date(2026, 4, 1), date(2026, 4, 20), 0.1), (date(2026, 4, 10), DAY, 0.2)], 0.2),  # postponed before
        ([(date(2026, 4, 1), DAY, 0.1), (date(2026, 5, 9), date(2026, 6, 1), 0.2)], 0.1),  # postponed afterwards
        ([(date(2026, 5, 2), DAY, 0.1)], None),
    ],
)
def test_only_a_goal_that_was_set_before_counts(known: list[tuple[date, date, float]], goal: float | None) -> None:
    version, is_in_time = releases.in_force([Version(on, day, {"goal": goal}) for on, day, goal in known])
    assert (version.definition["goal"] if is_in_time else None) == goal


def test_features_have_the_names_of_usage(overlay: Path) -> None:
    (overlay / "config" / "releases" / "boards.yaml").write_text(FILE.replace("[Boards]", '[" Boards"]'))
    assert settings.load()["boards"].definition["features"] == ["boards"]


@pytest.mark.parametrize("wrong", [("name: boards", "name: other"), ("goal: 0.2", "goal: 20"), ("[Boards]", "[]")])
def test_wrong_file_is_refused(overlay: Path, wrong: tuple[str, str]) -> None:
    (overlay / "config" / "releases" / "boards.yaml").write_text(FILE.replace(*wrong))
    with pytest.raises(ConfigError, match=r"boards\.yaml:"):
        settings.load()


def test_notice_says_every_verdict(world: None) -> None:
    judge()
    with engine("reader").connect() as connection:
        (row,) = releases.stored(connection)
    for change in ({}, {"goal": 0.15}, {"goal": None}, {"n_targets": 0, "reach": None, "adoption": None}):
        changed = {**row, **change}
        written = released.message({**changed, "verdict": releases.verdict(changed)})
        assert written.subject.startswith("Boards 2") and len(written.evidence) == 3
    assert releases.verdict({**row, "goal": 0.15}) == "reached_goal"


def test_page_shows_releases(world: None) -> None:
    judge()
    text = content(Viewer(role="csm", owner="crm:7"))
    assert all(word in text for word in ("Boards 2", "28.3%", "15.0%", "52.9%", "20.0%"))
