"""Migrate the warehouse's own tables (schemas ``meta``, ``ops`` and ``quarantine``) to the newest version."""

from __future__ import annotations

import os
import re
from pathlib import Path

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from include.common.errors import ConfigError
from include.warehouse import locks, logins
from include.warehouse.engine import SCHEMAS, check, engine


def if_empty() -> None:
    """Migrate a warehouse that has no tables of Perennial yet. Skip this if only the reader's login is configured."""
    if os.environ.get("PERENNIAL_DATABASE_URL_READER") and not os.environ.get("PERENNIAL_DATABASE_URL"):
        return
    with engine("owner").connect() as connection:
        is_migrated = connection.execute(_IS_OURS).scalar()
    if not is_migrated:
        migrate()


def migrate(url: str | None = None) -> None:
    """Create or upgrade the warehouse's own tables, roles, grants and logins.

    Args:
        url: The owner's URL, if not that of the configured warehouse.

    Raises:
        WarehouseError: The warehouse does not answer, is too old, or does not let its owner create the logins.
        ConfigError: A schema that Perennial needs holds objects of others, another version of Perennial made the
            tables, or a role's login has more rights than the role.
    """
    check(url)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with engine("owner", url).begin() as connection:
        connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": locks.MIGRATION_LOCK})
        _refuse_foreign_schemas(connection)
        _refuse_unknown_revision(connection, config)
        for schema in SCHEMAS:
            connection.execute(sa.text(f"create schema if not exists {schema}"))
        config.attributes["connection"] = connection
        _run(connection, "roles")
        command.upgrade(config, "head")
        try:
            _run(connection, "grants")
        except sa.exc.ProgrammingError as error:
            if not isinstance(error.orig, psycopg.errors.UndefinedTable):
                raise
            raise _pre_release(connection, "without a table that 0.1.0 has") from None
        logins.ensure(connection, url)


def _run(connection: sa.Connection, name: str) -> None:
    connection.exec_driver_sql((Path(__file__).parent / "migrations" / f"{name}.sql").read_text(encoding="utf-8"))


def _refuse_foreign_schemas(connection: sa.Connection) -> None:
    """Refuse a database whose schemas of Perennial's names hold objects of others. Empty schemas are reused."""
    if connection.execute(_IS_OURS).scalar():
        return
    found = connection.execute(_FOUND, {"schemas": list(SCHEMAS)}).all()
    if found:
        listing = "; ".join(
            f"schema {one.schema} of {one.owner} contains {', '.join(one.found[:_SHOWN])}"
            f"{f' and {len(one.found) - _SHOWN} more' if len(one.found) > _SHOWN else ''}"
            for one in found
        )
        raise ConfigError(
            f"the database {connection.engine.url.database} has foreign objects in schemas that Perennial needs;"
            f" nothing was changed: {listing}",
            cure="give Perennial its own database (`create database perennial`) and set it in"
            " PERENNIAL_DATABASE_URL; or ask the owner to rename the schema: `alter schema ... rename to ...`",
        )


def _refuse_unknown_revision(connection: sa.Connection, config: Config) -> None:
    """Refuse tables of a newer version or of a pre-release of 0.1.0, whose migrations this version does not have."""
    if not connection.execute(_IS_OURS).scalar():
        return
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    found = connection.execute(sa.text("select version_num from meta.alembic_version")).scalars().all()
    unknown = ", ".join(revision for revision in found if revision not in known)
    if not unknown:
        return
    database = connection.engine.url.database
    if _PRE_RELEASE.fullmatch(unknown):
        raise _pre_release(connection, f"revision {unknown}")
    raise ConfigError(
        f"the tables in database {database} have revision {unknown}, which this version of Perennial does not know;"
        " nothing was changed",
        cure="run the newer version of Perennial that created them, or set another database in PERENNIAL_DATABASE_URL",
    )


def _pre_release(connection: sa.Connection, sign: str) -> ConfigError:
    return ConfigError(
        f"the tables in database {connection.engine.url.database} were created by a pre-release of Perennial ({sign})"
        " and cannot be upgraded; nothing was changed",
        cure="create a new database, set it in PERENNIAL_DATABASE_URL and run `python -m include.cli server"
        " migrate`: the ingest DAGs reload everything, and the old database is not touched (the embedded"
        " server: `make clean` removes its database and all data in it)",
    )


_PRE_RELEASE = re.compile(r"\d{4}|0\.1\.0_\d{4}")  # revisions before the first release
_SHOWN = 5
# The migrations table alone is no proof: other projects use the same name.
_IS_OURS = sa.text("select to_regclass('meta.alembic_version') is not null and to_regclass('meta.batch') is not null")
_FOUND = sa.text(
    """
    select
        n.nspname as schema, pg_get_userbyid(n.nspowner) as owner,
        array_agg(i.type || ' ' || i.identity order by i.type, i.identity) as found
    from pg_namespace as n
    join pg_depend as d on d.refclassid = 'pg_namespace'::regclass and d.refobjid = n.oid and d.deptype = 'n'
    cross join pg_identify_object(d.classid, d.objid, d.objsubid) as i
    where n.nspname = any(:schemas)
    group by 1, 2
    order by 1
    """
)
