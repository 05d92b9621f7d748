"""Databases beside the fixtures' own: made from another one as their template, and dropped again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from include.warehouse import logins


@contextmanager
def database(server: str, name: str, template: str) -> Iterator[str]:
    """Make a database on the server of a URL and yield its own URL; nobody may be connected to the template."""
    url = make_url(server).set(database=name).render_as_string(hide_password=False)
    made, source = sql.Identifier(name), sql.Identifier(template)
    _execute(server, sql.SQL("create database {} template {}").format(made, source))
    try:
        yield url
    finally:
        close(url)
        _execute(server, sql.SQL("drop database {} with (force)").format(made))


def close(url: str) -> None:
    """Close all connections of this process to a database."""
    logins.dispose(url)


def _execute(server: str, statement: sql.Composed) -> None:
    plain = make_url(server).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(statement)
