"""Peer comparison: an account's position per month, equal in SQL, Python and a rebuild."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from include.models import build, registry
from include.scores.health import explanation, peers, readings
from include.warehouse.engine import engine
from tests.fixtures import small_world as world
from tests.fixtures.databases import database
from tests.fixtures.landing import rows
from tests.scores.test_health_sql import input_row
from tests.sql import cases

FEBRUARY, MARCH, LATER = date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 1)


def compare_with_peers(folder: Path, profile: str) -> None:
    """Write a second version of a profile into the overlay: three peer measures, one of them about one feature."""
    text = (registry.get("marts.health_score").path.parents[2] / "health" / f"{profile}.yaml").read_text()
    text = text.replace("version: 1\nvalid_from: 2020-01-01", "version: 2\nvalid_from: 2026-01-01")
    per_user = "feature_events('reports') / nullif(active_users_28d, 0)"
    for name, value in (("active_seat_share", "active_seat_share"), ("breadth", "breadth"), ("depth", per_user)):
        ours = f"value: peer({value})\n    points: [[0, 0], [50, 60], [100, 100]]"
        text, n = re.subn(rf"value: {name}\n    points: .*", ours, text)
        assert n == 1
    place = folder / "sql" / "health" / "with_peers.yaml"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


@pytest.mark.parametrize(
    ("value", "quantiles", "expected"),
    [
        (0, (1, 2, 3, 4, 5, 6, 7), 0),
        (1, (1, 2, 3, 4, 5, 6, 7), 0),
        (2, (1, 2, 3, 4, 5, 6, 7), 10),
        (2.5, (1, 2, 3, 4, 5, 6, 7), 20),
        (6.5, (1, 2, 3, 4, 5, 6, 7), 95),
        (8, (1, 2, 3, 4, 5, 6, 7), 100),
        # Three tenths and more are tied and get the middle of their ranks.
        (0, (0, 0, 0, 2, 4, 6, 8), 15),
        (1, (0, 0, 0, 2, 4, 6, 8), 40),
        (1, (1, 1, 1, 1, 1, 1, 1), 50),
        (2, (1, 1, 1, 1, 1, 1, 1), 100),
    ],
)
def test_peer_position(value: float, quantiles: Sequence[float], expected: float) -> None:
    assert peers.position(value, quantiles) == expected


def test_small_peer_group_falls_back_to_its_tier_then_to_all(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare_with_peers(tmp_path, "standard")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    chance = random.Random(3)
    kinds = [("standard", 200)] * 40 + [("standard", 900)] * 20 + [("key_account", 900)] * 15
    given = [
        input_row(chance, f"crm:{number}", day, 1.0)
        | {"tier": tier, "days_as_customer": age, "is_paused": False}
        | {"active_users_28d": 4, "feature_events": f'{{"reports": {number % 9}}}'}
        for number, (tier, age) in enumerate(kinds)
        for day in (FEBRUARY, date(2026, 3, 30), MARCH, LATER)
    ]
    with database(postgres, "peers", "template") as url:
        monkeypatch.setenv("PERENNIAL_DATABASE_URL", url)
        with engine("owner", url).begin() as connection:
            cases.create_tables(connection)
            case = cases.Case(
                path=cases.HERE, case="", newest=LATER, start=FEBRUARY,
                given={"marts.health_input": given}, expect={"marts.account_health": []},
            )  # fmt: skip
            for _ in cases.run(connection, case):
                pass
        with engine("owner", url).connect() as connection:
            known = connection.execute(
                sa.text(
                    "select tier, age_band, n_accounts, p10, p70 from marts.health_peer"
                    " where month_end = :day and measure = 'breadth' order by n_accounts"
                ),
                {"day": FEBRUARY},
            ).all()
            assert [tuple(row[:3]) for row in known] == [
                ("standard", "below 12 months", 40), ("standard", "", 60), ("", "", 75),
            ]  # fmt: skip
            values = [row["breadth"] for row in given if row["day"] == FEBRUARY and row["breadth"] is not None]
            assert known[-1][3:] == pytest.approx(np.quantile(values[:75], (0.1, 0.7)))
            scores = {
                (r.account_key, r.day): r for r in connection.execute(sa.text("select * from marts.health_score"))
            }
            for row in given:
                made = readings.explain(connection, row["account_key"], row["day"])
                found = scores[row["account_key"], row["day"]]
                assert (found.score, found.version) == (made.number, 2), row
                if row["usage_known_on"]:  # the first month has no peers yet
                    assert (made.parts["depth"].sub_score is None) == (row["day"] == FEBRUARY)
                    assert (made.parts["breadth"].sub_score is None) == (row["day"] == FEBRUARY)
        # Tables not created by a build are readable only by their owner.
        monkeypatch.setattr(explanation, "engine", lambda _: engine("owner", url))
        change = explanation.of_change("crm:70", MARCH, LATER)
        assert sum(line.change for line in change.lines) == change.after - change.before
        assert "peers of February 2026 -> March 2026" in [line.cause for line in change.lines]
        within = explanation.of_change("crm:70", date(2026, 3, 30), MARCH)
        assert not [line for line in within.lines if line.kind == "peers"]
        (said,) = [part for part in explanation.of_day("crm:70", LATER).parts if part.measure == "Key features in use"]
        assert said.evidence.endswith("of 100 among its peers of March 2026")


def test_late_facts_and_a_new_month_equal_a_build_from_scratch(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compare_with_peers(tmp_path, "small")
    world.load("account", world.account("5"))
    world.load("opportunity", world.deal("d5", "5"))
    world.load("contract_line", world.line("l5", "d5", 900, date(2025, 9, 15), date(2026, 9, 15)))
    world.load("product_account", world.product_account("p5", "5"))
    world.load("usage_day", *(world.usage("5", "u5", day, 5) for day in (date(2026, 5, 20), date(2026, 6, 9))))
    build.run("with peers")
    of_june = "select n_accounts, p50 from marts.health_peer where month_end = '2026-05-31' and measure = 'breadth'"
    before = rows(of_june)
    assert before
    built.setenv("PERENNIAL_NOW", "2026-06-10T13:00:00+00:00")
    world.load("usage_day", *(world.usage("1", "u1", date(2026, 5, 30), 5, name) for name in ("api", "login")))
    of_another = (
        "select day, score from marts.health_score where account_key = 'crm:5' and day >= '2026-06-01' order by 1"
    )
    scores = rows(of_another)
    build.run("late facts")
    assert rows(of_june) != before  # for an account, and so for its peers in all of the month after
    assert [row for row, (day, score) in zip(rows(of_another), scores, strict=False) if row[1] != score]
    built.setenv("PERENNIAL_NOW", "2026-07-02T12:00:00+00:00")
    world.load("usage_day", world.usage("1", "u1", date(2026, 6, 29), 5))
    build.run("a new month")
    assert rows("select 1 from marts.health_peer where month_end = '2026-06-30'")
    assert rows("select 1 from marts.health_input where account_key = 'crm:5' and feature_events like '%reports%'")
    # A month later the same first day is one more month ago.
    settings = tmp_path / "config" / "settings.yaml"
    settings.write_text(settings.read_text().replace("history_start_months: 3", "history_start_months: 4"))
    world.assert_equals_scratch(built)
