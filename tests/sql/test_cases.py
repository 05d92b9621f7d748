"""Every YAML file below this folder, run on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from include.models import registry, settings_tables
from include.warehouse.engine import engine
from tests.fixtures.databases import database
from tests.sql import cases

CASES = cases.read_all()
# The worked examples of the definitions. Each has at least one case.
WORKED_EXAMPLES = {
    "monthly plan of 100",
    "three years with a leap day",
    "351 days",
    "two terms and a quarter",
    "renewed for three years",
    "start 100, churn 10, contraction 10, expansion 10",
    "20 customers lose 3",
    "renewed 20 April",
    "renewed 20 May",
    "notice before 31 December",
    "only subscription deleted",
    "one of two cancelled",
    "co-termed line",
    "auto-renewing",
}
# The edge cases E1 to E27 have a case each; these, which no query settles, a test elsewhere.
ELSEWHERE = {
    "E16": "tests/ingest/test_reconcile.py::test_mass_deletion_is_held_by_the_contract",
    "E18": "tests/connectors/test_mapping.py::test_mapping_rules",
    "E21": "tests/models/test_restatements.py::test_edit_restates_closed_periods_and_records_it",
    "E27": "tests/ingest/test_ingest_contracts.py::test_good_data_passes_and_a_bad_row_is_quarantined_until_fixed",
}


@pytest.fixture(scope="module")
def tables(postgres: str) -> Iterator[sa.Engine]:
    """A database with an empty table per model."""
    with database(postgres, "sql_cases", "template") as url:
        with engine("owner", url).begin() as connection:
            cases.create_tables(connection)
            settings_tables.sync(connection)
        yield engine("owner", url)


@pytest.mark.parametrize("case", CASES, ids=[f"{case.name}: {case.case}" for case in CASES])
def test_case(tables: sa.Engine, case: cases.Case) -> None:
    with tables.connect() as connection, connection.begin() as transaction:
        for table, expected, found in cases.run(connection, case):
            assert found == expected, f"{table}: {case.case}"
        transaction.rollback()


def test_every_worked_example_has_a_case() -> None:
    assert {case.example for case in CASES} >= WORKED_EXAMPLES


def test_every_edge_case_has_a_case() -> None:
    cased = {edge for case in CASES for edge in case.edge.split()}
    assert cased | ELSEWHERE.keys() == {f"E{number}" for number in range(1, 28)}
    for place in ELSEWHERE.values():
        path, _, name = place.partition("::")
        assert f"def {name}(" in (cases.HERE.parents[1] / path).read_text(encoding="utf-8"), place


def test_every_file_is_in_the_folder_of_a_model_it_checks() -> None:
    folders = {model.folder: name for name, model in registry.load().items()}
    checked: dict[str, set[str]] = {}
    for case in CASES:
        checked.setdefault(case.name, set()).update(case.expect)
    for name, tables in checked.items():
        assert folders.get(name.rpartition("/")[0]) in tables, name


def test_every_table_used_for_actions_has_a_case() -> None:
    checked = {name for case in CASES for name in case.expect}
    for name, model in registry.load().items():
        if model.metadata.tier == "tier_1":
            assert name in checked, name
