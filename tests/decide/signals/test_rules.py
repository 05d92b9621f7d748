"""Every shipped signal opens for affected customers, not for healthy ones, and closes on recovery."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.common.errors import ConfigError
from include.decide.rules.evaluate import Hit, evaluate
from include.decide.signals.load import load
from include.warehouse.engine import engine
from tests.fixtures.subjects_store import account, contact, former, store

TODAY = date(2026, 11, 16)
SICK: dict[str, dict[str, Any]] = {
    "usage_down": {"usage_ratio": 0.5, "user_days_28d": 70, "user_days_ratio_14d_ago": 0.6},
    "seats_unused": {"active_seat_share": 0.2, "user_days_28d": 90},
    "seats_nearly_full": {"seat_utilisation": 0.97, "activated_seats": 49, "active_seat_share": 0.9},
    "urgent_ticket_ageing": {
        "n_open_urgent_tickets": 1,
        "oldest_urgent_days": 5,
        "oldest_open_urgent_at": datetime(2026, 11, 12, tzinfo=UTC),
    },
    "ticket_storm": {"n_tickets_14d": 6, "n_open_urgent_tickets": 1},
    "bad_rating": {"n_bad_ratings_30d": 2},
    "detractor": {"last_nps_score": 5.0, "n_bad_ratings_30d": 2},
    "invoice_overdue": {"overdue_amount": Decimal(900), "overdue_days": 61},
    "competitor_named": {
        "n_competitor_mentions_30d": 1,
        "competitor_named_at": datetime(2026, 11, 12, tzinfo=UTC),
    },
    "milestone_late": {"n_late_milestones": 1, "milestone_late_days": 10, "late_milestone": "Go-live"},
    "no_touch": {"days_since_contact": 95, "n_bad_ratings_30d": 2},
    "new_team": {"n_new_teams_28d": 1, "new_team": "Sales", "new_team_on": date(2026, 11, 10)},
    "data_missing": {"usage_28d": None, "usage_ratio": None},
    "renewal_dates_missing": {"n_undated_renewals": 1, "undated_renewal": "C-7"},
    "health_fell": {
        "health": Decimal("64.20"),
        "health_band": "yellow",
        "health_band_before": "green",
        "health_before": Decimal("74.10"),
        "health_band_days": 1,
    },
    "key_user_silent": {"days_silent": 28, "last_active_on": date(2026, 10, 19)},
    "key_contact_left": {"is_gone": True, "days_gone": 2},
    "tier_changed": {"tier": "key_account", "tier_before": "standard"},
    "new_customer": {"days_as_customer": 5},
    "customer_left": {"days_since_left": 70},
    "new_executive": {"is_executive": True, "job_title": "CFO", "days_known": 3},
}
# Signal -> values that make it worse, in addition to those that open it. The others never worsen.
WORSE: dict[str, dict[str, Any]] = {
    "usage_down": {"user_days_28d": 30},
    "seats_unused": {"active_seat_share": 0.1},
    "urgent_ticket_ageing": {"oldest_urgent_days": 8},
    "ticket_storm": {"n_tickets_14d": 9},
    "bad_rating": {"n_bad_ratings_30d": 3},
    "detractor": {"last_nps_score": 2.0},
    "invoice_overdue": {"overdue_days": 95},
    "competitor_named": {"n_competitor_mentions_30d": 4},
    "milestone_late": {"milestone_late_days": 40},
    "health_fell": {"health_band": "red"},
}
# Between opening and closing thresholds: open ones stay open, closed ones stay closed.
BETWEEN: dict[str, dict[str, Any]] = {
    "usage_down": {"user_days_28d": 130},
    "seats_unused": {"active_seat_share": 0.4},
    "new_customer": {"days_as_customer": 30},
    "customer_left": {"days_since_left": 200},
    "seats_nearly_full": {"seat_utilisation": 0.9},
    "urgent_ticket_ageing": {"n_open_urgent_tickets": 1, "oldest_urgent_days": 1},
    "ticket_storm": {"n_tickets_14d": 3},
    "bad_rating": {"n_bad_ratings_30d": 1},
    "detractor": {"last_nps_score": 5.0, "days_since_nps": 90},
    "invoice_overdue": {"overdue_amount": Decimal(900), "overdue_days": 20},
    "milestone_late": {"n_late_milestones": 1, "milestone_late_days": 3},
    "no_touch": {"days_since_contact": 60},
    "key_user_silent": {"days_silent": 14},
    "health_fell": {"health_band_days": 15},
}


def evaluate_signal(name: str, changes: dict[str, Any], is_open: bool = True) -> Hit | None:
    """Evaluate a signal for one subject."""
    rule = load()[name]
    row = {"account": account, "contact": contact, "former": former}[rule.about](1, **changes)
    store(TODAY, rule.about, row)
    with engine("reader").connect() as connection:
        hits = evaluate(connection, TODAY, rule, [row[rule.table.key]] if is_open else [])
    return hits[0] if hits else None


def test_every_signal_has_examples() -> None:
    signals = load()
    assert signals.keys() == SICK.keys()
    assert {name for name, rule in signals.items() if rule.worse} == WORSE.keys()


@pytest.mark.usefixtures("warehouse")
@pytest.mark.parametrize("name", SICK)
def test_signal_opens_worsens_and_closes(name: str) -> None:
    sick = evaluate_signal(name, SICK[name], is_open=False)
    assert sick
    assert (sick.opens, sick.is_worse, sick.closes) == (True, False, False)
    assert evaluate_signal(name, {}, is_open=False) is None
    healthy = evaluate_signal(name, {})
    assert healthy
    assert (healthy.opens, healthy.closes) == (False, True)
    if name in WORSE:
        worse = evaluate_signal(name, {**SICK[name], **WORSE[name]})
        assert worse
        assert (worse.opens, worse.is_worse, worse.closes) == (True, True, False)
    if name in BETWEEN:
        between = evaluate_signal(name, {**SICK[name], **BETWEEN[name]})
        assert between
        assert (between.opens, between.closes) == (False, False)


@pytest.mark.usefixtures("warehouse")
def test_unknown_values_neither_open_nor_close() -> None:
    unknown = evaluate_signal(
        "usage_down", dict.fromkeys(("user_days_28d", "user_days_usual", "user_days_ratio_14d_ago", "usage_ratio"))
    )
    assert unknown
    assert (unknown.opens, unknown.is_worse, unknown.closes) == (False, False, False)


@pytest.mark.usefixtures("warehouse")
@pytest.mark.parametrize(
    ("name", "lacking"),
    [
        # a normal fluctuation for a team of two
        ("usage_down", {"user_days_28d": 12, "user_days_usual": 22.0, "user_days_settled": 22.0}),
        ("usage_down", {"user_days_28d": 15, "user_days_usual": 25.0, "user_days_settled": 30.0}),
        ("health_fell", {"health_coverage": 0.69}),  # too little of the score is known
        ("health_fell", {"health_band": "unknown"}),
        ("usage_down", {"user_days_ratio_14d_ago": 0.9}),  # only for a few days
        ("usage_down", {"usage_ratio": 0.9}),  # seasonal, as every year
        ("seats_unused", {"user_days_28d": 180}),  # idle since then
        ("ticket_storm", {"n_open_urgent_tickets": 0}),
        ("bad_rating", {"n_bad_ratings_30d": 1}),
        ("detractor", {"n_bad_ratings_30d": 0}),
        ("no_touch", {"n_bad_ratings_30d": 0}),
        ("key_user_silent", {"n_active_days_before": 9}),  # a weekly user
        ("new_executive", {"days_as_customer": 100}),
    ],
)
def test_likely_chance_fluctuation_does_not_open(name: str, lacking: dict[str, Any]) -> None:
    assert evaluate_signal(name, {**SICK[name], **lacking}, is_open=False) is None


@pytest.mark.usefixtures("warehouse")
@pytest.mark.parametrize(
    "sign", [{"oldest_urgent_days": 6}, {"n_competitor_mentions_30d": 1}, {"user_days_28d": 80, "usage_ratio": 0.4}]
)
def test_one_of_several_secondary_conditions_is_enough(sign: dict[str, Any]) -> None:
    for name in ("detractor", "no_touch"):
        assert evaluate_signal(name, {**SICK[name], "n_bad_ratings_30d": 0, **sign}, is_open=False), name


@pytest.mark.usefixtures("warehouse")
def test_lasting_fall_is_compared_with_the_earlier_baseline() -> None:
    lasting = {"usage_ratio": 0.6, "user_days_28d": 100, "user_days_usual": 160.0, "user_days_ratio_14d_ago": 0.6}
    fallen = evaluate_signal("usage_down", lasting)
    assert fallen
    assert (fallen.opens, fallen.closes) == (True, False)
    assert evaluate_signal("usage_down", {**lasting, "user_days_settled": 160.0}, is_open=False) is None
    settled = evaluate_signal("usage_down", {**lasting, "user_days_usual": 110.0})
    assert settled
    assert not settled.closes
    over = evaluate_signal("usage_down", {**lasting, "user_days_usual": 110.0, "user_days_settled": 110.0})
    assert over
    assert over.closes


@pytest.mark.usefixtures("warehouse")
@pytest.mark.parametrize(
    ("usual", "settled", "used", "more", "said"),
    [
        # Usual, settled and used days, and whether exactly at the threshold it opens, is severe, closes.
        (200.0, None, 79, {}, (True, False, False)),
        (200.0, None, 80, {}, (False, False, False)),  # low
        (6.0, None, 0, {}, (True, True, False)),  # chance
        (160.0, 160.0, 87, {}, (True, False, False)),
        (160.0, 160.0, 88, {}, (False, False, False)),  # lasting
        (40.0, 40.0, 20, {}, (True, False, False)),  # lasting_chance
        (200.0, None, 40, {}, (True, False, False)),  # severe
        (200.0, None, 39, {}, (True, True, False)),
        (200.0, None, 160, {}, (False, False, True)),  # recovered, relative to the usual level
        (100.0, 200.0, 160, {}, (False, False, True)),  # and relative to the level before
        (200.0, None, 79, {"user_days_ratio_14d_ago": 0.7}, (False, False, False)),  # low_before
        (200.0, None, 79, {"usage_ratio": 0.7}, (False, False, False)),  # seasonal
    ],
)
def test_usage_down_opens_below_its_thresholds_not_at_them(
    usual: float, settled: float | None, used: int, more: dict[str, Any], said: tuple[bool, bool, bool]
) -> None:
    days = {"user_days_usual": usual, "user_days_settled": settled, "user_days_28d": used}
    found = evaluate_signal("usage_down", {**SICK["usage_down"], **days, **more})
    assert found
    assert (found.opens, found.is_worse, found.closes) == said


@pytest.mark.usefixtures("warehouse")
def test_tier_can_override_thresholds() -> None:
    four_days = {"n_open_urgent_tickets": 1, "oldest_urgent_days": 4}
    usual = evaluate_signal("urgent_ticket_ageing", four_days)
    key = evaluate_signal("urgent_ticket_ageing", {**four_days, "tier": "key_account"})
    assert usual
    assert key
    assert (usual.opens, key.opens) == (False, True)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "open: n_bad_ratings_30d >= several",
            "open: n_ratings >= one",
            "signals/bad_rating.yaml:11: open: names the column `n_ratings`",
        ),
        ("{one: 1, several: 2, many: 3}", "{one: 1, many: 3, select: 2}", "thresholds.select: is an SQL keyword"),
        ("{one: 1, several: 2, many: 3}", "{one: 1, many: 3, arr: 2}", "thresholds.arr: is also the name of a column"),
        ("cool_down_days: 14", "cool_down: 14", "cool_down: unknown key | did you mean cool_down_days?"),
        ("{{ account_name }}:", "{{ acount_name }}:", "subject: names `acount_name`"),
        ("were rated bad", "{{ n_bad_ratings_30d + '1' }}", "evidence.0: cannot be rendered"),
        ("name: bad_rating", "name: bad_ratings", "name: is 'bad_ratings', but the file is called bad_rating.yaml"),
        ("worse: n_bad_ratings_30d >= many", "worse: pg_sleep(60) is null", "worse: uses"),
        ("kind: risk", "kind: danger", "kind: Input should be 'risk', 'opportunity' or 'data'"),
    ],
)
def test_invalid_file_is_reported_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, complaint: str
) -> None:
    shipped = (Path(__file__).parents[3] / "include/defaults/config/signals/bad_rating.yaml").read_text()
    assert old in shipped
    folder = tmp_path / "config" / "signals"
    folder.mkdir(parents=True)
    (folder / "bad_rating.yaml").write_text(shipped.replace(old, new))
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    with pytest.raises(ConfigError) as raised:
        load()
    assert complaint in f"{raised.value.message} | {raised.value.cure}"


def test_signal_can_be_disabled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "config" / "signals"
    folder.mkdir(parents=True)
    (folder / "bad_rating.yaml").write_text("disabled: true\n")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    assert "bad_rating" not in load()
