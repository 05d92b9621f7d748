"""Measure the contract models: for all accounts, for one in a hundred, and for one account of a large family.

CRM rows are written straight into plain tables in place of the staging views. Each account has about six deals with two
lines each, linked by number, by reference or not at all. There are renewals, expansions, lost accounts, contracts that
auto-renew, a family of 300, and an account with 300 overlapping deals. A few accounts must not cost as much as all.
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime

import sqlalchemy as sa

from benchmarks import services
from benchmarks.rows import Row
from include.models import build, materialize, registry, settings_tables, tables
from include.models.increments import DAY, Build, Piece, Range
from include.models.registry import Model
from include.warehouse.engine import engine

SIZES = {"small": 2_000, "full": 20_000}
NEWEST = date(2026, 6, 30)
MODELS = (
    "core.account_bridge_history", "core.account_bridge", "core.account", "core.account_family", "core.company_term",
    "core.opportunity", "core.contract_line_history", "core.contract_line", "core.agreed_term", "core.continuation",
    "core.contract_term", "core.committed_line", "core.renewal", "core.family_transfer", "core.renewal_review",
    "core.arr_step", "core.account_history", "marts.arr_movement",
)  # fmt: skip
# A hundredth of all accounts, with their families, should cost at most a fifth of all. Among few accounts, the large
# family dominates.
_WANTED = 5.0
_VERSION = "timestamptz '2020-01-01', 1, false, false"
_FILL = (
    f"""
    insert into staging.stg_crm__account (source, account_id, name, domain, tier, parent_id, is_test, created_at,
        known_from, batch_id, is_first_load, is_deleted)
    select 'crm', n::text, 'Customer ' || n, 'c' || n || '.example', (array['small', 'mid', 'key'])[1 + mod(n, 3)],
        case when n between 1001 and 1300 then '1000' when mod(n, 20) = 1 then (n - 1)::text end, false,
        timestamptz '2020-01-01', {_VERSION}
    from generate_series(0, :accounts - 1) as n
    """,  # noqa: S608 - texts of this file
    """
    create temp table deal as
    select n, k, (date '2021-01-01' + mod(n * 37, 360) + interval '1 year' * least(k, 4)
        + interval '5 months' * greatest(k - 4, 0))::date as begun
    from generate_series(0, :accounts - 1) as n, generate_series(0, 5) as k
    where mod(n, 10) <> 9 or k <= 2
    union all
    select 7, 100 + k, date '2021-01-01' + k * 6 from generate_series(0, 300) as k
    """,
    f"""
    insert into staging.stg_crm__opportunity (source, opportunity_id, account_id, opportunity_type, contract_number,
        is_closed, is_won, close_date, currency, renews_id, is_auto_renew, notice_months, created_at, known_from,
        batch_id, is_first_load, is_deleted)
    select 'crm', n || '-' || k, n::text,
        case when k = 0 then 'new' when k = 5 then 'expansion' when mod(n, 7) <> 6 then 'renewal' end,
        case when mod(n, 3) = 0 then 'C' || n end, true, true, begun - 20, 'USD',
        case when mod(n, 3) = 2 and k between 1 and 4 then n || '-' || (k - 1) end, mod(n, 11) = 0, 3, begun - 60,
        {_VERSION}
    from deal
    """,  # noqa: S608
    f"""
    insert into staging.stg_crm__contract_line (source, line_id, opportunity_id, account_id, product, quantity, amount,
        currency, is_recurring, is_overage, is_evergreen, term_start, term_end, created_at, known_from, batch_id,
        is_first_load, is_deleted)
    select 'crm', n || '-' || k || '-' || p, n || '-' || k, n::text, (array['Core', 'Add-on'])[p],
        case k when 5 then 2 else 10 end, (1000 + mod(n, 100) * 100 + k * 50) / case k when 5 then 10 else p end, 'USD',
        true, false, false, begun, (begun + interval '1 month' * case k when 5 then 7 else 12 end)::date,
        timestamptz '2020-01-01', {_VERSION}
    from deal, generate_series(1, 2) as p
    """,  # noqa: S608
)


def run(size: str) -> list[Row]:
    """Fill the tables, build everything, then rebuild one account in a hundred, then one of the family."""
    accounts, url = SIZES[size], services.database(is_warehouse=True)
    chosen = [registry.get(name) for name in MODELS]
    with engine("owner", url).begin() as connection:
        for model in registry.load().values():
            if model.schema == "staging":
                columns = ", ".join(f'"{name}" {column.type}' for name, column in model.metadata.columns.items())
                connection.exec_driver_sql(f"create table {model.name} ({columns})")
        for model in chosen:
            tables.prepare(connection, model, tables.existing(connection, model.name))
        settings_tables.sync(connection)
        for statement in _FILL:
            connection.execute(sa.text(statement), {"accounts": accounts})
        connection.exec_driver_sql("analyze")
        whole = _make(connection, chosen, None)
        hundredth = _change(connection, chosen, [f"crm:{n}" for n in range(0, accounts, 100)])
        one = _change(connection, chosen, ["crm:1010"])
    services.drop(url)
    return [
        _row("all accounts", accounts, whole),
        _row("one in a hundred", accounts, hundredth, wanted=_WANTED if size == "full" else 0.0),
        _row("one of a family of 300", accounts, one),
    ]


def _row(who: str, accounts: int, seconds: dict[str, float], wanted: float = 0.0) -> Row:
    slowest = sorted(seconds, key=lambda name: -seconds[name])[:3]
    note = "slowest: " + ", ".join(f"{name} {seconds[name]:.1f} s" for name in slowest)
    total = (round(sum(seconds.values()), 3),)
    return Row(
        "contracts",
        who,
        accounts,
        total,
        against="all accounts" if who != "all accounts" else "",
        wanted=wanted,
        note=note,
    )


def _change(connection: sa.Connection, models: list[Model], keys: list[str]) -> dict[str, float]:
    ids = {"ids": [key.partition(":")[2] for key in keys]}
    change = "update staging.stg_crm__contract_line set amount = amount * 1.1 where account_id = any(:ids)"
    connection.execute(sa.text(change), ids)
    return _make(connection, models, keys)


def _make(connection: sa.Connection, models: list[Model], keys: list[str] | None) -> dict[str, float]:
    """Build the models for all accounts or some, as a build would. Return the seconds of each."""
    connection.exec_driver_sql(build.HASH_JOINS)
    window = Range(NEWEST, NEWEST + DAY)
    known_at = datetime(2100, 1, 1, tzinfo=UTC)
    planned = Build("bench", "forward", "running", "work", window, NEWEST, NEWEST, known_at)
    seconds = {}
    for model in models:
        named = keys if model.metadata.materialisation == "account" else None
        piece = Piece(window.start, window.end, tuple(_with_families(connection, named)) if named else None)
        began = time.monotonic()
        parameters = build.parameters_of(planned, model)
        materialize.replace(connection, "bench", model, [piece], parameters, is_new=keys is None)
        seconds[model.name] = time.monotonic() - began
        connection.exec_driver_sql("drop table if exists incoming, removed, added")
    services.say(f"{'all' if keys is None else len(keys)} accounts: {sum(seconds.values()):.1f} s")
    return seconds


def _with_families(connection: sa.Connection, keys: list[str]) -> list[str]:
    found = connection.execute(
        sa.text(
            "select f.account_key from core.account_family as f where f.ultimate_parent_key in"
            " (select ultimate_parent_key from core.account_family where account_key = any(:keys)) order by 1"
        ),
        {"keys": keys},
    )
    return list(found.scalars())
