"""The demo: Perennial with its own Airflow, PostgreSQL and make-believe vendors, all on this machine."""
