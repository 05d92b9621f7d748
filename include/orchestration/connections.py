"""Let ``include.common.connections`` read connections from Airflow's database or secrets backend."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from include.common import connections

DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"


def use_airflow() -> None:
    """Ask Airflow for connections that no ``AIRFLOW_CONN_<ID>`` variable defines."""
    connections.set_resolver(_from_airflow)


def use_airflow_from_command_line() -> None:
    """Do the same in a command that has the settings of Airflow's own components, such as in their container."""
    if os.environ.get(DATABASE):
        # Airflow's own `airflow connections get` sets it too: without it, Airflow expects to be asked by a task.
        os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
        connections.set_resolver(_apart_from_output)


def _apart_from_output(connection_id: str) -> connections.Connection | None:
    # Airflow logs to standard output, where a command prints its JSON.
    with contextlib.redirect_stdout(sys.stderr):
        return _from_airflow(connection_id)


def _from_airflow(connection_id: str) -> connections.Connection | None:
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException
    from airflow.sdk.log import mask_secret

    try:
        found = BaseHook.get_connection(connection_id)
    except AirflowNotFoundException:
        return None
    made = connections.make(
        connection_id,
        conn_type=found.conn_type,
        host=found.host,
        port=found.port,
        login=found.login,
        password=found.password,
        schema=found.schema,
        extra=found.extra,
    )
    # Third-party libraries may log the password, so Airflow's own masker must know it.
    mask_secret(made.password)
    return made


def log_folder() -> Path | None:
    """Return the folder of Airflow's task logs on this machine."""
    from airflow.configuration import conf

    folder = conf.get("logging", "base_log_folder", fallback="")
    return Path(folder).expanduser() if folder else None
