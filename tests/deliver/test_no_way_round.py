"""No way leads round the gate: anyone who starts a run, however often, however late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from include.cli.main import main
from include.common.errors import Unavailable
from include.deliver import deliver
from include.warehouse.engine import engine
from tests.fixtures.decision_world import House
from tests.fixtures.outside import Outside
from tests.fixtures.renewal_rows import NOW, renewal

AT_RISK = renewal(1, days=30, usage_ratio=0.5)


def _run(house: House, minutes: int = 1) -> deliver.Delivered:
    return deliver.deliver(now=house.now + timedelta(minutes=minutes))


def _loader(statement: str, **values: object) -> None:
    with engine("loader").begin() as connection:
        connection.execute(sa.text(statement), values)


def _red(house: House) -> None:
    house.verdict("crm", "crm", "red", NOW, "batch 7 is held")


def _quarantined(house: House) -> None:
    house.quarantine("1001")


def _lapsed_waiver(house: House) -> None:
    house.quarantine("1001")
    _loader("update quarantine.record set state = 'waived', waived_until = :at", at=NOW - timedelta(minutes=1))


def _dropped_batch(house: House) -> None:
    house.quarantine("1001")
    _loader("update quarantine.record set state = 'requeued'")


def _old_tables(house: House) -> None:
    house.built_up_to(NOW - timedelta(hours=40), "crm")


def _old_reading(house: House) -> None:
    house.verdict("crm", "crm", "stale", NOW - timedelta(hours=40), "not read since")


def _other_tables(house: House) -> None:
    house._execute("update meta.build set watermarks = watermarks - 'crm'")


def _unmeasured(house: House) -> None:
    _loader(
        "insert into meta.feature_hold values ('product_db', 'reports', :day, 40, 30, :now, :now)",
        day=NOW.date(),
        now=NOW,
    )


SHUT: list[Callable[[House], None]] = [
    _red,
    _quarantined,
    _lapsed_waiver,
    _dropped_batch,
    _old_tables,
    _old_reading,
    _other_tables,
    _unmeasured,
]


@pytest.mark.parametrize("shut", SHUT)
def test_what_was_decided_on_good_data_is_held_when_the_gate_shuts(
    open_house: House, outside: Outside, shut: Callable[[House], None]
) -> None:
    open_house.renewals(AT_RISK)
    open_house.decide()
    planned = {row.key for row in open_house.outbox()}
    shut(open_house)
    # By hand, by the command, and again: a run is a run.
    assert _run(open_house).n_sent == 0
    assert main(["deliver"]) == 0
    assert _run(open_house, 30).n_sent == 0
    assert outside.received() == []
    assert {row.key for row in open_house.outbox(state="planned")} == planned


@pytest.mark.parametrize("shut", [_red, _quarantined, _old_tables, _old_reading, _other_tables])
def test_a_decision_by_hand_plans_no_figures_while_the_gate_is_shut(
    open_house: House, outside: Outside, shut: Callable[[House], None]
) -> None:
    open_house.renewals(AT_RISK, renewal(2, days=60))
    shut(open_house)
    for number in range(2):
        assert main(["decide"]) == 0
        open_house.decide(decision_id=f"by hand {number}")
    assert all("120,000" not in str(row.body) for row in open_house.outbox(account_key="crm:1001"))
    _run(open_house)
    assert not any("120,000" in str(message) for message in outside.workspace.messages if "Customer 1:" in str(message))


def test_a_retry_asks_the_gate_again(open_house: House, outside: Outside) -> None:
    outside.mail.answers = {"MAIL": ""}
    open_house.renewals(AT_RISK)
    open_house.decide()
    with pytest.raises(Unavailable):
        _run(open_house)
    (letter,) = open_house.outbox(channel="email")
    assert letter.state == "planned"
    outside.mail.answers = {}
    _red(open_house)
    before = outside.received()
    assert _run(open_house, 60).n_sent == 0 and outside.received() == before
    assert open_house.outbox(channel="email")[0].state == "planned"


def test_a_message_approved_late_goes_only_if_the_gate_is_open_then(open_house: House, outside: Outside) -> None:
    """A hold of a channel is what a person releases: what waited behind it is looked at again."""
    from include.deliver import holds

    holds.hold("slack", "not yet", "ada", open_house.now)
    open_house.renewals(AT_RISK)
    open_house.decide()
    _run(open_house)
    _red(open_house)
    holds.release("slack", "approved", "ada", open_house.now)
    _run(open_house, 60)
    assert not outside.workspace.messages
    open_house.verdict("crm", "crm", "green", NOW)
    _run(open_house, 90)
    assert len(outside.workspace.messages) == 1


def test_a_backfill_decides_and_sends_nothing(open_house: House, outside: Outside) -> None:
    open_house.renewals(AT_RISK)
    _red(open_house)
    with engine("builder").begin() as connection:
        # A rebuild of past days that has just ended, newer than every forward build, and well read.
        connection.execute(
            sa.text(
                "insert into meta.build (build_id, kind, state, window_start, window_end, newest_day, first_day,"
                " trigger, known_at, started_at, finished_at, watermarks)"
                " select 'backfill', 'rebuild', 'done', window_start, window_end, newest_day, first_day,"
                " 'rebuild', known_at,"
                " started_at + interval '1 hour', started_at + interval '1 hour', watermarks from meta.build limit 1"
            )
        )
    assert open_house.decide().n_planned == 0 and _run(open_house).n_sent == 0 and outside.received() == []
    _old_tables(open_house)
    open_house.verdict("crm", "crm", "green", NOW)
    with engine("builder").begin() as connection:
        connection.execute(
            sa.text(
                "update meta.build set watermarks = jsonb_build_object('crm', cast(:now as text))"
                " where kind = 'rebuild'"
            ),
            {"now": NOW.isoformat()},
        )
    # What the backfill holds does not make the newest day's tables newer.
    assert open_house.decide(decision_id="after").n_planned == 0
