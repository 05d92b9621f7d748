"""Values frozen at a period's close stay unchanged by later data and rebuilds."""

from __future__ import annotations

from datetime import date

import pytest

from include.models import build
from tests.fixtures import small_world as world
from tests.fixtures.landing import rows, value

FROZEN = "select checkpoint, part, target_arr from marts.renewal_frozen where account_key = 'crm:2' order by 1"
RATES = (
    "select metric_id, value from marts.kpi_value where metric_id in ('on_time_rate', 'on_time_rate_frozen')"
    " and period = 'month' and grain = 'csm' and grain_key = 'crm:8' and as_of = '2026-05-31' order by 1"
)


def test_backdated_renewal_restates_the_rate_but_not_the_frozen_one(built: pytest.MonkeyPatch) -> None:
    # Account 2's term ended on 15 May; May closed on 3 June, the third working day after it.
    before = rows(FROZEN)
    assert ("month", "open", 2400) in [(row[0], row[1], int(row[2])) for row in before]
    assert [tuple(row) for row in rows(RATES)] == [("on_time_rate", 0.0), ("on_time_rate_frozen", 0.0)]
    built.setenv("PERENNIAL_NOW", "2026-06-11T12:00:00+00:00")
    world.load("opportunity", world.deal("d22", "2", opportunity_type="renewal", close_date=date(2026, 5, 14)))
    world.load("contract_line", world.line("l22", "d22", 2400, date(2026, 5, 15), date(2027, 5, 15)))
    build.run("second")
    build.run("again", "rebuild", date(2026, 5, 1), date(2026, 6, 10))
    assert rows(FROZEN) == before
    assert [tuple(row) for row in rows(RATES)] == [("on_time_rate", 1.0), ("on_time_rate_frozen", 0.0)]
    assert value("select upto from meta.frozen where model = 'marts.renewal_frozen'") == date(2026, 6, 11)
