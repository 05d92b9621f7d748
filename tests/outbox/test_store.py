"""The outbox on PostgreSQL: keys, repeated planning, and immutable rows."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from include.outbox import store as outbox
from include.warehouse.engine import engine
from tests.deliver.example_messages import NOW, action


def plan(*actions: outbox.Action, decision_id: str = "d1") -> outbox.Planned:
    with engine("builder").begin() as connection:
        return outbox.plan(connection, actions, decision_id, NOW)


def rows() -> list[outbox.Delivery]:
    with engine("reader").connect() as connection:
        return outbox.read(connection, "true")


def settle(key: str, state: outbox.State, **more: object) -> None:
    with engine("builder").begin() as connection:
        outbox.set_state(connection, key, state, NOW, **more)  # type: ignore[arg-type]


def test_key_depends_only_on_the_subject_of_the_action() -> None:
    one = action()
    assert one.key == action(recipient="other@vendor.example", subject="x", version="9").key
    assert len(one.key) == 40 and int(one.key, 16)
    others = [
        action(channel="email"),
        action(step="14"),
        action(episode_no=2),
        action(entity_id="C-1#3"),
        action(rule="renewal_at_risk"),
    ]
    assert len({one.key, *(other.key for other in others)}) == 6
    # The key must be the same on every store forever: it is compared with keys in external systems.
    assert one.key == "add0cb9142212b2f71d05114cd15658b58335592"


def test_planning_twice_plans_once(warehouse: str) -> None:
    first = plan(action(), action("email"))
    assert (first.planned, first.refreshed) == (2, 0)
    again = plan(action(), action("email"), decision_id="d2")
    assert (again.planned, again.refreshed, again.keys) == (0, 0, [])
    assert len(rows()) == 2


def test_unsent_row_is_updated(warehouse: str) -> None:
    plan(action())
    changed = action(recipient="new@vendor.example", owner_key="crm:78", not_after=NOW + timedelta(days=9))
    assert plan(changed, decision_id="d2").refreshed == 1
    (row,) = rows()
    assert (row.recipient, row.owner_key, row.state) == ("new@vendor.example", "crm:78", "planned")
    assert row.not_after == NOW + timedelta(days=9)


@pytest.mark.parametrize("state", ["sending", "sent", "uncertain", "failed", "suppressed", "expired"])
def test_sent_or_settled_row_is_not_changed(warehouse: str, state: outbox.State) -> None:
    plan(action())
    settle(action().key, state)
    assert plan(action(recipient="new@vendor.example")).refreshed == 0
    (row,) = rows()
    assert (row.recipient, row.state) == ("ada@vendor.example", state)


def test_dry_run_is_permanent(warehouse: str) -> None:
    assert plan(action(state="suppressed", reason="dry run")).suppressed == 1
    assert plan(action()).planned == 0
    assert rows()[0].state == "suppressed"


def test_delivery_found_outside_is_recorded_as_sent(warehouse: str) -> None:
    with engine("builder").begin() as connection:
        statement = "insert into ops.found_outside (channel, key, external_id) values ('slack', :key, 'D1/1.0')"
        connection.execute(sa.text(statement), {"key": action().key})
    result = plan(action(), action("email"))
    assert (result.planned, result.found_outside) == (1, 1)
    assert [(row.channel, row.state, row.external_id) for row in rows() if row.channel == "slack"] == [
        ("slack", "sent", "D1/1.0")
    ]


def test_claim_succeeds_once(warehouse: str) -> None:
    plan(action())
    with engine("builder").begin() as connection:
        assert outbox.claim(connection, action().key, "D1", NOW)
        assert not outbox.claim(connection, action().key, "D1", NOW)
    (row,) = rows()
    assert (row.state, row.address, row.n_attempts, row.sending_at) == ("sending", "D1", 1, NOW)


def test_delivery_recalled_since_it_was_read_is_not_claimed(warehouse: str) -> None:
    plan(action())
    with engine("builder").begin() as connection:
        connection.execute(sa.text("update ops.outbox set undo = 'asked'"))
        assert not outbox.claim(connection, action().key, "D1", NOW)
    (row,) = rows()
    assert (row.state, row.n_attempts) == ("planned", 0)


@pytest.mark.parametrize("state", ["parked", "sent", "uncertain", "failed", "suppressed", "expired"])
def test_only_planned_rows_are_claimed(warehouse: str, state: outbox.State) -> None:
    plan(action())
    settle(action().key, state)
    with engine("builder").begin() as connection:
        assert not outbox.claim(connection, action().key, "D1", NOW)


def test_reader_cannot_write_the_outbox(warehouse: str) -> None:
    with engine("reader").connect() as connection, pytest.raises(sa.exc.DBAPIError):
        outbox.plan(connection, [action()], "d1", NOW)
