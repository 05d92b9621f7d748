"""What the DAGs share: assets, default arguments, retry rules, tasks, notices. The only part that knows Airflow."""
