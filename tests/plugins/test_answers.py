"""What pages say to people who ask what to do: how much is too much, what is not measured, who is held up."""

from __future__ import annotations

import os
from pathlib import Path

from include.config import load
from include.pages import playbooks, team
from include.warehouse.engine import engine
from tests.plugins.test_perennial_page import client, plugin  # noqa: F401
from tests.plugins.test_viewers import _as, world  # noqa: F401


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
