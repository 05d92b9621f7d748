"""Former states of contract lines change the accounts of the lines, whenever the vendor's history arrives."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa

from include.models import build, pending_changes
from include.warehouse.engine import engine
from tests.fixtures import small_world as world
from tests.fixtures.landing import rows

VERSIONS = """
select version_no, arr, known_to is null from core.contract_line_history
where line_key = 'crm:l2' order by known_from, version_no desc
"""


def test_history_that_arrives_after_a_build_changes_the_accounts_of_its_lines(built: pytest.MonkeyPatch) -> None:
    assert rows(VERSIONS) == [(1, 2400, True)]
    built.setenv("PERENNIAL_NOW", "2026-06-11T09:00:00Z")
    line = world.line("l2", "d2", 2400, date(2025, 5, 15), date(2026, 5, 15))
    two_years = (datetime(2025, 5, 1, tzinfo=UTC), date(2027, 5, 15))
    world.load_line_history(line, two_years, (datetime(2026, 4, 1, tzinfo=UTC), date(2026, 5, 15)))
    with engine("reader").connect() as connection:
        assert pending_changes.open_work(connection, ()) == "the history of contract lines arrived"
    assert isinstance(build.run("after"), build.Finished)
    assert rows(VERSIONS) == [(1, 2400, False), (1, 1200, True), (0, 1200, False)]
    assert rows("select arr, term_end, agreed_end from core.contract_line where line_key = 'crm:l2'") == [
        (1200, date(2026, 5, 15), date(2027, 5, 15))
    ]


@pytest.mark.parametrize(
    ("claim", "tables"),
    [
        (pending_changes._CLAIM_LINES, {"contract_line__version", "contract_line__history"}),
        (pending_changes._CLAIM_OF_TICKETS, {"rating", "ticket_event"}),
    ],
)
def test_build_finds_new_lines_and_events_by_an_index(
    built: pytest.MonkeyPatch, claim: sa.TextClause, tables: set[str]
) -> None:
    with engine("builder").connect() as connection:
        connection.exec_driver_sql("set enable_seqscan = off")  # the tables of this world are too small for an index
        bound = {"build_id": "x", "since": datetime(2026, 6, 10, tzinfo=UTC)}
        plan = "\n".join(connection.execute(sa.text(f"explain {claim.text}"), bound).scalars())
    assert set(re.findall(r"Scan on [a-z]+__(\w+)__arrival", plan)) == tables
