"""A handful of accounts with contracts, tickets and usage, loaded through the real landing and merging."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include import clock
from include.sources.base import Record
from include.sources.entities import ENTITIES
from include.warehouse import build, models
from include.warehouse.engine import engine
from tests.warehouse.landing import rows, store, value

SOURCES = {"crm": ("crm", "hubspot"), "support": ("support", "zendesk"), "product": ("product_db", "product")}
FIRST = "2026-06-10T12:00:00+00:00"
SETTINGS = "history_start_months: 3\ngrace_days: {{default: {grace}}}\n"
_TABLES = "select n.nspname || '.' || c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"


def use_short_history(monkeypatch: pytest.MonkeyPatch, folder: Path, *, grace: int = 30) -> None:
    """Put an overlay in force with a short history, so that a build takes a second."""
    settings = folder / "config" / "settings.yaml"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(SETTINGS.format(grace=grace))
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(folder))


def overlay(folder: Path, model: str) -> Path:
    """Return the overlay's folder of a model, made."""
    made = folder / "sql" / model
    made.mkdir(parents=True)
    return made


def load(entity: str, *records: Record, **how: Any) -> None:
    """Land and merge records as one batch, as of the clock."""
    source, vendor = SOURCES[ENTITIES[entity].kind]
    store(*records, source=source, vendor=vendor, entity=entity, **{"read_until": clock.now()} | how)


def record(id: str, *, deleted: bool = False, **values: Any) -> Record:
    """A record that its source changed just now."""
    return Record(id, values, {}, clock.now() - timedelta(minutes=5), deleted)


def account(id: str, **values: Any) -> Record:
    """A company."""
    return record(
        id, **{"name": f"Account {id}", "tier": "small", "owner_id": "7", "created_at": _at(2025, 1, 1)} | values
    )


def owner(id: str, **values: Any) -> Record:
    """A CSM."""
    return record(id, **{"email": f"{id}@example.com", "last_name": f"Owner {id}", "is_active": True} | values)


def contact(id: str, account_id: str, **values: Any) -> Record:
    """A person."""
    return record(id, **{"account_id": account_id, "role": "DECISION_MAKER", "created_at": _at(2025, 2, 1)} | values)


def deal(id: str, account_id: str, **values: Any) -> Record:
    """A won deal."""
    usual = {"opportunity_type": "new", "is_closed": True, "is_won": True, "contract_number": f"C{account_id}"}
    return record(id, **{"account_id": account_id, "created_at": _at(2025, 1, 1)} | usual | values)


def line(id: str, deal_id: str, amount: int, start: date, end: date, **values: Any) -> Record:
    """A recurring line."""
    usual = {"product": "Core", "quantity": Decimal(5), "is_recurring": True, "currency": "USD"}
    return record(
        id, opportunity_id=deal_id, amount=Decimal(amount), term_start=start, term_end=end, **(usual | values)
    )


def organization(id: str, crm_id: str | None) -> Record:
    """A desk organisation."""
    return record(id, name=f"Organisation {id}", external_id=crm_id, created_at=_at(2025, 1, 1))


def ticket(id: str, organization_id: str, **values: Any) -> Record:
    """An open ticket."""
    usual = {"status": "open", "priority": "normal", "created_at": _at(2026, 5, 20)}
    return record(id, organization_id=organization_id, **(usual | values))


def product_account(id: str, crm_id: str | None, **values: Any) -> Record:
    """A product account."""
    return record(id, **{"crm_account_id": crm_id, "created_at": _at(2025, 6, 1)} | values)


def usage(account_id: str, user: str, day: date, n: int, feature: str = "reports") -> Record:
    """A day's use of a feature by one user."""
    values = {"account_id": f"p{account_id}", "user_id": user, "feature": feature, "day": day, "n_events": n}
    return record(f"{user}|{feature}|{day}", **values)


def seats(account_id: str, day: date, paid: int, activated: int) -> Record:
    """A day's seats."""
    values = {"account_id": f"p{account_id}", "day": day, "n_paid_seats": paid, "n_activated_seats": activated}
    return record(f"{account_id}|{day}", **values)


def load_all() -> None:
    """Load three accounts: a regular one, one whose term ended on 15 May, one that renews by itself every month."""
    from include.warehouse.loader import ensure_raw_tables

    ensure_raw_tables()
    load("owner", owner("7"), owner("8"))
    load("account", account("1"), account("2", owner_id="8"), account("3", tier="key_account"))
    load("contact", contact("c1", "1"), contact("c2", "2", role="CHAMPION"))
    load(
        "opportunity",
        deal("d1", "1", close_date=date(2025, 9, 1)),
        deal("d2", "2", close_date=date(2025, 5, 1)),
        deal("d3", "3", is_auto_renew=True),
    )
    load(
        "contract_line",
        line("l1", "d1", 1200, date(2025, 9, 15), date(2026, 9, 15)),
        line("l2", "d2", 2400, date(2025, 5, 15), date(2026, 5, 15)),
        line("l3", "d3", 100, date(2025, 12, 31), date(2026, 1, 31)),
    )
    load("organization", organization("o1", "1"), organization("o2", "2"))
    load("ticket", ticket("t1", "o1"), ticket("t2", "o2", status="solved", solved_at=_at(2026, 5, 22)))
    load("product_account", product_account("p1", "1"), product_account("p3", "3"))
    days = [date(2026, 3, 1) + timedelta(days=number) for number in range(0, 101, 3)]
    load(
        "usage_day",
        *(usage("1", "u1", day, 5) for day in days),
        *(usage("3", "u3", day, 2, "api") for day in days[::2]),
    )
    load("seat_day", *(seats("1", day, 10, 4) for day in days))
    heard_of_all_sources()


def heard_of_all_sources() -> None:
    """Write a verdict for each source, as the end of an ingest does."""
    with engine("loader").begin() as connection:
        connection.execute(
            sa.text(
                "insert into meta.verdict (source, kind, state) values ('crm', 'crm', 'green'),"
                " ('support', 'support', 'green'), ('product_db', 'product', 'green') on conflict do nothing"
            )
        )


def snapshot(but: tuple[str, ...] = ()) -> dict[str, list[tuple]]:
    """Return the rows of every built table; of tables by account, without those of some accounts."""
    found = {}
    for name, model in models.load().items():
        if model.metadata.materialisation == "view" or not value(f"select to_regclass('{name}') is not null"):
            continue
        if but and "account_key" not in model.metadata.columns:
            continue
        where = "where account_key <> all(:but)" if but else "where cast(:but as text[]) is not null"
        found[name] = rows(f"select cast(t as text) from {name} as t {where} order by 1", but=list(but))
    return found


def assert_equals_scratch(monkeypatch: pytest.MonkeyPatch, without: tuple[str, ...] = ()) -> None:
    """Build everything from scratch on the same known_at and compare every row of every table, but for some."""
    grown = snapshot()
    known_at = value("select max(known_at) from meta.build")
    with engine("owner").begin() as connection:
        made = connection.execute(
            sa.text(
                f"{_TABLES} where n.nspname in ('core', 'marts') and c.relkind in ('r', 'p') and not c.relispartition"
            )
        )
        # What is frozen stays: it is a record of what was known, and cannot be made anew.
        frozen = {name for name, model in models.load().items() if model.metadata.materialisation == "frozen"}
        for name in set(made.scalars().all()) - frozen:
            connection.exec_driver_sql(f"drop table {name} cascade")
        connection.exec_driver_sql("truncate meta.build, meta.build_model, meta.check_result cascade")
        connection.exec_driver_sql("truncate meta.build_change, meta.build_dirty")
    assert isinstance(build.run("scratch", known_at=known_at), build.Finished)
    made_anew = snapshot()
    for name in grown.keys() - set(without):
        only_grown, only_scratch = (
            sorted(set(one) - set(other))[:5]
            for one, other in ((grown[name], made_anew[name]), (made_anew[name], grown[name]))
        )
        assert not only_grown and not only_scratch, f"{name}: only grown {only_grown}, only from scratch {only_scratch}"
        assert len(grown[name]) == len(made_anew[name]), f"{name}: rows are doubled"


def _at(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 9, tzinfo=UTC)
