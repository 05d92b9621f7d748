"""One view per entity unites the rows of all vendors of its kind, and follows new vendors and columns."""

from __future__ import annotations

import sqlalchemy as sa

from include.entities import catalog
from include.models import registry
from include.warehouse import raw_tables, raw_views
from include.warehouse.engine import engine


def _put(table: str, source: str, name: str) -> None:
    with engine("loader").begin() as connection:
        connection.execute(
            sa.text(
                f"insert into raw.{table} (source, id, name, _hash, _batch_id, _loaded_at, _first_loaded_at)"
                " values (:source, '1', :name, '', 1, now(), now())"
            ),
            {"source": source, "name": name},
        )


def _seen() -> list[tuple[str, str]]:
    with engine("builder").connect() as connection:
        rows = connection.execute(sa.text("select source, name from raw.crm__account order by source"))
        return [tuple(row) for row in rows]


def test_builder_sees_the_rows_of_every_vendor(warehouse, monkeypatch):
    raw_tables.ensure_raw_tables()
    _put("hubspot__account", "crm", "Acme")
    assert _seen() == [("crm", "Acme")]
    monkeypatch.setattr(raw_tables, "VENDORS", catalog.VENDORS | {"tinycrm": "crm"})
    monkeypatch.setattr(raw_views, "VENDORS", catalog.VENDORS | {"tinycrm": "crm"})
    raw_tables.ensure_raw_tables()
    _put("tinycrm__account", "crm_eu", "Globex")
    assert _seen() == [("crm", "Acme"), ("crm_eu", "Globex")]


def test_later_column_is_visible_even_if_the_view_has_readers(warehouse):
    raw_tables.ensure_raw_tables()
    with engine("owner").begin() as connection:
        connection.execute(sa.text("create view public.reader as select source, name from raw.crm__account"))
        connection.execute(sa.text("alter table raw.hubspot__account add column once_known text"))
    raw_tables.ensure_raw_tables()
    _put("hubspot__account", "crm", "Acme")
    with engine("builder").connect() as connection:
        assert connection.execute(sa.text("select name, once_known from raw.crm__account")).all() == [("Acme", None)]


def test_unchanged_views_are_not_replaced(warehouse):
    def versions() -> list:
        with engine("reader").connect() as connection:
            return connection.execute(
                sa.text("select oid, xmin from pg_class where relkind = 'v' and relname like '%\\_\\_%' order by oid")
            ).all()

    raw_tables.ensure_raw_tables()
    before = versions()
    raw_tables.ensure_raw_tables()
    assert before
    assert versions() == before


def test_folders_equal_the_vendors():
    assert catalog.VENDORS["hubspot"] == "crm"
    assert catalog.VENDORS["zendesk"] == "support"
    assert not any("__" in name for name in catalog.VENDORS)


def test_sql_names_no_vendor():
    """A model that named a vendor would exclude the rows of all others."""
    for name, model in registry.load().items():
        vendors = {table.split("__")[0] for table in model.raw} - {"crm", "support", "product"}
        assert not vendors, f"{name} reads raw tables of {vendors}: read raw.<kind>__<entity>"
