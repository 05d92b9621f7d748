"""Backfills as files: each runs once, by whoever asks first."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.cli.main import main
from include.common.errors import ConfigError
from include.config import backfills
from include.models import backfill
from include.operations import retention
from include.warehouse.engine import engine
from tests.fixtures.landing import rows

FILE = """
name: wrong-may
reason: A query counted each event twice.
first_day: 2026-05-02
last_day: 2026-05-03
requested_by: ada@vendor.example
approved_by: grace@vendor.example
"""


@pytest.fixture
def overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "overlay" / "config" / "backfills"
    folder.mkdir(parents=True)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path / "overlay"))
    (folder / "wrong-may.yaml").write_text(FILE)
    return folder


def _missing() -> list[date]:
    days = "select distinct day from marts.account_day where day between '2026-05-01' and '2026-05-04' order by day"
    found = {day for (day,) in rows(days)}
    return [date(2026, 5, n) for n in range(1, 5) if date(2026, 5, n) not in found]


def test_backfill_rebuilds_its_days_once(
    built: pytest.MonkeyPatch, overlay: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with engine("builder").begin() as connection:
        connection.execute(sa.text("delete from marts.account_day where day between '2026-05-01' and '2026-05-04'"))
    assert [one.name for one in backfill.pending()] == ["wrong-may"]
    assert main(["build", "--backfill", "wrong-may"]) == 0
    assert _missing() == [date(2026, 5, 1), date(2026, 5, 4)]
    assert backfill.pending() == []
    assert main(["build", "--backfill", "wrong-may"]) == 2
    (overlay / "wrong-may.yaml").write_text(FILE.replace("grace", "joan").replace("A query", "Our query"))
    assert backfill.pending() == []  # the same days
    (overlay / "wrong-may.yaml").write_text(FILE.replace("2026-05-02", "2026-05-01"))
    assert [one.name for one in backfill.pending()] == ["wrong-may"]
    assert main(["backfills", "--json"]) == 0
    assert '"state": "waits"' in capsys.readouterr().out


def test_backfill_outlives_housekeeping_and_names_days_that_are_not_built(
    built: pytest.MonkeyPatch, overlay: Path
) -> None:
    assert main(["build", "--backfill", "wrong-may"]) == 0
    built.setenv("PERENNIAL_NOW", "2027-06-01T06:00:00Z")
    retention.run_housekeeping()
    assert backfill.pending() == []
    (overlay / "wrong-may.yaml").write_text(FILE.replace("2026-05-02", "2025-05-02"))
    assert main(["build", "--backfill", "wrong-may"]) == 2


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("grace@vendor.example", "Ada@vendor.example"),
        ("2026-05-03", "2026-05-01"),
        ("2026-05-03", "9999-12-31"),
        ("name: wrong-may", "name: other"),
        ("A query counted each event twice.", '""'),
    ],
)
def test_backfill_needs_a_second_person_days_in_order_and_a_reason(overlay: Path, good: str, bad: str) -> None:
    (overlay / "wrong-may.yaml").write_text(FILE.replace(good, bad))
    with pytest.raises(ConfigError, match=r"wrong-may\.yaml"):
        backfills.load()
