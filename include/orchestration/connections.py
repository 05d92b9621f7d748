"""Let ``include.connections`` find what is stored in Airflow: in its database or in its secrets backend."""

from __future__ import annotations

from include import connections


def use_airflow() -> None:
    """Ask Airflow for connections that no ``AIRFLOW_CONN_<ID>`` variable gives."""
    connections.set_resolver(_from_airflow)


def _from_airflow(connection_id: str) -> connections.Connection | None:
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found = BaseHook.get_connection(connection_id)
    except AirflowNotFoundException:
        return None
    return connections.make(
        connection_id,
        conn_type=found.conn_type,
        host=found.host,
        port=found.port,
        login=found.login,
        password=found.password,
        schema=found.schema,
        extra=found.extra,
    )
