"""Holds: a store other than the one a channel was released on is recognised, whatever its rows contain."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.engine import make_url

from include.config.channels import NAMES
from include.deliver import holds
from include.warehouse.engine import engine
from tests.fixtures.renewal_rows import NOW


def held() -> dict[str, bool]:
    return {state.channel: state.is_on_hold for state in holds.states(NOW)}


def test_new_store_holds_every_channel(warehouse: str) -> None:
    assert held() == dict.fromkeys(NAMES, True)


def test_release_persists_and_is_recorded(warehouse: str) -> None:
    holds.release("email", "first use", "ada", NOW)
    assert held()["email"] is False
    (state,) = [state for state in holds.states(NOW) if state.channel == "email"]
    assert (state.reason, state.changed_by, state.changed_at) == ("first use", "ada", NOW)


def test_copied_store_is_on_hold_again(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    holds.release("email", "first use", "ada", NOW)
    for role in ("owner", "loader", "builder", "reader"):
        engine(role).dispose()  # type: ignore[arg-type]
    source = make_url(warehouse)
    copy = f"{source.database}_copy"
    server = source.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} template {}").format(sql.Identifier(copy), sql.Identifier(str(source.database)))
        )
        try:
            monkeypatch.setenv(
                "PERENNIAL_DATABASE_URL", source.set(database=copy).render_as_string(hide_password=False)
            )
            assert held()["email"] is True
            holds.release("email", "compared by hand", "ada", NOW)
            assert held()["email"] is False
            for role in ("owner", "loader", "builder", "reader"):
                engine(role).dispose()  # type: ignore[arg-type]
        finally:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(copy)))
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", warehouse)
    assert held()["email"] is False


def test_channel_is_released_without_a_readable_server_identity(warehouse: str) -> None:
    with engine("owner").begin() as connection:
        connection.execute(sa.text("revoke execute on function pg_control_system() from public"))
    holds.release("slack", "first use", "ada", NOW)
    assert held()["slack"] is False
