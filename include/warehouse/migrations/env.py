"""Alembic's entry point. The connection comes from include.warehouse.migrate."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table="alembic_version", version_table_schema="meta")
with context.begin_transaction():
    context.run_migrations()
