"""Measure how well contracts are read from a CRM: build the tables from a portal and compare them with the truth.

``python -m tests.continuation.measure URL SEED...`` prints the figures of docs/reference/contracts-measured.md. URL is
of a database with an empty table per model (fixture ``measured``). Every version of a record is known when it
was made. With ``--loaded DAY``, only the last one before that day is known of each record, as from a first load then,
and of lines also their history, unless ``--forget``. ``--show`` also lists the misses.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import sqlalchemy as sa
import yaml

from include.connectors.mapping import EntityMapping, Mapper
from include.entities.catalog import ENTITIES
from include.models import build
from include.sandbox import mapping, parameters, truth
from include.sandbox.hubspot.render import value_of
from include.sandbox.hubspot.schema import OF_KIND
from include.sandbox.store import Item
from include.sandbox.world import build as world_builder
from include.sandbox.world.build import World
from include.sandbox.world.records import Record, millis, moment
from tests.sql import cases

ANCHOR = date(2026, 6, 30)
ENTITY_OF = {"company": "account", "deal": "opportunity", "line_item": "contract_line"}
KEYS = {"account": "account_id", "opportunity": "opportunity_id", "contract_line": "line_id"}
LOWER = ("tier", "lifecycle_stage", "contract_status", "opportunity_type", "pipeline", "stage", "amount_per",
         "billing_frequency")  # fmt: skip
FLAGS = ("is_test", "is_closed", "is_won", "is_auto_renew", "is_recurring", "is_overage", "is_evergreen")
LINES_IN_ERROR = ("no_amount", "end_before_start", "no_end_date")
Step = tuple[date, Decimal]  # day -> ARR from that day
EXPECTED = ("core.arr_step", "core.renewal", "core.renewal_review", "core.continuation")


@dataclass
class Measured:
    """Counts of correct and incorrect readings.

    Args:
        days: Account-days with ARR, in truth or as read: ``all``, ``right``, ``pending`` (what is missing is in
            ``pending_late_arr``), ``listed`` (wrong, and the account is listed for review) and ``silent``.
        arr_days: Of the same, how much ARR: ``all`` of the truth, of the others the absolute differences.
        renewals: Terms: ``all``, ``right``, ``listed``, ``silent``; ``extra`` are due as read but not in truth.
        outcomes: (truth, reading) of the wrong ones -> count.
        misses: The errors, as text.
    """

    days: Counter[str] = field(default_factory=Counter)
    arr_days: Counter[str] = field(default_factory=Counter)
    renewals: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    misses: list[str] = field(default_factory=list)

    def __add__(self, other: Measured) -> Measured:
        return Measured(
            self.days + other.days,
            self.arr_days + other.arr_days,
            self.renewals + other.renewals,
            self.outcomes + other.outcomes,
            self.misses + other.misses,
        )

    @property
    def days_right(self) -> float:
        """Share of the account-days whose ARR is right."""
        return self.days["right"] / self.days["all"]

    @property
    def silent_arr(self) -> float:
        """Share of ARR that is wrong and not listed for review."""
        return self.arr_days["silent"] / self.arr_days["all"]

    @property
    def renewals_right(self) -> float:
        """Share of terms, including false ones, whose renewal is read correctly."""
        return self.renewals["right"] / (self.renewals["all"] + self.renewals["extra"])


def measure(
    connection: sa.Connection,
    seed: int,
    custom: str,
    customers: int = 240,
    loaded: date | None = None,
    forget: bool = False,
) -> Measured:
    """Build the contract tables from a world, then roll the transaction back.

    Args:
        connection: To a database with an empty table per model, outside a transaction.
        seed: Seed of the world.
        custom: The style in which its portal records contracts.
        customers: Number of customers signed by the anchor date.
        loaded: Day of the first load; None if every version was read when it was made.
        forget: Whether the history of lines from before that day is not read.
    """
    with mock.patch.dict(parameters.DIRT, dict.fromkeys(LINES_IN_ERROR, 0)):  # rejected and reported by the contracts
        world = world_builder.build(seed, ANCHOR, customers, custom)
    given = {"renewal_pipelines": mapping.RENEWAL_PIPELINES}
    case = cases.Case(Path(__file__), "a world", ANCHOR, {}, {name: [] for name in EXPECTED}, parameters=given)
    with connection.begin() as transaction:
        # As a full build does: planned for a few rows, the queries take a thousand times as long.
        connection.exec_driver_sql(build.HASH_JOINS)
        _fill(connection, world, loaded, forget)
        list(cases.run(connection, case))
        found = _compare(connection, world)
        transaction.rollback()
    return found


def _fill(connection: sa.Connection, world: World, loaded: date | None, forget: bool) -> None:
    """Fill staging with the versions of companies, deals and lines."""
    mapped = yaml.safe_load(mapping.of_style(world.style))["entities"]
    rules = {entity: EntityMapping.model_validate(mapped[entity]) for entity in KEYS}
    mappers = {entity: Mapper(ENTITIES[entity], rules[entity].columns) for entity in KEYS}
    by_id = {(record.kind, record.id): record for record in world.records}
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    until = moment(millis(ANCHOR + timedelta(days=1)))
    for record in world.records:
        if record.kind not in ENTITY_OF or moment(record.at) > until:
            continue
        entity = ENTITY_OF[record.kind]
        for at, values, is_deleted in _versions(world, record, mappers[entity]):
            if at > until:
                break
            row = _row(values, entity, record, by_id)
            row |= {"known_from": at, "source_at": at, "batch_id": len(rows[entity]) + 1, "is_deleted": is_deleted}
            rows[entity].append(row)
    if loaded:
        _forget(rows, moment(millis(loaded)), forget)
    for entity, found in rows.items():
        table = f"staging.stg_crm__{entity}"
        columns = {column["name"] for column in sa.inspect(connection).get_columns(f"stg_crm__{entity}", "staging")}
        filled = [{k: v for k, v in {**cases.DEFAULTS[table], **row}.items() if k in columns} for row in found]
        names = list(dict.fromkeys(name for row in filled for name in row))
        marks = ", ".join(f":{name}" for name in names)
        statement = sa.text(f"insert into {table} ({', '.join(names)}) values ({marks})")
        connection.execute(statement, [{name: row.get(name) for name in names} for row in filled])


def _forget(rows: dict[str, list[dict[str, Any]]], loaded: Any, forget: bool) -> None:
    """Leave what a first load and the history of lines show of the versions from before it."""
    for entity, name in KEYS.items():
        before = [row for row in rows[entity] if row["known_from"] < loaded]
        last = {row[name]: row for row in before}
        if entity == "contract_line" and not forget:
            rows["contract_line_history"] = [
                row | {"valid_from": row["known_from"], "known_from": loaded}
                for row in before
                if not last[row[name]]["is_deleted"]
            ]
        first = [row | {"known_from": loaded, "is_first_load": True} for row in last.values()]
        rows[entity] = first + [row for row in rows[entity] if row["known_from"] >= loaded]


def _versions(world: World, record: Record, mapper: Mapper) -> Iterator[tuple[Any, dict[str, Any], bool]]:
    """Yield each version of a record in the portal: start, mapped values, whether deleted."""
    kind = OF_KIND[record.kind]
    portal: Any = SimpleNamespace(world=world, switches={})
    state: dict[str, Any] = {}
    last = None
    for change in record.changes:
        state = state | change.values
        item = Item(record.kind, record.id, record.at, change.at, change.at, state)
        raw = {name: value_of(portal, kind, item, kind.properties[name]) for name in mapper.properties}
        values = mapper.record(str(record.id), raw, None).values
        values.pop("updated_at")
        values |= {"_company": state.get("company"), "_contacts": state.get("contacts"), "_deal": state.get("deal")}
        is_deleted = change.op in ("delete", "erase")
        if (values, is_deleted) != last:
            yield moment(change.at), values, is_deleted
        last = values, is_deleted


def _row(values: dict[str, Any], entity: str, record: Record, by_id: dict[tuple[str, int], Record]) -> dict[str, Any]:
    row = {name: value for name, value in values.items() if not name.startswith("_")}
    row[KEYS[entity]] = str(record.id)
    for name in LOWER:
        if isinstance(row.get(name), str):
            row[name] = row[name].strip().lower() or None
    row |= {name: bool(row.get(name)) for name in FLAGS}
    company = values["_company"]
    if entity == "opportunity" and company is None and values["_contacts"]:
        company = by_id["contact", values["_contacts"][0]].changes[0].values["company"]
    if entity == "opportunity":
        row["account_id"] = str(company) if company else None
    if entity == "contract_line":
        row["opportunity_id"] = str(values["_deal"]) if values["_deal"] else None
    return row


def _compare(connection: sa.Connection, world: World) -> Measured:
    found = Measured()
    listed = set(connection.scalars(sa.text("select distinct account_key from core.renewal_review")))
    read: dict[str, list[Step]] = defaultdict(list)
    pending: dict[str, list[Step]] = defaultdict(list)
    for key, day, arr, late in connection.execute(
        sa.text(
            "select account_key, from_day, arr, pending_late_arr from core.arr_step where from_day <= :day"
            " order by 1, 2"
        ),
        {"day": ANCHOR},
    ):
        read[key].append((day, arr))
        pending[key].append((day, late))
    true = {f"crm:{key}": steps for key, steps in truth.arr_steps(world.customers, ANCHOR).items()}
    for key in sorted({*read, *true}):
        _compare_days(found, key, true.get(key, []), read.get(key, []), pending.get(key, []), key in listed)
    _compare_renewals(connection, world, found, listed)
    return found


def _compare_days(
    found: Measured, key: str, true: list[Step], read: list[Step], pending: list[Step], is_listed: bool
) -> None:
    edges = sorted({day for day, _ in [*true, *read]} | {ANCHOR + timedelta(days=1)})
    for start, end in pairwise(edges):
        right, got = _at(true, start), _at(read, start)
        days, difference = (end - start).days, abs(right - got)
        if not right and not got:
            continue
        found.days["all"] += days
        found.arr_days["all"] += round(right * days)
        if difference <= max(Decimal(1), right * Decimal("0.005")):
            found.days["right"] += days
            continue
        is_pending = abs(right - got - _at(pending, start)) <= max(Decimal(1), right * Decimal("0.005"))
        kind = "pending" if is_pending else "listed" if is_listed else "silent"
        found.days[kind] += days
        found.arr_days[kind] += round(difference * days)
        found.misses.append(f"{kind} {key} {start} to {end}: ARR {right} read as {got}")


def _at(steps: list[Step], day: date) -> Decimal:
    return next((arr for since, arr in reversed(steps) if since <= day), Decimal())


def _compare_renewals(connection: sa.Connection, world: World, found: Measured, listed: set[str]) -> None:
    rows = connection.execute(
        sa.text(
            "select account_key, due_date, opportunity_key, outcome, target_arr, closing_opportunity_key, is_in_rate,"
            " term_start"
            " from core.renewal"
        )
    ).all()
    by_term: dict[tuple[str, date], list[Any]] = defaultdict(list)
    for row in rows:
        by_term[row.account_key, row.due_date].append(row)
    matched: set[tuple[str, date, str]] = set()
    for term in truth.terms(world.customers, ANCHOR):
        if world.style == "companies" and (term.contract.endswith("1") or (not term.has_deal and term.start > ANCHOR)):
            continue  # such a portal shows one renewal date, and no automatic renewal before it has happened
        key = f"crm:{term.account.id}"
        deals = {f"crm:{deal.id}" for deal in term.deals}
        own = [r for r in by_term[key, term.due] if world.style == "companies" or r.opportunity_key in deals]
        if "restarted" in term.outcomes:  # then nothing is due on any day
            own = (
                [r for r in own if r.outcome == "restarted"]
                or [
                    r
                    for r in rows
                    if r.outcome == "restarted"
                    and (
                        (r.account_key, r.term_start) == (key, term.start)
                        if world.style == "companies"
                        else r.opportunity_key in deals
                    )
                ]
                or own
            )
        matched.update((r.account_key, r.due_date, r.opportunity_key) for r in own)
        found.renewals["all"] += 1
        outcomes = {r.outcome for r in own}
        if outcomes and outcomes <= _acceptable(world.style, term):
            found.renewals["right"] += 1
            continue
        kind = "listed" if key in listed else "silent"
        found.renewals[kind] += 1
        said = "/".join(sorted(outcomes)) or "not found"
        found.outcomes[f"{'/'.join(sorted(term.outcomes))} read as {said}"] += 1
        found.misses.append(
            f"{kind} {key} {term.contract} due {term.due} by {sorted(deals)}: {sorted(term.outcomes)} by "
            f"{[d.id for d in term.continued_by]} read as {said} by {[r.closing_opportunity_key for r in own]}"
        )
    for row in rows:
        if row.is_in_rate and (row.account_key, row.due_date, row.opportunity_key) not in matched:
            found.renewals["extra"] += 1
            kind = "listed" if row.account_key in listed else "silent"
            found.misses.append(
                f"{kind} {row.account_key} due {row.due_date} by {row.opportunity_key}: extra, {row.outcome}"
            )


def _acceptable(custom: str, term: truth.TermTruth) -> frozenset[str]:
    """Return the acceptable readings of a term."""
    if custom != "companies" or "auto" not in term.outcomes:
        return term.outcomes
    # Company fields do not show auto-renewal: the term was renewed on time.
    return term.outcomes | ({"on_time", "in_grace"} if term.due <= ANCHOR else {"open"})


def figures(custom: str, found: Measured) -> list[str]:
    """Return the measurements as lines."""
    renewals = found.renewals
    return [
        f"{custom}: account-days right {found.days_right:.3%} of {found.days['all']},"
        f" pending {found.days['pending']}, wrong and listed {found.days['listed']}, silent {found.days['silent']};"
        f" ARR pending {found.arr_days['pending'] / found.arr_days['all']:.3%},"
        f" listed {found.arr_days['listed'] / found.arr_days['all']:.3%}, silent {found.silent_arr:.3%}",
        f"{custom}: renewals right {found.renewals_right:.2%} of {renewals['all']} (and {renewals['extra']} extra),"
        f" wrong and listed {renewals['listed']}, wrong and silent {renewals['silent']}",
        *(f"  {number} {what}" for what, number in found.outcomes.most_common(12)),
    ]


def main() -> None:
    """Print the figures of some seeds for each custom."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("seeds", type=int, nargs="+")
    parser.add_argument("--customers", type=int, default=240)
    parser.add_argument("--custom", nargs="*", default=world_builder.PORTAL_STYLES)
    parser.add_argument("--loaded", type=date.fromisoformat)
    parser.add_argument("--forget", action="store_true")
    parser.add_argument("--show", action="store_true")
    given = parser.parse_args()
    with sa.create_engine(given.url).connect() as connection:
        for custom in given.custom:
            found = Measured()
            for seed in given.seeds:
                found += measure(connection, seed, custom, given.customers, given.loaded, given.forget)
            print("\n".join([*figures(custom, found), *(found.misses if given.show else [])]), flush=True)


if __name__ == "__main__":
    main()
