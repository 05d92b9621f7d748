"""Benchmark customers are ranked by their percentiles, and compared with the customers most like them."""

from __future__ import annotations

import json
import os
import random
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.analyses.benchmark import PERCENTILES, Customer, Profile, compared, matched, ranked, read
from include.cli.analyses import list_benchmark_customers
from include.cli.playbooks import draft
from include.common.errors import ConfigError
from include.decide.playbooks.draft import from_benchmark
from include.decide.playbooks.load import load
from include.warehouse.engine import engine


def _row(key: str, percentiles: tuple[float | None, ...], arr: float) -> dict[str, object]:
    evidence = ("n_customers", "days_as_customer", "milestones_on_time", "breadth", "depth", "active_seat_share")
    row: dict[str, object] = dict.fromkeys((*evidence, "band_since", "coverage", "nps_median", "good_rating_share"))
    row |= {"account_key": key, "name": key, "industry": "Robotics", "tier": "standard", "as_of": date(2026, 5, 31)}
    row |= {"arr": arr, "reference_consent": None, "reference_asked_on": None}
    return row | dict(zip(PERCENTILES, percentiles, strict=True))


def test_rank_is_the_mean_percentile_and_of_equal_ones_the_larger_arr_comes_first() -> None:
    found = ranked(
        [
            _row("D", (0.60, 0.70, 0.50, 0.60, 0.60), 100_000),
            _row("B", (0.80, 0.90, 0.80, 0.85, 0.80), 40_000),
            _row("A", (0.90, 0.95, 0.85, 0.90, 0.95), 10_000),
            _row("C", (0.85, 0.75, 0.85, 0.90, 0.80), 90_000),
        ]
    )
    assert [(one.account_key, one.rank) for one in found] == [("A", 0.91), ("C", 0.83), ("B", 0.83), ("D", 0.6)]


def test_unknown_percentile_is_left_out_of_the_mean() -> None:
    assert ranked([_row("A", (None, 0.5, 0.7, None, 0.6), 1)])[0].rank == 0.6


def _profile(key: str, features: set[str], days: float, *, is_candidate: bool = False, **more: object) -> Profile:
    values = {"industry": "Robotics", "tier": "standard", "seats": 10.0} | more
    return Profile(account_key=key, days=days, features=frozenset(features), is_candidate=is_candidate, **values)  # type: ignore[arg-type]


def test_peers_are_the_three_nearest_of_the_same_industry_and_tier() -> None:
    others = [_profile(f"o{days}", set(), days) for days in (390, 410, 500, 1400)]
    strangers = [_profile("k", set(), 400, tier="key"), _profile("i", set(), 400, industry="Retail")]
    ((_, peers),) = matched([_profile("c", set(), 400, is_candidate=True), *others, *strangers])
    assert [one.account_key for one in peers] == ["o390", "o410", "o500"]


def test_planted_difference_is_found_and_a_common_feature_is_not() -> None:
    draw = random.Random(2)
    profiles = []
    for number in range(80):
        is_candidate = number % 4 == 0
        used = {
            name for name, share in (("reports", 0.5), ("api", 0.9 if is_candidate else 0.2)) if draw.random() < share
        }
        profiles.append(_profile(f"a{number:02}", used, 400 + number, is_candidate=is_candidate))
    found = {one.feature: one.is_shown for one in compared(profiles)}
    assert found == {"api": True, "reports": False}


def test_few_benchmark_customers_say_nothing() -> None:
    profiles = [_profile(f"c{n}", {"api"}, 400, is_candidate=True) for n in range(4)]
    assert compared([*profiles, *(_profile(f"o{n}", set(), 400) for n in range(20))]) == []


@pytest.mark.parametrize(
    ("tier", "audience", "hold_out"),
    [("standard", {"tiers": ["standard"]}, 0.2), ("key_account", {"tiers": ["key_account"]}, None), ("", {}, 0.2)],
)
def test_draft_excludes_the_customer_and_holds_out_no_key_account(
    tier: str, audience: dict[str, Any], hold_out: float | None
) -> None:
    customer = Customer("crm:1", "One", "Retail", tier, date(2026, 5, 31), 1.0, 0.8, {"breadth": 2 / 3})
    made = yaml.safe_load(from_benchmark(customer, []))
    assert made["audience"] == {**audience, "industries": ["Retail"]}
    assert (made.get("hold_out"), "experiment" in made) == (hold_out, hold_out is not None)
    assert float(made["trigger"]["when"].removeprefix("breadth < ")) == 2 / 3


def test_commands_list_a_benchmark_customer_and_draft_a_valid_playbook(
    built: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with engine("owner").begin() as connection:
        connection.exec_driver_sql(
            "insert into marts.benchmark_customer (account_key, as_of, industry, tier, breadth, breadth_percentile,"
            " tenure_percentile, days_as_customer, is_candidate) values"
            " ('crm:1', '2026-05-31', 'Machine tools', 'standard', 0.8, 0.9, 0.7, 400, true),"
            " ('crm:2', '2026-05-31', 'Machine tools', 'standard', 0.2, 0.1, 0.7, 400, false)"
        )
    list_benchmark_customers(as_json=True)
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["account_key"], row["rank"], row["consent"]) == ("crm:1", 0.8, None)
    list_benchmark_customers(features=True)
    assert "fewer than 5" in capsys.readouterr().out
    draft("crm:1")
    text = capsys.readouterr().out
    folder = Path(os.environ["PERENNIAL_CONFIG_DIR"]) / "playbooks"
    folder.mkdir()
    (folder / "learn_machine_tools.yaml").write_text(text)
    made = load()["learn_machine_tools"].file
    assert (made.status, made.hold_out, made.audience.industries) == ("draft", 0.2, ("Machine tools",))
    assert made.trigger.when == "breadth < 0.8" and "crm:1" in text.splitlines()[0]
    with pytest.raises(ConfigError, match="crm:2 is not a benchmark customer"):
        draft("crm:2")


@pytest.mark.parametrize(
    ("now", "n"),
    [
        ("health_band = 'red'", 0),
        ("n_open_urgent_tickets = 1, oldest_urgent_days = 0", 0),
        ("account_key = 'gone'", 0),
        ("health_band = null", 1),
    ],
)
def test_customer_that_has_got_into_trouble_since_the_month_end_is_not_listed(
    built: pytest.MonkeyPatch, now: str, n: int
) -> None:
    with engine("owner").begin() as connection:
        connection.exec_driver_sql(
            "insert into marts.benchmark_customer (account_key, as_of, industry, tier, tenure_percentile, is_candidate)"
            " values ('crm:1', '2026-05-31', 'Machine tools', 'standard', 0.7, true)"
        )
        connection.exec_driver_sql(f"update marts.act_account set {now} where account_key = 'crm:1'")
        assert len(read(connection)) == n
