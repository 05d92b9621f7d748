"""The how-to *load subscriptions and events*: a foreign schema mapped only by files, with hand-calculated figures."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from include.cli.main import main
from include.common import clock, connections
from include.connectors import registry
from include.gate import verdicts
from include.models import build
from include.warehouse.engine import engine
from tests.fixtures.landing import rows, store

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "load-subscriptions-and-events"
NOW = "2026-04-15T12:00:00+00:00"
NAMES = ("new", "expansion", "contraction", "churn", "reactivation", "bucket_change", "fx")
# Month -> movements and final ARR. One plan rate a year: a euro is 1.10 dollars in 2025 and 1.20 in 2026.
MONTHS = {
    date(2025, 1, 31): ({"new": 6600}, 6600),  # 1: 1,200; 4: 1,200; 5: 2,400; 8: 1,200 and 600
    date(2025, 2, 28): ({"new": 1200}, 7800),
    date(2025, 3, 31): ({"new": 3000}, 10800),
    date(2025, 4, 30): ({"new": 1320}, 12120),  # 1,200 euros
    date(2025, 5, 31): ({"new": 3600}, 15720),
    date(2025, 6, 30): ({"expansion": 1800}, 17520),  # 2 upgrades from 100 to 250 a month
    date(2025, 7, 31): ({"churn": 2400}, 15120),  # 5
    date(2025, 8, 31): ({"churn": 1200}, 13920),  # 4
    date(2025, 9, 30): ({"contraction": 1800, "bucket_change": -3600}, 8520),  # 3 downgrades; 7 pauses
    date(2025, 10, 31): ({"reactivation": 2400}, 10920),  # 5 returns
    date(2025, 11, 30): ({"bucket_change": 2280, "churn": 3600}, 9600),  # 6 pauses; 7 has paused for 90 days
    date(2025, 12, 31): ({"bucket_change": 1320, "new": 1200}, 12120),  # 6 continues; 9 buys after its trial
    date(2026, 1, 31): ({"reactivation": 3600, "fx": 120}, 15840),  # 7 continues; 1,200 euros are worth 120 more
    date(2026, 2, 28): ({"contraction": 600}, 15240),  # 8 cancels one of two
    date(2026, 3, 31): ({}, 15240),
}


@pytest.fixture
def tables(empty_database: str, raw: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The foreign tables, with the how-to's files installed."""
    foreign = sa.create_engine(empty_database)
    with foreign.begin() as connection:
        connection.exec_driver_sql((HOW_TO / "tables.sql").read_text(encoding="utf-8"))
    foreign.dispose()
    url = make_url(empty_database)
    said = {"conn_type": "postgres", "host": url.host, "port": url.port, "login": url.username,
            "password": url.password, "schema": url.database}  # fmt: skip
    for name in ("CRM_DB", "PRODUCT_DB"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(said))
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(HOW_TO / "overlay"))
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    monkeypatch.setenv("PERENNIAL_NOW", NOW)
    return monkeypatch


def _load() -> None:
    """Read and merge everything, like ingest but without the contracts."""
    for name in ("crm_db", "product_db"):
        source = registry.connect(connections.get(name))
        for entity in source.entities():
            found = [
                record for page in source.read(entity, position=None, until=clock.now()) for record in page.records
            ]
            store(*found, source=name, vendor=source.vendor, entity=entity, read_until=clock.now())
    with engine("loader").begin() as connection:
        connection.exec_driver_sql(
            "insert into meta.verdict (source, kind, state) values ('crm_db', 'crm', 'green'),"
            " ('product_db', 'product', 'green')"
        )


def _kpi(as_of: date, period: str = "month") -> dict[str, float]:
    found = rows(
        "select metric_id, value from marts.kpi_value where period = :period and as_of = :as_of and grain = 'all'",
        period=period,
        as_of=as_of,
    )
    return dict(found)  # type: ignore[arg-type]


def test_every_month_matches_the_manual_calculation(tables: pytest.MonkeyPatch) -> None:
    _load()
    assert isinstance(build.run("first"), build.Finished)
    for end, (moved, arr) in MONTHS.items():
        stored = _kpi(end)
        expected = {f"{name}_arr": float(moved.get(name, 0)) for name in NAMES} | {"arr": arr, "mrr": arr / 12}
        assert {name: stored[name] for name in expected} == pytest.approx(expected), end
    assert rows("select count(*) from marts.renewal_due") == [(0,)]  # nothing has a term

    # One of 8 customers churned in July, and one of 7 in November, counting the paused one.
    assert _kpi(date(2025, 7, 31))["logo_churn_rate"] == pytest.approx(1 / 8)
    assert _kpi(date(2025, 11, 30))["logo_churn_rate"] == pytest.approx(1 / 7)
    assert _kpi(date(2025, 11, 30))["paused_arr"] == 1320
    # A year before: 1,200, 1,200, 3,000, 1,200, 2,400, 1,800; now 1,200, 3,000, 1,200, 0, 2,400, 1,200.
    march = _kpi(date(2026, 3, 31))
    assert march["nrr"] == pytest.approx(9000 / 10800)
    assert march["grr"] == pytest.approx(7200 / 10800)
    assert march["returned_accounts"] == 1
    # From 1 April the euro customer is included, at the rate of 2026 on both sides.
    assert _kpi(date(2026, 4, 14), "day")["nrr"] == pytest.approx((9000 + 1440) / (10800 + 1440))

    gaps = rows("select account_key, day, gap_days from marts.arr_movement where movement = 'reactivation' order by 1")
    assert gaps == [("crm_db:5", date(2025, 10, 10), 101), ("crm_db:7", date(2026, 1, 10), 41)]
    lost = "select account_key, contraction_arr, product_change_arr from marts.arr_movement where day = '2026-02-10'"
    assert rows(lost) == [("crm_db:8", 600, -600)]

    # Eight customers; in the 28 days to 31 March 1, 5 and 6 made a report, 2 signed in, and 3 was one day too early.
    assert march["activity_rate"] == pytest.approx(3 / 8)
    assert march["mau"] == 4
    # Customer 1's two reports in March are on one day; 6 has two users.
    assert march["active_days_per_user"] == pytest.approx(1)
    # One of the two kinds: 1, 5; both: 6; none: the other five.
    assert march["breadth"] == pytest.approx(4 / 16)


@pytest.mark.soak
def test_contracts_accept_every_row(tables: pytest.MonkeyPatch) -> None:
    for name in ("crm_db", "product_db"):
        assert main(["connect", "check", name]) == 0
        assert main(["ingest", name]) == 0
    assert {verdict.state for verdict in verdicts.verdicts()} == {"green"}, verdicts.verdicts()
    assert rows("select count(*) from quarantine.record") == [(0,)]
    assert main(["build"]) == 0
    assert _kpi(date(2026, 3, 31))["arr"] == 15240
