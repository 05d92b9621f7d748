"""The code and the table's metadata list the same columns for open renewals."""

from __future__ import annotations

from include.decide.renewals.checkpoint import COLUMNS, TABLE, without
from include.decide.rules.subjects import table
from include.models import registry
from tests.fixtures.renewal_rows import renewal


def test_table_has_the_checkpoint_columns() -> None:
    described = registry.get(TABLE).metadata.columns
    assert set(COLUMNS) == set(described)


def test_unfit_values_are_unknown() -> None:
    row = renewal(1)
    blind = without(row, {"support"}, table("renewal"))
    assert (blind.n_open_tickets, blind.n_open_urgent_tickets, blind.oldest_open_urgent_at) == (None, None, None)
    assert blind.usage_ratio == row.usage_ratio and blind.target_arr == row.target_arr
    assert without(row, (), table("renewal")) is row
