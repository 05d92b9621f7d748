"""A missed target is reported to the metric's owner once, with its branch of the metric tree."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from include.common import texts
from include.decide.digests import metric_targets
from include.models import metrics
from include.outbox.message import Message
from include.warehouse.engine import engine
from tests.fixtures.decision_world import Book
from tests.fixtures.decisions import at

CREATE = """
create table marts.kpi_value (
    metric_id text, metric_version int, period text, period_start date, as_of date, grain text, grain_key text,
    value double precision, numerator numeric, denominator numeric, n bigint, coverage double precision,
    low double precision, high double precision
)
"""
_INSERT = sa.text(
    "insert into marts.kpi_value"
    " select :metric, 1, 'month', p.period_start, p.as_of, :grain, :key, :worth, 20, 40, :n, 1"
    " from (select * from meta.period where period = 'month' and as_of < :end order by as_of desc limit 1 offset :back)"
    " as p"
)


@pytest.fixture
def missed_target(book: Book) -> Book:
    """A closed month in which half of the accounts were active, and fewer of their users than before."""
    book.set_clock(at(17))
    book.renewals()
    end = book.now.date().replace(day=1)
    with engine("builder").begin() as connection:
        connection.exec_driver_sql(CREATE)
        connection.exec_driver_sql("grant select on marts.kpi_value to perennial_reader")
        for metric, grain, key, months_ago, worth, n in (
            ("activity_rate", "all", "all", 0, 0.5, 40),
            ("activity_rate", "all", "all", 1, 0.9, 40),
            ("activity_rate", "csm", "crm:7", 0, 0.2, 10),
            ("activity_rate", "csm", "crm:8", 0, 0.95, 10),
            ("stickiness", "all", "all", 0, 0.3, 40),
            ("stickiness", "all", "all", 1, 0.4, 40),
            ("grr", "all", "all", 0, 0.95, 40),
        ):
            connection.execute(
                _INSERT,
                {"metric": metric, "grain": grain, "key": key, "worth": worth, "n": n, "end": end, "back": months_ago},
            )
    return book


def test_missed_target_is_reported_once(missed_target: Book) -> None:
    missed_target.decide()
    told = missed_target.outbox(rule=metric_targets.RULE)
    assert [(each.recipient, each.state, each.channel) for each in told] == [
        ("cs-operations@example.com", "planned", "email")
    ]
    assert told[0].subject.startswith("Activity rate missed its target: 50.0% in the month to ")
    said = Message.model_validate(told[0].body)
    assert [fact.value for fact in said.facts[:2]] == ["50.0%", "at least 85.0%"]
    # The branch below it with earlier values, then only the group furthest from its target.
    assert [(each.text, each.level) for each in said.evidence] == [
        ("Stickiness: 30.0%, before 40.0%", "risk"),
        ("CSM crm:7: 20.0%", "risk"),
    ]
    assert told[0].reads == ("crm", "product_db")
    missed_target.decide(decision_id="again")
    assert len(missed_target.outbox(rule=metric_targets.RULE)) == 1


def test_numbers_are_written_as_the_reader_writes_them() -> None:
    row = SimpleNamespace(
        metric_id="activity_rate", grain="all", is_before=False, value=0.5, numerator=1234, denominator=2468, n=9,
        coverage=0.995,
    )  # fmt: skip
    miss = metric_targets.Miss(metrics.load()["activity_rate"], "month", date(2026, 5, 31), 0.5, [row])
    with texts.reading("de"):
        facts = [fact.value for fact in metric_targets.message(miss).facts]
    assert facts[0].startswith("50,0") and facts[2].endswith("1.234,00 / 2.468,00")


def test_missed_target_waits_for_an_unfit_source(missed_target: Book) -> None:
    missed_target.verdict("product_db", "product", "red", missed_target.now, "broken")
    assert missed_target.decide().n_on_hold >= 1
    assert missed_target.outbox(rule=metric_targets.RULE) == []
    missed_target.verdict("product_db", "product", "green", missed_target.now)
    missed_target.decide(decision_id="later")
    assert len(missed_target.outbox(rule=metric_targets.RULE)) == 1


def test_past_months_are_not_reported(missed_target: Book) -> None:
    missed_target.set_clock(at(40))
    missed_target.decide()
    assert missed_target.outbox(rule=metric_targets.RULE) == []


def test_manual_override_counts_for_a_target(missed_target: Book) -> None:
    with engine("builder").begin() as connection:
        connection.exec_driver_sql(
            "insert into meta.kpi_override (metric_id, period, as_of, grain, grain_key, value, reason, entered_by,"
            " approved_by, expires_on) select 'activity_rate', 'month', max(as_of), 'all', 'all', 0.9, 'r', 'a', 'b',"
            " '2100-01-01' from marts.kpi_value"
        )
    missed_target.decide()
    assert missed_target.outbox(rule=metric_targets.RULE) == []
