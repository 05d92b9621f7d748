"""Validate a batch of usage days in one way: ``python -m benchmarks.contestants.validating_run WAY``.

The warehouse is PERENNIAL_DATABASE_URL, and the batch is the one waiting there. One-off work of a process is not timed
for anyone: imports (including holiday calendars) and reading the settings.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import sqlalchemy as sa

from include.warehouse.engine import database_url, engine

# The row rules of usage_day, hand-written as one scan.
_SCAN = """
select
    count(*) filter (where id !~ '\\S'),
    count(*) filter (where not (_problems is null)),
    count(*) filter (where updated_at is null),
    count(*) filter (where _source_at > now() + interval '1 day'),
    count(*) filter (where account_id is null),
    count(*) filter (where account_id <> '' and not exists (
        select from raw.product__product_account as target
        where target.source = 'product_db' and target.id = batch.account_id)),
    count(*) filter (where user_id is null),
    count(*) filter (where feature is null),
    count(*) filter (where day is null),
    count(*) filter (where day > current_date + 1),
    count(*) filter (where day < '1990-01-01'),
    count(*) filter (where n_events is null),
    count(*) filter (where n_events < 0),
    count(*) filter (where minutes < 0),
    count(*) filter (where minutes > 1440)
from raw.{table} as batch
where not _is_deleted
"""


def ours() -> Callable[[], object]:
    """Validate as an ingest run does: rules, results and verdict in one transaction."""
    import holidays

    from include.config import loader
    from include.contracts import catalogue, validate
    from include.contracts import engine as owner

    loader.load()
    holidays.country_holidays("US")  # imports the calendars of all countries
    catalogue.rules()
    owner.context()  # created before the clock starts, as for the other contestant
    return lambda: validate.validate("product_db")


def great_expectations_alone() -> Callable[[], object]:
    """Run the same expectations on the same table through Great Expectations' own data source, asset and suite."""
    import great_expectations as gx
    from great_expectations import expectations

    from include.contracts import catalogue, history
    from include.contracts import engine as owner

    with engine("loader").connect() as connection:
        row = connection.execute(sa.text("select * from meta.batch where table_name <> ''")).mappings().one()
        known = history.facts(connection, row)
    checks = [owner.Check(rule, made) for rule in catalogue.of_entity("usage_day") if (made := rule.expect(known))]
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_postgres("warehouse", connection_string=database_url())
    asset = source.add_table_asset("batch", table_name=row["table_name"], schema_name="raw")
    batch = asset.add_batch_definition_whole_table("all").get_batch()
    assert expectations
    made = [owner._expectation(check).to_domain_obj() for check in checks]
    suite = gx.ExpectationSuite("usage_day", expectations=made)
    return lambda: batch.validate(suite, result_format={"result_format": "SUMMARY", "partial_unexpected_count": 0})


def scan() -> Callable[[], object]:
    """Count the rows that break row rules in one hand-written statement, without results or batch rules."""
    with engine("loader").connect() as connection:
        table = connection.execute(sa.text("select table_name from meta.batch where table_name <> ''")).scalar_one()

    def run() -> object:
        with engine("loader").connect() as connection:
            return connection.exec_driver_sql(_SCAN.format(table=table)).one()

    return run


WAYS = {"ours": ours, "great_expectations": great_expectations_alone, "scan": scan}


def main() -> None:
    """Prepare, then time one run."""
    run = WAYS[sys.argv[1]]()
    started = time.perf_counter()
    run()
    print(json.dumps({"rows": int(sys.argv[2]), "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
