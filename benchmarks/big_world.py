"""Fill a warehouse of any size: history by set-based SQL into the raw tables, later days through the loader.

The history takes about a minute for millions of rows. Later days are landed and merged like any batch, so that a build
finds the same dirty ranges as in production.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from include.common import clock
from include.connectors.base import Page, Record
from include.entities.catalog import ENTITIES, raw_table
from include.ingest import batches, landing, merge
from include.warehouse import raw_tables
from include.warehouse.engine import engine

VENDORS = {"crm": ("crm", "hubspot"), "support": ("support", "zendesk"), "product": ("product_db", "product")}
FEATURES = "array['login', 'dashboards', 'reports', 'automation', 'api', 'integrations']"
USERS = 4
# Rows per page; each page is one COPY.
_PAGE = 20_000


@dataclass(frozen=True)
class World:
    """The size of the world.

    Args:
        accounts: Number of customers.
        usage_per_day: Usage rows per day, over all customers.
        days: Days of support and product history. Contracts are equally old in every world.
        newest: The last day of the history.
    """

    accounts: int
    usage_per_day: int
    days: int
    newest: date

    @property
    def usage_rows(self) -> int:
        """Usage rows of the whole history."""
        return self.usage_per_day * self.days


_CURRENCY = "case a % 50 when 7 then 'EUR' else 'USD' end"
# Entity -> its columns as expressions, and the FROM clause. A contract has up to four yearly terms. Every tenth
# customer leaves after the second. A term is signed from 20 days before its start to 19 days after it.
_HISTORY: dict[str, tuple[dict[str, str], str]] = {
    "owner": (
        {
            "id": "n", "email": "'csm' || n || '@example.com'", "first_name": "'Csm'", "last_name": "n",
            "team": "'team ' || n % 7", "is_active": "true", "created_at": ":ago",
        },
        "generate_series(0, :accounts / 250) as n",
    ),
    "account": (
        {
            "id": "n", "name": "'Customer ' || n", "domain": "'c' || n || '.example'",
            "tier": "(array['small', 'mid', 'key_account'])[1 + n % 3]", "industry": "'industry ' || n % 9",
            "region": "'region ' || n % 5", "owner_id": "n / 250", "parent_id": "case when n % 20 = 1 then n - 1 end",
            "lifecycle_stage": "'customer'", "is_test": "false", "created_at": ":ago",
        },
        "generate_series(0, :accounts - 1) as n",
    ),
    "contact": (
        {
            "id": "n", "account_id": "n / 2", "email": "'p' || n || '@c' || n / 2 || '.example'",
            "first_name": "'Person'", "last_name": "n",
            "role": "case n % 2 when 0 then 'DECISION_MAKER' else 'CHAMPION' end", "created_at": ":ago",
        },
        "generate_series(0, 2 * :accounts - 1) as n",
    ),
    "opportunity": (
        {
            "id": "a || '-' || k", "account_id": "a", "name": "'Deal'", "stage": "case when won then 'won' end",
            "is_closed": "won", "is_won": "won", "contract_number": "'C' || a",
            "opportunity_type": "case k when 0 then 'new' else 'renewal' end", "amount": "amount",
            "currency": _CURRENCY, "close_date": "closed", "notice_months": "3", "is_auto_renew": "a % 11 = 0",
            "owner_id": "a / 250", "created_at": "closed - 60",
        },
        "terms",
    ),
    "contract_line": (
        {
            "id": "a || '-' || k", "opportunity_id": "a || '-' || k", "account_id": "a", "product": "'Core'",
            "quantity": "10", "amount": "amount", "list_amount": "amount * 1.1", "currency": _CURRENCY,
            "is_recurring": "true", "term_start": "begun", "term_end": "cast(begun + interval '1 year' as date)",
            "created_at": "closed - 60",
        },
        "terms where won",
    ),
    "activity": (
        {
            "id": "n", "account_id": "n % :accounts", "owner_id": "n % :accounts / 250",
            "activity_type": "(array['call', 'meeting', 'email'])[1 + n % 3]", "direction": "'out'",
            "happened_at": ":newest - n / (1 + :accounts / 30) + interval '10 hours'", "is_completed": "true",
            "created_at": ":newest - n / (1 + :accounts / 30) + interval '10 hours'",
        },
        "generate_series(0, :days * (1 + :accounts / 30) - 1) as n",
    ),
    "organization": (
        {"id": "'o' || n", "name": "'Customer ' || n", "external_id": "n", "created_at": ":ago"},
        "generate_series(0, :accounts - 1) as n",
    ),
    "support_user": (
        {
            "id": "'r' || n", "organization_id": "'o' || n", "email": "'p' || 2 * n || '@c' || n || '.example'",
            "role": "'end-user'", "is_active": "true", "created_at": ":ago",
        },
        "generate_series(0, :accounts - 1) as n",
    ),
    "ticket": (
        {
            "id": "n", "organization_id": "'o' || a", "requester_id": "'r' || a",
            "status": "case when open then 'open' else 'solved' end", "priority": "priority",
            "created_at": "made", "solved_at": "case when not open then made + interval '2 days' end",
            "generated_at": "made", "n_reopens": "0", "n_replies": "1", "requester_wait_minutes": "90",
            "agent_wait_minutes": "30", "full_resolution_minutes": "case when not open then 2880 end",
            "first_resolution_minutes": "case when not open then 2880 end", "first_reply_business_minutes": "60",
        },
        "tickets",
    ),
    "ticket_event": (
        {
            "id": "n || '-' || e", "ticket_id": "n", "organization_id": "'o' || a",
            "happened_at": "made + e * interval '1 day'",
            "event_type": "(array['priority', 'comment', 'status'])[1 + e]",
            "new_value": "case e when 0 then priority when 2 then 'solved' end",
            "actor_id": "case e when 0 then 'r' || a else 'agent' end", "is_public": "e = 1",
        },
        "tickets cross join generate_series(0, 2) as e where e < 2 or not open",
    ),
    "rating": (
        {
            "id": "n", "ticket_id": "n", "organization_id": "'o' || a",
            "score": "case when n % 4 = 0 then 'bad' else 'good' end", "created_at": "made + interval '3 days'",
        },
        "tickets where n % 5 = 0 and not open",
    ),
    "product_account": (
        {"id": "'p' || n", "name": "'Customer ' || n", "crm_account_id": "n", "is_internal": "false",
         "created_at": ":ago"},
        "generate_series(0, :accounts - 1) as n",
    ),
    "product_user": (
        {
            "id": "'u' || n", "account_id": f"'p' || n / {USERS}",
            "email": f"'p' || 2 * (n / {USERS}) || '@c' || n / {USERS} || '.example'",
            "role": "(array['admin', 'user', 'finance'])[1 + n % 3]", "team": "'team ' || n % 2", "is_bot": "false",
            "activated_at": ":ago", "created_at": ":ago",
        },
        f"generate_series(0, {USERS} * :accounts - 1) as n",
    ),
    "usage_day": (
        {
            "id": "lpad(cast(n as text), 9, '0')", "account_id": "'p' || a",
            "user_id": f"'u' || {USERS} * a + n / 7 % {USERS}", "feature": f"({FEATURES})[1 + n % 6]",
            "day": "day", "n_events": "1 + n % 13", "minutes": "n % 50 / 2.0",
        },
        "(select n, cast(n * 7919 % :accounts as bigint) as a, :newest - :days + 1 + cast(n / :per_day as integer)"
        " as day from generate_series(cast(0 as bigint), :per_day * :days - 1) as n) as uses",
    ),
    "seat_day": (
        {
            "id": "a || '|' || day", "account_id": "'p' || a", "day": "day", "n_paid_seats": "10",
            "n_activated_seats": "2 + a % 9",
        },
        "(select a, :newest - 7 * w as day from generate_series(0, :accounts - 1) as a"
        " cross join generate_series(0, :days / 7) as w) as counts",
    ),
}  # fmt: skip
_CTES = """
with terms as (
    select t.*, begun <= :newest and (k < 2 or a % 10 > 0) and closed <= :newest as won
    from (
        select
            a, k, begun, begun - 20 + (a * 31 + k * 7) % 40 as closed, 1200 + a % 97 * 120 * (1 + k * (a % 3)) as amount
        from generate_series(0, :accounts - 1) as a
        cross join generate_series(0, 3) as k
        cross join lateral (
            select cast(:newest - 1090 + a * 37 % 1000 + k * interval '1 year' as date) as begun
        ) as s
    ) as t
    where begun <= :newest + 200 and (k < 3 or a % 10 > 0)
),
tickets as (
    select t.*, made > :newest - (2 + n % 20) as open
    from (
        select
            n, n * 7 % :accounts as a,
            :newest - cast(n / (1 + :accounts / 300) as integer) + interval '9 hours' as made,
            (array['low', 'normal', 'high', 'urgent'])[1 + n % 4] as priority
        from generate_series(0, :days * (1 + :accounts / 300) - 1) as n
    ) as t
)
"""


def fill(world: World) -> None:
    """Fill the raw tables of the migrated warehouse in force, as if first loads had run the day before."""
    raw_tables.ensure_raw_tables()
    bound = {
        "accounts": world.accounts,
        "days": world.days,
        "per_day": world.usage_per_day,
        "newest": world.newest,
        "ago": datetime.combine(world.newest, datetime.min.time(), UTC) - timedelta(days=1100),
        "now": clock.now(),
    }
    with engine("owner").begin() as connection:
        for name, (columns, rows) in _HISTORY.items():
            _fill(connection, name, columns, rows, bound)
        connection.execute(
            sa.text(
                "insert into meta.verdict (source, kind, state, watermark) select source, kind, 'green', :now"
                " from (values ('crm', 'crm'), ('support', 'support'), ('product_db', 'product')) as v (source, kind)"
            ),
            {"now": clock.now()},
        )
    with engine("owner").connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("vacuum analyze")


def _fill(connection: sa.Connection, name: str, columns: dict[str, str], rows: str, bound: dict[str, Any]) -> None:
    entity = ENTITIES[name]
    source, vendor = VENDORS[entity.kind]
    table = f"raw.{raw_table(vendor, name)}"
    types = {"id": "text"} | {column.name: column.type for column in entity.columns}
    batch = _execute(connection, _BATCH, {**bound, "source": source, "vendor": vendor, "entity": name}).scalar()
    values = ", ".join(f"cast({expression} as {types[column]})" for column, expression in columns.items())
    own = "_source_at, _hash, _batch_id, _loaded_at, _first_loaded_at"
    _execute(
        connection,
        f"insert into {table} (source, {', '.join(columns)}, {own})"  # noqa: S608 - names from entities.py
        f" {_CTES} select '{source}', {values}, cast(:now as timestamptz), '', {batch}, :now, :now from {rows}",
        bound,
    )
    if entity.history:
        kept = ", ".join(["source", "id", *entity.column_names, "_source_at", "_hash", "_batch_id", "_loaded_at"])
        _execute(
            connection,
            f"insert into {table}__version ({kept}, _is_first_load) select {kept}, true from {table}",  # noqa: S608
            {},
        )
    _execute(connection, _CURSOR, {**bound, "source": source, "entity": name, "batch": batch})


def load_next_day(world: World, day: date) -> None:
    """Load the next day: its usage, some late usage, edits, signatures, tickets."""
    _load(_next_day(world, day), day)


def load_trial(world: World, day: date) -> None:
    """Load a trial account: people and 60 days of usage, no contract."""
    days = [day - timedelta(days=back) for back in range(60)]
    _load(
        {
            "account": [_record("trial", name="Trial", tier="small", owner_id="0", lifecycle_stage="lead")],
            "product_account": [_record("ptrial", crm_account_id="trial", created_at=_noon(days[-1]))],
            "usage_day": [
                _record(f"trial|{each}", account_id="ptrial", user_id="utrial", feature="reports", day=each, n_events=3)
                for each in days
            ],
        },
        day,
    )  # fmt: skip


def _load(found: dict[str, list[Record]], day: date) -> None:
    for name, records in found.items():
        source, vendor = VENDORS[ENTITIES[name].kind]
        with batches.reading(source, name) as connection:
            batch = batches.open_or_resume(connection, source, vendor, name, until=clock.now())
            for start in range(0, max(len(records), 1), _PAGE):
                is_last = start + _PAGE >= len(records)
                page = Page(
                    records[start : start + _PAGE],
                    {"n": start},
                    {"day": str(day)} if is_last else None,
                    clock.now() if is_last else None,
                )
                batch = landing.land_page(connection, batch, page)
        with engine("loader").begin() as connection:
            connection.execute(sa.text("update meta.batch set validated_at = :now where state = 'closed'"),
                               {"now": clock.now()})  # fmt: skip
        merge.merge(source, name)
    with engine("owner").begin() as connection:
        connection.execute(sa.text("update meta.verdict set watermark = :now"), {"now": clock.now()})


def _next_day(world: World, day: date) -> dict[str, list[Record]]:
    """Return a day's records by entity. One customer in 200 is edited, one in 365 signs."""
    n_accounts, number = world.accounts, (day - world.newest).days
    edited = range(number, n_accounts, 200)
    signing = range(number, n_accounts, 365)
    asking = range(number, n_accounts, 300)
    return {
        "account": [
            _record(str(a), name=f"Customer {a}", domain=f"c{a}.example", tier="key_account", industry="moved",
                    region=f"region {a % 5}", owner_id=str(a // 250), lifecycle_stage="customer", is_test=False)
            for a in edited
        ],
        "opportunity": [
            _record(f"{a}-n{number}", account_id=str(a), is_closed=True, is_won=True, contract_number=f"N{a}",
                    opportunity_type="new", close_date=day, amount=Decimal(500), currency="USD", owner_id="0")
            for a in signing
        ],
        "contract_line": [
            _record(f"{a}-n{number}", opportunity_id=f"{a}-n{number}", account_id=str(a), product="Add-on",
                    quantity=Decimal(1), amount=Decimal(500), currency="USD", is_recurring=True, term_start=day,
                    term_end=day.replace(year=day.year + 1))
            for a in signing
        ],
        "ticket": [
            _record(f"n{number}-{a}", organization_id=f"o{a}", requester_id=f"r{a}", status="open", priority="normal",
                    created_at=_noon(day), generated_at=_noon(day))
            for a in asking
        ],
        "activity": [
            _record(f"n{number}-{a}", account_id=str(a), activity_type="call", direction="out",
                    happened_at=_noon(day), is_completed=True)
            for a in asking
        ],
        "usage_day": list(_usage(world, day)),
    }  # fmt: skip


def _usage(world: World, day: date) -> Iterator[Record]:
    for n in range(world.usage_per_day):
        account = (n * 7919 + day.toordinal()) % world.accounts
        late = timedelta(days=n % 3 + 1) if n % 100 == 0 else timedelta()
        yield _record(
            f"{day}|{n}", account_id=f"p{account}", user_id=f"u{USERS * account + n % USERS}",
            feature=("login", "dashboards", "reports", "automation", "api", "integrations")[n % 6],
            day=day - late, n_events=1 + n % 13, minutes=n % 50 / 2,
        )  # fmt: skip


def _record(id: str, **values: Any) -> Record:
    return Record(id, values, {}, clock.now())


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 9, tzinfo=UTC)


def _execute(connection: sa.Connection, statement: str, bound: dict[str, Any]) -> sa.CursorResult:
    kinds = {"newest": sa.Date(), "accounts": sa.Integer(), "days": sa.Integer(), "per_day": sa.BigInteger()}
    clause = sa.text(statement)
    names = clause.compile().params
    # Cast in the text too: the server cannot infer the types of `:newest - :days`.
    for name, kind in kinds.items():
        statement = statement.replace(f":{name}", f"cast(:{name} as {kind})")
    return connection.execute(sa.text(statement), {name: bound[name] for name in names})


_BATCH = (
    "insert into meta.batch (source, vendor, entity, state, until, is_first_load, is_full, read_until, merged_at,"
    " opened_at) values (:source, :vendor, :entity, 'merged', :now, true, true, :now, :now, :now) returning batch_id"
)
_CURSOR = (
    "insert into meta.cursor (source, entity, position, read_until, batch_id, updated_at)"
    " values (:source, :entity, '{}', :now, :batch, :now)"
)
