"""Airflow's settings where Perennial brings its own Airflow: the demo and docker-compose.yaml.

Only URLs, folders and secrets differ between the two. A test compares docker-compose.yaml with ``SETTINGS``.
"""

from __future__ import annotations

SETTINGS: dict[str, str] = {
    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
    # Worker processes. Tasks mostly wait for vendors and PostgreSQL.
    "AIRFLOW__CORE__PARALLELISM": "6",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    # Turn on consumers before producers; otherwise the producers' first events are lost.
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
    "AIRFLOW__API__EXPOSE_CONFIG": "False",
    "AIRFLOW__API__EXPOSE_STACKTRACE": "False",
    "AIRFLOW__API__ENABLE_SWAGGER_UI": "False",
    # The tasks are short: with the default of one second between scheduler loops, waiting would take longer than the
    # tasks.
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    # Retry a killed worker's task after three minutes instead of five: every task is safe to run again. With a shorter
    # timeout, tasks on a slow machine would count as dead.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "180",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
    # Airflow's defaults (30 s to import a file, 50 s for its process, 5 s for an answer to a task, 10 minutes in the
    # queue, 30 s between heartbeats) are too short for busy machines.
    "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "600",
    "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "660",
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "120",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "7200",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "120",
    "AIRFLOW__DAG_PROCESSOR__HEALTH_CHECK_THRESHOLD": "120",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "120",
    "AIRFLOW__TRIGGERER__RUNNER_HEALTH_CHECK_THRESHOLD": "120",
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
    "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
    # It logs a warning for every function that it does not register while loading.
    "AIRFLOW__LOGGING__NAMESPACE_LEVELS": "great_expectations=WARNING",
}

# The arguments of `python -m` for each component. Logs are read from the shared folder, so no port serves them.
COMPONENTS: dict[str, tuple[str, ...]] = {
    "api-server": ("airflow", "api-server"),
    "scheduler": ("include.orchestration.scheduler", "--skip-serve-logs"),
    "dag-processor": ("airflow", "dag-processor"),
    "triggerer": ("airflow", "triggerer", "--skip-serve-logs"),
}
