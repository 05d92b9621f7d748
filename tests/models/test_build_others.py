"""Changes of records reach the values of accounts that the records reference only indirectly."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from include.ingest import batches, merge
from include.models import build
from tests.fixtures import small_world as world
from tests.fixtures.landing import judge, land, rows

NOW = datetime.fromisoformat(world.FIRST)


@pytest.fixture
def later(built: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The small world, five minutes after it was built."""
    built.setenv("PERENNIAL_NOW", (NOW + timedelta(minutes=5)).isoformat())
    return built


def test_line_moved_to_the_deal_of_another_account_leaves_the_first(later: pytest.MonkeyPatch) -> None:
    world.load("contract_line", world.line("l1", "d2", 1200, date(2025, 9, 15), date(2026, 9, 15)))
    assert isinstance(build.run("moved"), build.Finished)
    arr = dict(rows("select account_key, arr from marts.account_day where day = '2026-06-10'"))
    assert (arr["crm:1"], arr["crm:2"]) == (0, 1200)
    world.assert_equals_scratch(later)


@pytest.mark.parametrize("organization", [None, "o2"])
def test_event_counts_for_the_account_of_its_ticket(later: pytest.MonkeyPatch, organization: str | None) -> None:
    world.load("ticket_event", _comment("e1", organization))
    assert isinstance(build.run("commented"), build.Finished)
    assert rows("select first_reply_minutes from core.ticket where ticket_id = 't1'") == [(900,)]
    world.assert_equals_scratch(later)


def test_events_of_a_first_load_cause_no_build_until_it_completes(later: pytest.MonkeyPatch) -> None:
    batch = land(_comment("e1", None), source="support", vendor="zendesk", entity="ticket_event", is_last=False)
    with world.engine("loader").begin() as connection:
        batches.close(connection, batch, position=None, read_until=None)
    judge(batch)
    assert merge.merge("support").n_merged == 1
    assert not build.plan("half way")


def _comment(id: str, organization: str | None) -> Any:
    at = datetime(2026, 5, 21, tzinfo=UTC)
    values = {"ticket_id": "t1", "organization_id": organization, "event_type": "comment", "actor_id": "agent"}
    return world.record(id, is_public=True, happened_at=at, **values)
