"""Bring a warehouse to the newest version of its own tables (schemas ``meta``, ``ops`` and ``quarantine``)."""

from __future__ import annotations

import os
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from include.warehouse import logins
from include.warehouse.engine import SCHEMAS, check, engine

# Alembic's own table has no lock of its own; every starter of a fresh warehouse comes through here.
MIGRATION_LOCK = 0x5045_5245


def if_empty() -> None:
    """Create the warehouse's tables where it has none of ours yet; who has no owner's login leaves that to others."""
    if os.environ.get("PERENNIAL_DATABASE_URL_READER") and not os.environ.get("PERENNIAL_DATABASE_URL"):
        return
    with engine("owner").connect() as connection:
        is_made = connection.execute(sa.text("select to_regclass('meta.batch') is not null")).scalar()
    if not is_made:
        migrate()


def migrate(url: str | None = None) -> None:
    """Create or upgrade the warehouse's own tables, roles, grants and logins.

    Args:
        url: Another warehouse than the configured one.

    Raises:
        WarehouseError: The warehouse does not answer, is too old, or does not let its owner create the logins.
        ConfigError: The login of a role may do more than the role.
    """
    check(url)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with engine("owner", url).begin() as connection:
        connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        for schema in SCHEMAS:
            connection.execute(sa.text(f"create schema if not exists {schema}"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        logins.ensure(connection, url)
