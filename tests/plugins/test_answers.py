"""What pages say to people who ask what to do: how much is too much, what is not measured, who is held up."""

from __future__ import annotations

import os
from pathlib import Path

import sqlalchemy as sa

from include import config
from include.config import load
from include.decide.explain import unsent
from include.pages import account, explanation, health, held_up, metric_tree, playbooks, renewals, team, today
from include.warehouse.engine import engine
from tests.plugins.test_perennial_page import client, plugin  # noqa: F401
from tests.plugins.test_viewers import TARGET, _as, world  # noqa: F401


def test_playbooks_page_says_once_what_is_not_measured(client, world):  # noqa: F811
    found = playbooks.read(load().viewers.of("head"))
    assert sum(found.unmeasured.values()) >= len(found.rows) > len(found.unmeasured)
    assert _as(client, "head", "/playbooks/").count("Not measured") == len(found.unmeasured)


def test_load_is_too_much_above_the_places_and_the_budget(world):  # noqa: F811
    people = Path(os.environ["PERENNIAL_CONFIG_DIR"]) / "config" / "people.yaml"
    people.write_text("places: {owner@vendor.example: 0, two@vendor.example: 900}\n")
    with engine("owner").begin() as connection:
        connection.exec_driver_sql(
            "update core.account set tier = 'key_account' where account_key = 'crm:1';"
            "insert into ops.episode (signal, entity_kind, entity_id, episode_no, account_key, state, evidence,"
            " opened_on, updated_on, notified_as) select 'usage_drop', 'account', 'crm:1', n, 'crm:1', 'closed', '{}',"
            " day, day, 'alert' from generate_series(1, 101) as n, (select max(day) as day from marts.account_day) as d"
        )
    found = {row["owner_key"]: row for row in team.read(load().viewers.of("head")).rows}
    assert (found["crm:9001"]["is_over_places"], found["crm:9001"]["is_over_budget"]) == (True, True)
    assert (found["crm:9002"]["is_over_places"], found["crm:9002"]["is_over_budget"]) == (False, False)


NOT_SENT = """
insert into ops.outbox (key, channel, entity_kind, entity_id, rule, episode_no, step, account_key, recipient, subject,
    body, reads, not_after, state, reason, decision_id, version, planned_at)
select 'k' || n, 'slack', 'account', 'crm:1', 'usage_drop', n, 'opened', 'crm:1', '7', 'x', '{}', '{}', now(), state,
    reason, 'd', '1', cast(:today as date) - n
from (values (1, 'suppressed', 'dry run'), (2, 'parked', '9 of 8 actions'), (3, 'expired', 'too late'),
    (4, 'planned', 'crm is red'), (5, 'planned', ''), (6, 'sent', ''), (99, 'expired', 'long ago'))
    as t (n, state, reason);
update ops.channel set is_on_hold = false where channel = 'slack';
insert into ops.evaluation values
    (:today, 'usage_down', 'account', 'crm:1', 'crm:1', 'quiet_period', '{"first": "12-20", "last": "01-05"}'),
    (:today, '', 'account', 'crm:1', 'crm:1', 'quarantined', '{"sources": {"support": "support"}}'),
    (:today, '', '', '', '', 'evaluated', '{"sources": {"crm": {"kind": "crm", "reasons": ["too old"]}}}'),
    (:today, 'usage_down', 'account', 'crm:2', 'crm:2', 'cool_down', '{"closed_on": "", "opens_again_on": ""}')
"""


def test_account_and_today_say_why_nobody_was_told(client, world):  # noqa: F811
    with engine("owner").begin() as connection:
        connection.execute(sa.text(NOT_SENT.replace(":today", f"date '{config.today()}'")))
    mine = account.read(load().viewers.of("mine"), "crm:1").unsent
    told = [(config.today() - row.day).days for row in mine]
    assert told == [0, 0, 0, 1, 2, 3, 4]
    shown = " ".join(row.why for row in mine)
    assert all(text in shown for text in ("12-20", "support", "too old", "dry run", "9 of 8", "too late", "crm is red"))
    with engine("reader").connect() as connection:
        assert {row.account_key for row in unsent.read(connection, None, 50)} >= {"", "crm:1", "crm:2"}
    assert "crm:2" not in {row.account_key for row in today.read(load().viewers.of("mine")).unsent}
    assert "dry run" in _as(client, "mine", "/today/") and "dry run" in _as(client, "head", "/account/?account=crm:1")
    assert not today.read(load().viewers.of("executive")).unsent


def test_data_health_names_who_is_held_up_to_roles_that_see_names(client, world, monkeypatch):  # noqa: F811
    monkeypatch.setattr(held_up, "_SHOWN", 2)
    with engine("owner").begin() as connection:
        connection.exec_driver_sql(
            "insert into quarantine.record (source, entity, record_id, account_ref, rule_id, reason, batch_id, row_no)"
            " select crm_source, 'account', crm_account_id, crm_account_id, 'some_rule', '', 1, row_number() over ()"
            " from core.account"
        )
    read = {role: held_up.read(load().viewers.of(role)) for role in ("head", "mine", "viewer")}
    assert (len(read["head"].rows), read["head"].n_others) == (2, 1)
    (mine,) = read["mine"].rows
    assert (mine["account_key"], read["mine"].n_others, read["viewer"].rows) == ("crm:1", 0, ())
    assert "Acme &amp; Sons" in _as(client, "mine", "/") and "Acme" not in _as(client, "viewer", "/")


def test_metric_tree_names_the_accounts_that_moved_arr(client, world):  # noqa: F811
    start = metric_tree.read(load().viewers.of("head"), "nrr").found.period_start
    with engine("owner").begin() as connection:
        connection.exec_driver_sql("delete from marts.arr_movement")
        connection.exec_driver_sql(
            "insert into marts.arr_movement (account_key, day, movement, arr_start, arr_end)"
            f" select 'crm:' || n, date '{start}' + part, 'expansion', 1000, 1000 + (n - 6) * 10"
            " from generate_series(0, 13) as n, generate_series(0, 1) as part"
        )
    seen = metric_tree.read(load().viewers.of("head"), "nrr").movers
    assert [row.change for row in seen] == [140, 120, 100, 80, 60, -40, -60, -80, -100, -120]
    assert [row.account_key for row in metric_tree.read(load().viewers.of("mine"), "nrr").movers] == ["crm:1"]
    assert not metric_tree.read(load().viewers.of("viewer"), "nrr").movers
    assert not metric_tree.read(load().viewers.of("head"), "activity_rate").movers
    assert "-100" in _as(client, "mine", "/metrics/?metric=nrr")


def test_decisions_of_a_month_are_listed_whatever_their_quarter(world) -> None:  # noqa: F811
    with engine("owner").begin() as connection:
        connection.exec_driver_sql(
            "update marts.forecast_line set quarter_start = '2026-07-01' where account_key = 'crm:1'"
        )
    found = renewals.read(load().viewers.of("lead"), "2026-06")
    assert [line.account_key for line in found.found] == ["crm:1"]
    assert (found.total.target, found.at_stake, found.lost, found.callers) == (TARGET, TARGET, 0, {})
    assert "2026-06" in found.months and "2026-06" not in found.quarters
    refused = renewals.read(load().viewers.of("lead"), "2026-03")
    assert all(name in refused.message for name in (*found.quarters, *found.months))


def test_account_is_found_by_its_name_among_the_viewers_own(world) -> None:  # noqa: F811
    viewers = load().viewers
    for page in (account, health, explanation):
        assert page.read(viewers.of("mine"), "acme & ").account == "crm:1"
        assert page.read(viewers.of("mine"), "crm:1").account == "crm:1"
        refused = page.read(viewers.of("other"), "acme & ")
        assert refused.account == "acme & ".strip() and refused.message and not refused.found
    with engine("owner").begin() as connection:
        connection.exec_driver_sql("update core.account set name = 'Acme & Daughters' where account_key = 'crm:2'")
    assert account.read(viewers.of("head"), "Acme & Sons").found
    unsure = account.read(viewers.of("head"), "acme")
    assert not unsure.found and "crm:1" in unsure.message and "crm:2" in unsure.message
