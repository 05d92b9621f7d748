"""Airflow's settings wherever Perennial brings its own Airflow: the demo and docker-compose.yaml.

Only addresses, folders and secrets differ between the two; a test holds docker-compose.yaml to ``SETTINGS``.
"""

from __future__ import annotations

SETTINGS: dict[str, str] = {
    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
    # Worker processes; the tasks wait for vendors and for PostgreSQL more than they compute.
    "AIRFLOW__CORE__PARALLELISM": "6",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    # Consumers must be turned on before producers, else the producers' first events find nobody.
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
    "AIRFLOW__API__EXPOSE_CONFIG": "False",
    "AIRFLOW__API__EXPOSE_STACKTRACE": "False",
    "AIRFLOW__API__ENABLE_SWAGGER_UI": "False",
    # A chain of short tasks: the default of a second between looks would cost more than the tasks do.
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    # A killed worker's task is run again after three minutes, not after five: every task may be run again. Less would
    # take a task for dead on a machine that is only slow.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "180",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
    # Airflow's own patience (30 s for a file's import, 50 s for its process, 5 s for an answer to a task, 10 minutes in
    # the queue, 30 s between signs of life) is made for machines that are not busy.
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
    # It warns of every function that it does not register while it is loaded.
    "AIRFLOW__LOGGING__NAMESPACE_LEVELS": "great_expectations=WARNING",
}

# What each component runs, behind `python -m`. Logs are read from the shared folder: nothing serves them on a port.
COMPONENTS: dict[str, tuple[str, ...]] = {
    "api-server": ("airflow", "api-server"),
    "scheduler": ("include.orchestration.scheduler", "--skip-serve-logs"),
    "dag-processor": ("airflow", "dag-processor"),
    "triggerer": ("airflow", "triggerer", "--skip-serve-logs"),
}
