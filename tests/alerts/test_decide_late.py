"""Decisions on data that is late, or not measured any more."""

from __future__ import annotations

from datetime import timedelta

from tests.alerts.house import House
from tests.alerts.test_decide import message
from tests.renewal_rows import NOW, renewal


def test_what_goes_out_on_the_data_of_a_late_source_says_how_old_it_is(house: House) -> None:
    house.verdict("crm", "crm", "stale", NOW - timedelta(hours=30), "not read since")
    house.renewals(renewal(1, days=30, usage_ratio=0.5))
    assert house.decide().n_held == 0
    assert "The CRM's data is 30 hours old." in message(house, channel="slack").notes
    assert all("CRM&#39;s data is 30 hours old" in row.body["html"] for row in house.outbox(channel="crm_task"))


def test_a_feature_that_is_not_measured_any_more_is_no_risk(house: House) -> None:
    house._execute(
        "insert into meta.feature_hold values ('product_db', 'reports', :day, 40, 30, :now, :now)",
        day=NOW.date(),
        now=NOW,
    )
    house.renewals(renewal(1, days=30, usage_ratio=0.1))
    house.decide()
    shown = message(house, channel="slack")
    assert any("the use of reports in product_db is not measured" in item.text for item in shown.evidence)
    assert not any("baseline" in item.text for item in shown.evidence) and house.outbox(rule="renewal_at_risk") == []
