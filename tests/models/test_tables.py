"""Users' views on Perennial's tables survive a model change, or the model fails and nothing changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from include.common.errors import ConfigError
from include.models import build, pending_changes, registry, tables
from include.models.metadata import Metadata
from include.models.registry import Model
from include.models.sql_parser import Facts
from include.warehouse.engine import engine
from tests.fixtures import small_world as world
from tests.fixtures.landing import rows

COLUMNS = {"account_key": "text", "name": "text", "n": "integer"}


@pytest.fixture
def analyst(warehouse: str, superuser: str) -> Iterator[psycopg.Connection]:
    """A connection of an analyst with read access and own objects in schema ``bi``."""
    with connected(superuser, warehouse) as connection:
        yield connection


def connected(superuser: str, warehouse: str) -> Any:
    url = make_url(superuser).set(drivername="postgresql", database=make_url(warehouse).database)
    connection = psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)
    connection.execute(
        "do $$ begin if not exists (select from pg_roles where rolname = 'bi_analyst') then"
        " create role bi_analyst nologin; end if; end $$"
    )
    connection.execute("create schema bi authorization bi_analyst; grant usage on schema core, staging to bi_analyst")
    connection.execute(
        "alter default privileges for role perennial_builder in schema core grant select on tables to bi_analyst"
    )
    connection.execute(
        "alter default privileges for role perennial_builder in schema staging grant select on tables to bi_analyst"
    )
    return connection


def model(name: str = "core.thing", query: str = "", columns: dict[str, str] = COLUMNS, **more: Any) -> Model:
    """A model with metadata, without a file."""
    described = {one: {"type": kind, "description": "A column."} for one, kind in columns.items()}
    meta: dict[str, Any] = {
        "description": "One row per account.",
        "owner": "data_team",
        "tier": "tier_3",
        "tags": ["kpi"],
        "materialisation": "account",
        "unique_key": ["account_key"],
        "columns": described,
    }
    facts = Facts((), (), tuple(columns), (), fingerprint=query)
    return Model(name, query, Path(), (), (), (), facts, Metadata(**{**meta, **more}), ())


EXISTING = sa.text(f"select {tables.EXISTING_COLUMNS} from pg_class as c where c.oid = to_regclass(:name)")


def prepare(one: Model, *, fill: bool = True) -> bool:
    with engine("builder").begin() as connection:
        found = connection.execute(EXISTING, {"name": one.name}).one_or_none()
        made = tables.prepare(connection, one, tables.Existing(*found) if found else None)
        if fill and one.metadata.materialisation != "view":
            connection.exec_driver_sql(f"insert into {one.name} (account_key) values ('crm:1') on conflict do nothing")
        return made


def view(*columns: str, source: str = "core.thing") -> Model:
    names = [column.rpartition(" as ")[2] for column in columns]
    kinds = {name: COLUMNS.get(name, "text") for name in names}
    query = f"select {', '.join(columns)} from {source}"
    return model("core.shown", query, kinds, materialisation="view")


def test_changed_table_keeps_views_on_unchanged_columns(analyst: psycopg.Connection) -> None:
    prepare(model())
    for statement in (
        "set role bi_analyst; create view bi.names as select account_key, name from core.thing; reset role",
        "grant select on core.thing to public; grant update (name) on core.thing to bi_analyst",
        "create index of_theirs on core.thing (name); comment on column core.thing.name is 'theirs'",
        "create function bi.nothing() returns trigger language plpgsql as 'begin return new; end'",
        "create trigger theirs before insert on core.thing for each row execute function bi.nothing()",
        "create policy theirs on core.thing using (true)",
    ):
        analyst.execute(statement)
    before = analyst.execute("select relacl::text from pg_class where oid = 'core.thing'::regclass").fetchone()
    changed = {"account_key": "text", "more": "date", "name": "text", "n": "bigint"}
    assert prepare(model(columns=changed, unique_key=["account_key", "name"]))
    assert analyst.execute("select * from bi.names").fetchall() == [("crm:1", None)]
    found = analyst.execute(
        "select (select relacl::text from pg_class where oid = 'core.thing'::regclass),"
        " to_regclass('core.of_theirs') is not null, col_description('core.thing'::regclass, 2),"
        " (select count(*) from pg_trigger where tgname = 'theirs'), (select count(*) from pg_policy),"
        " (select format_type(atttypid, null) from pg_attribute where attrelid = 'core.thing'::regclass"
        " and attname = 'n')"
    ).fetchone()
    assert found == (*(before or ()), True, "theirs", 1, 1, "bigint")
    assert not prepare(model(columns=changed, unique_key=["account_key", "name"]))


@pytest.mark.parametrize(
    ("theirs", "what"),
    [
        ("create view bi.v as select name from core.thing", "view bi.v of bi_analyst depends on its column name"),
        ("create materialized view bi.v as select name from core.thing", "materialized view bi.v of bi_analyst"),
        (
            "create function bi.f() returns text begin atomic select name from core.thing; end",
            r"function bi.f\(\) of bi_analyst depends on its column name",
        ),
        ("reset role; create index theirs on core.thing (name)", "index core.theirs"),
        ("reset role; create policy theirs on core.thing using (name = 'x')", "policy theirs on core.thing"),
        ("reset role; create statistics core.theirs on name, n from core.thing", "statistics object core.theirs"),
        ("reset role; alter table core.thing add check (name <> 'x')", "table constraint thing_name_check"),
        ("reset role; create table bi.t (k text references core.thing)", "t_k_fkey on bi.t"),
        ("create view bi.v as select name, n from core.thing group by account_key", "view bi.v of bi_analyst"),
    ],
)
def test_removed_column_with_dependents_is_reported_and_nothing_changes(
    analyst: psycopg.Connection, theirs: str, what: str
) -> None:
    with engine("builder").begin() as connection:
        tables.prepare(connection, model(), None)
        connection.exec_driver_sql("alter table core.thing add primary key (account_key)")
        connection.exec_driver_sql("insert into core.thing values ('crm:1', 'Ada')")
    analyst.execute(f"set role bi_analyst; {theirs}; reset role")
    columns = {"account_key": "text", "n": "integer"}
    with pytest.raises(ConfigError, match=what) as caught:
        prepare(model(columns=columns, unique_key=["account_key", "n"]))
    assert "nothing was changed" in caught.value.cure
    assert analyst.execute("select account_key, name from core.thing").fetchall() == [("crm:1", "Ada")]
    assert not prepare(model(), fill=False)


def test_table_of_another_kind_is_recreated_with_grants_unless_it_has_readers(
    analyst: psycopg.Connection,
) -> None:
    prepare(model())
    analyst.execute("grant select on core.thing to public; grant update (name) on core.thing to bi_analyst")
    by_day = {**COLUMNS, "day": "date"}
    daily: dict[str, Any] = {
        "columns": by_day,
        "materialisation": "account_day",
        "window_column": "day",
        "unique_key": ["account_key", "day"],
    }
    assert prepare(model(**daily), fill=False)
    assert analyst.execute(
        "select has_table_privilege('public', oid, 'select'), has_column_privilege('bi_analyst', oid, 'name', 'update')"
        " from pg_class where oid = 'core.thing'::regclass"
    ).fetchall() == [(True, True)]
    analyst.execute("create view bi.v as select name from core.thing")
    with pytest.raises(ConfigError, match=r"view bi\.v of .* depends on its column name"):
        prepare(model())
    assert analyst.execute("select * from bi.v").fetchall() == []


def test_readers_of_a_monthly_partition_count_as_readers_of_the_table(analyst: psycopg.Connection) -> None:
    by_day = {**COLUMNS, "day": "date"}
    daily: dict[str, Any] = {"materialisation": "account_day", "window_column": "day"}
    prepare(model(columns=by_day, unique_key=["account_key", "day"], **daily), fill=False)
    with engine("builder").begin() as connection:
        connection.exec_driver_sql(
            "create table core.thing_2026_05 partition of core.thing for values from ('2026-05-01') to ('2026-06-01')"
        )
    analyst.execute("set role bi_analyst; create view bi.may as select name from core.thing_2026_05; reset role")
    del by_day["name"]
    with pytest.raises(ConfigError, match=r"view bi\.may of bi_analyst"):
        prepare(model(columns=by_day, unique_key=["account_key", "day"], **daily), fill=False)
    analyst.execute("drop view bi.may")
    with engine("builder").begin() as connection:
        connection.exec_driver_sql("alter table core.thing add primary key (account_key, day)")
    assert prepare(model(columns=by_day, unique_key=["account_key", "day", "n"], **daily), fill=False)


def test_view_with_readers_keeps_their_columns(analyst: psycopg.Connection) -> None:
    prepare(model())
    prepare(view("account_key", "name", "n"))
    analyst.execute("set role bi_analyst; create view bi.v as select n, account_key from core.shown; reset role")
    assert prepare(view("n", "account_key", "account_key as more"))
    assert analyst.execute("select * from bi.v").fetchall() == [(None, "crm:1")]
    with pytest.raises(ConfigError, match=r"view bi\.v of bi_analyst depends on its column n"):
        prepare(view("account_key", "name"))
    assert analyst.execute("select * from bi.v").fetchall() == [(None, "crm:1")]


def test_own_view_is_replaced_in_order_and_keeps_its_readers(analyst: psycopg.Connection) -> None:
    prepare(model())
    prepare(view("account_key", "name"))
    analyst.execute("set role bi_analyst; create view bi.v as select account_key from core.shown; reset role")
    prepare(model(columns={"account_key": "text"}))
    with pytest.raises(psycopg.errors.InvalidTextRepresentation, match=r"core\.shown is suspended until the build"):
        analyst.execute("select * from bi.v")
    with engine("builder").begin() as connection:
        assert "core.shown" in pending_changes.open_work(connection, ("core.shown",))  # even a build without other work
    assert prepare(view("account_key", "account_key as name"))
    assert analyst.execute("select * from bi.v").fetchall() == [("crm:1",)]


def test_foreign_table_is_left_alone(analyst: psycopg.Connection) -> None:
    with engine("builder").begin() as connection:
        connection.exec_driver_sql("create table core.thing (theirs text)")
    with pytest.raises(ConfigError, match=r"core\.thing already exists"):
        prepare(model(), fill=False)
    assert analyst.execute("select count(*) from core.thing").fetchall() == [(0,)]


def test_build_refills_a_table_with_readers(built: pytest.MonkeyPatch, tmp_path: Path, superuser: str) -> None:
    from include.warehouse.engine import database_url

    with connected(superuser, database_url()) as analyst:
        analyst.execute("create view bi.v as select account_key, name from core.account")
        before = rows("select account_key, name from core.account order by 1")
        shipped = registry.get("core.account").path.parent
        folder = world.overlay(tmp_path, "core/account")
        query = (shipped / "query.sql").read_text()
        head, _, tail = query.rpartition("\nselect\n")
        folder.joinpath("query.sql").write_text(f"{head}\nselect\n    1 as one,\n{tail}")
        metadata = (shipped / "metadata.yaml").read_text()
        folder.joinpath("metadata.yaml").write_text(
            metadata.replace("columns:\n", "columns:\n  one: {type: integer, description: A column.}\n", 1)
        )
        build.run("second")
        assert rows("select account_key, name from core.account order by 1") == before
        assert analyst.execute("select account_key, name from bi.v order by 1").fetchall() == [tuple(r) for r in before]
        assert rows("select distinct one from core.account") == [(1,)]
