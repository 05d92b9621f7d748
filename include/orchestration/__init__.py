"""Code that the DAGs share: assets, default arguments, retries, tasks, notices. Only this folder imports Airflow."""
