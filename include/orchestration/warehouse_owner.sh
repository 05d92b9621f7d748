#!/bin/sh
# Runs once in the warehouse's container, when its volume is empty: the owner of the database is no superuser.
set -eu
psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres <<'SQL'
\getenv password PERENNIAL_OWNER_PASSWORD
create role perennial login createrole password :'password';
alter database perennial owner to perennial;
SQL
