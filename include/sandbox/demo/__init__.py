"""The demo: Perennial with its own Airflow, PostgreSQL and sandbox vendors, all on this machine."""
