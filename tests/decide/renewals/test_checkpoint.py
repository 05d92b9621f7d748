"""The open renewals: the same columns and the same sources in the code as in the table's own description."""

from __future__ import annotations

from include.decide.renewals.checkpoint import COLUMNS, EVIDENCE_KINDS, TABLE, without
from include.models import registry
from tests.fixtures.renewal_rows import renewal


def test_the_table_has_these_columns_from_these_sources() -> None:
    described = registry.get(TABLE).metadata.columns
    assert set(COLUMNS) == set(described)
    for name, column in described.items():
        assert list(column.reads) == [EVIDENCE_KINDS.get(name, "crm")], name


def test_what_is_unfit_is_unknown() -> None:
    row = renewal(1)
    blind = without(row, {"support"})
    assert (blind.n_open_tickets, blind.n_open_urgent_tickets, blind.oldest_open_urgent_at) == (None, None, None)
    assert blind.usage_ratio == row.usage_ratio and blind.target_arr == row.target_arr
    assert without(row, ()) is row
