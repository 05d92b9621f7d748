"""The open renewals: the same columns in the code as in the table's own description."""

from __future__ import annotations

from include.decide.renewals.checkpoint import COLUMNS, TABLE, without
from include.decide.rules.subjects import table
from include.models import registry
from tests.fixtures.renewal_rows import renewal


def test_the_table_has_these_columns() -> None:
    described = registry.get(TABLE).metadata.columns
    assert set(COLUMNS) == set(described)


def test_what_is_unfit_is_unknown() -> None:
    row = renewal(1)
    blind = without(row, {"support"}, table("renewal"))
    assert (blind.n_open_tickets, blind.n_open_urgent_tickets, blind.oldest_open_urgent_at) == (None, None, None)
    assert blind.usage_ratio == row.usage_ratio and blind.target_arr == row.target_arr
    assert without(row, (), table("renewal")) is row
