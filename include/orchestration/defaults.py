"""The tags, retry policy and default arguments of every DAG."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from include.common.errors import AuthError, ConfigError, ContractError, Unavailable, WarehouseError
from include.orchestration.connections import use_airflow
from include.orchestration.notices import notify_owner

# From here on, the code that tasks call finds the connections stored in Airflow.
use_airflow()

# The closed list of tags: the DAG's place in the chain, which sorts the DAGs, and how soon its failure must be checked.
TAGS = frozenset(
    {"1-ingest", "2-build", "3-score", "4-decide", "5-deliver", "6-report", "7-operate", "tier:1", "tier:2"}
)

# Errors that are not listed here are defects. They do not fix themselves within minutes, so they fail at once and are
# seen at once. A killed worker raises nothing; its task is always retried.
RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=[AuthError, ConfigError, ContractError],
            action=RetryAction.FAIL,
            reason="a person has to fix something first; a retry cannot help",
        ),
        RetryRule(
            exception=[
                Unavailable,
                WarehouseError,
                "sqlalchemy.exc.OperationalError",
                "sqlalchemy.exc.InterfaceError",
                "sqlalchemy.exc.TimeoutError",
                # Rows are landed by COPY, which bypasses SQLAlchemy.
                "psycopg.OperationalError",
                "psycopg.InterfaceError",
                "builtins.OSError",
            ],
            action=RetryAction.RETRY,
            reason="the other side is down, slow or throttling; retrying with growing delays",
        ),
    ],
    default=RetryAction.FAIL,
)

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "customer-success-data",
    "retries": 3,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=5),
    "retry_policy": RETRY_POLICY,
    "execution_timeout": timedelta(minutes=30),
    "on_failure_callback": notify_owner,
}
