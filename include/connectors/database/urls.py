"""Build a database URL from an Airflow connection."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from include.common.connections import HOW_TO_QUOTE, Connection, is_cut

# Airflow's connection types -> SQLAlchemy's dialect and driver. Other databases need a full `extra.sqlalchemy_url`.
DRIVERS = {
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "mssql": "mssql+pyodbc",
    "oracle": "oracle+oracledb",
    "sqlite": "sqlite",
}
_OPTIONS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "charset", "driver", "ssl_ca")


def is_database(connection: Connection) -> bool:
    """Return whether a connection is for a database."""
    return connection.vendor in DRIVERS or bool(connection.extra.get("sqlalchemy_url"))


def url_of(connection: Connection) -> URL:
    """Return the URL, including its password.

    Raises:
        ConfigError: The connection names no known database, or no host.
    """
    given = connection.extra.get("sqlalchemy_url")
    if given:
        try:
            url = make_url(str(given))
        except sa.exc.ArgumentError:
            raise connection.error(
                "extra.sqlalchemy_url is not a database URL", cure="write DIALECT+DRIVER://USER@HOST:PORT/DATABASE"
            ) from None
        if url.password and is_cut(url.host, url.database):
            raise connection.error("extra.sqlalchemy_url was cut inside its password", cure=HOW_TO_QUOTE)
        if connection.password and not url.password:
            url = url.set(password=connection.password)
        return url.set(drivername=DRIVERS["postgres"]) if url.drivername in ("postgres", "postgresql") else url
    if connection.vendor not in DRIVERS:
        raise connection.error(
            f"its database type {connection.vendor or '(none)'} is not one of {', '.join(DRIVERS)}",
            cure="set its type, or set sqlalchemy_url in its extra to the full URL",
        )
    if not connection.host:
        raise connection.error("has no host", cure="set its host to the database's")
    if connection.vendor == "sqlite":
        return URL.create("sqlite", database=connection.host)
    return URL.create(
        DRIVERS[connection.vendor],
        username=connection.login or None,
        password=connection.password or None,
        host=connection.host,
        port=connection.port,
        database=connection.schema or None,
        query={name: str(connection.extra[name]) for name in _OPTIONS if connection.extra.get(name)},
    )
