"""Last month is the one before today's, and today is a day of the reporting time zone."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import pytest

from include.common import texts
from include.config import loader
from include.reports import periods


@pytest.mark.parametrize(
    ("zone", "month"), [("UTC", "2026-11"), ("America/New_York", "2026-10"), ("Asia/Shanghai", "2026-11")]
)
def test_last_month_is_read_in_the_reporting_zone(zone, month, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", "2026-12-01T02:00:00Z")
    monkeypatch.setattr(loader, "load", lambda: SimpleNamespace(reporting_zone=zone))
    found = periods.last_month()
    assert (found.name, found.first) == (month, date.fromisoformat(f"{month}-01"))


def test_label_is_in_the_language_of_whoever_reads_it() -> None:
    found = [periods.of(length, date(2026, 11, 23)) for length in ("weekly", "monthly", "quarterly")]
    english = [one.label for one in found]
    with texts.reading("zh_CN"):
        assert not {one.label for one in found} & {*english} and not texts.is_incomplete()
