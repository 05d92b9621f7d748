"""The product database follows the world, and the issued login is read-only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from include.common.errors import PerennialError
from include.sandbox.product import Product
from tests.fixtures.sandbox import SandboxProcess

QUERIES = Path(__file__).resolve().parents[2] / "sql" / "sources" / "product"
COLUMNS = {
    "product_account": ["id", "name", "crm_account_id", "domain", "plan", "is_internal", "created_at", "updated_at",
                        "is_deleted"],
    "product_user": ["id", "account_id", "email", "role", "team", "is_bot", "activated_at", "deactivated_at",
                     "created_at", "updated_at", "is_deleted"],
    "usage_day": ["id", "account_id", "user_id", "feature", "day", "n_events", "minutes", "updated_at"],
    "seat_day": ["id", "account_id", "day", "n_paid_seats", "n_activated_seats", "updated_at"],
}  # fmt: skip


def _engine(sandbox: SandboxProcess) -> sa.Engine:
    given = sandbox.connection("product_db")
    url = URL.create(
        "postgresql+psycopg", given["login"], given["password"], given["host"], given["port"], given["schema"]
    )
    return sa.create_engine(url, poolclass=sa.NullPool)


def _read(sandbox: SandboxProcess, entity: str, until: str, since: str | None = None) -> list[dict[str, Any]]:
    text = (QUERIES / f"{entity}.sql").read_text()
    with _engine(sandbox).connect() as connection:
        rows = connection.execute(sa.text(text), {"since": since, "until": until})
        return [dict(row) for row in rows.mappings()]


@pytest.mark.parametrize("entity", COLUMNS)
def test_shipped_queries_return_every_row_once(sandbox: SandboxProcess, entity: str) -> None:
    rows = _read(sandbox, entity, "2026-07-02")
    truth = sandbox.truth()[entity]
    assert list(rows[0]) == COLUMNS[entity]
    assert len({row["id"] for row in rows}) == len(rows) == truth["live"] + truth["deleted"]


def test_no_row_is_from_the_future(sandbox: SandboxProcess) -> None:
    now = sandbox.control("status")["now"]
    for entity in COLUMNS:
        assert len(_read(sandbox, entity, now)) == len(_read(sandbox, entity, "2030-01-01")), entity


def test_an_hour_adds_new_rows_and_completes_old_ones(sandbox: SandboxProcess) -> None:
    before = {row["id"]: row["n_events"] for row in _read(sandbox, "usage_day", "2030-01-01")}
    sandbox.control("clock", advance_seconds=14 * 3600)
    after = {row["id"]: row["n_events"] for row in _read(sandbox, "usage_day", "2030-01-01", "2026-06-30T12:00:00Z")}
    new = set(after) - set(before)
    grown = {number for number in set(after) & set(before) if after[number] > before[number]}
    assert new and grown
    seats = _read(sandbox, "seat_day", "2030-01-01", "2026-06-30T12:00:00Z")
    assert {str(row["day"]) for row in seats} == {"2026-06-30"}


def test_clock_set_back_removes_rows(sandbox: SandboxProcess) -> None:
    before = sandbox.truth()["usage_day"]["live"]
    sandbox.control("clock", at="2026-06-01T00:00:00Z")
    assert sandbox.truth()["usage_day"]["live"] < before


def test_changed_member_is_visible_and_erased_one_is_gone(sandbox: SandboxProcess) -> None:
    first, second = sandbox.truth()["product_user"]["live_ids"][:2]
    sandbox.mutate("member", first, set={"email": "new@example.com"})
    sandbox.mutate("member", second, op="erase")
    rows = {row["id"]: row for row in _read(sandbox, "product_user", "2030-01-01")}
    assert rows[str(first)]["email"] == "new@example.com"
    assert str(second) not in rows


def test_rows_committed_late_carry_their_old_update_time(sandbox: SandboxProcess) -> None:
    sandbox.control("switches", **{"product.hold_seconds": 7200})
    sandbox.control("clock", advance_seconds=7200)
    assert _read(sandbox, "usage_day", "2030-01-01", "2026-06-30T12:00:00Z") == []
    sandbox.control("switches", **{"product.hold_seconds": None})
    sandbox.control("clock", advance_seconds=1)
    late = _read(sandbox, "usage_day", "2030-01-01", "2026-06-30T12:00:00Z")
    assert late and min(row["updated_at"] for row in late).hour == 12


def test_issued_login_is_read_only(sandbox: SandboxProcess) -> None:
    engine = _engine(sandbox)
    for statement in ("delete from members", "create table t (x int)", "select * from sandbox.progress"):
        with engine.connect() as connection, pytest.raises(sa.exc.ProgrammingError) as refused:
            connection.execute(sa.text(statement))
        assert isinstance(refused.value.orig, psycopg.errors.InsufficientPrivilege), statement


def test_owner_can_write_and_the_database_counts_as_touched(sandbox: SandboxProcess) -> None:
    assert not sandbox.is_product_touched
    with sa.create_engine(sandbox.product_url, poolclass=sa.NullPool).begin() as connection:
        connection.execute(sa.text("delete from member_feature_daily"))
    assert sandbox.truth()["usage_day"]["live"] == 0
    assert sandbox.is_product_touched


def test_foreign_tables_stay(empty_database: str) -> None:
    product = Product.__new__(Product)
    product._url = make_url(empty_database)
    product._connection = product._connect()
    product._connection.execute("create table members (name text); insert into members values ('kept')")
    with pytest.raises(PerennialError, match=r"contains members, which the sandbox did not create"):
        product.load()
    assert product._connection.execute("select name from members").fetchall() == [("kept",)]
    product.close()
