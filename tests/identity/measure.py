"""Measure how well ids are matched: run the account bridge on a world's vendor data and compare with its truth.

``python -m tests.identity.measure URL SEED...`` prints the figures of docs/reference/identity.md. URL is of a database
with an empty table per model (fixture ``tables``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from include.models import build
from include.sandbox import truth
from include.sandbox.product import workspace_key
from include.sandbox.world import build as world_builder
from include.sandbox.world.records import Record, moment
from tests.sql import cases

ANCHOR = date(2026, 6, 30)


@dataclass
class Measured:
    """Counts of matches and correct matches.

    Args:
        n_true: Ids that truly belong to an account, by kind of evidence.
        n_matched: Ids that were matched, by method.
        n_right: Those matched with the right account, by method.
        wrong: Wrong matches: entity, id, matched account, true account.
    """

    n_true: Counter[str] = field(default_factory=Counter)
    n_matched: Counter[str] = field(default_factory=Counter)
    n_right: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[str, str, str, str | None]] = field(default_factory=list)

    @property
    def precision(self) -> float:
        """Share of matches that are right."""
        return self.n_right.total() / self.n_matched.total()

    @property
    def recall(self) -> float:
        """Share of ids with an account that were matched with it."""
        return self.n_right.total() / self.n_true.total()

    def __add__(self, other: Measured) -> Measured:
        return Measured(
            self.n_true + other.n_true,
            self.n_matched + other.n_matched,
            self.n_right + other.n_right,
            self.wrong + other.wrong,
        )


def measure(connection: sa.Connection, seed: int, customers: int = 240) -> Measured:
    """Run the bridge on a world, then roll the transaction back.

    Args:
        connection: To a database with an empty table per model, outside a transaction.
        seed: Seed of the world.
        customers: Number of customers signed by the anchor date.
    """
    world = world_builder.build(seed, ANCHOR, customers)
    given = _staging_rows(world.records)
    case = cases.Case(Path(__file__), "a world", ANCHOR, given, {"core.account_bridge": []})
    with connection.begin() as transaction:
        # As a full build does: planned for a few rows, the query takes a thousand times as long.
        connection.exec_driver_sql(build.HASH_JOINS)
        list(cases.run(connection, case))
        rows = connection.execute(
            sa.text("select entity, source_id, account_key, method from core.account_bridge where entity <> 'account'")
        ).all()
        transaction.rollback()
    return _compare(rows, truth.identities(world.records), _evidence(given))


def _compare(rows: Any, true: dict[str, dict[str, str | None]], carried: dict[tuple[str, str], str]) -> Measured:
    found = Measured()
    for entity, source_id, account_key, method in rows:
        company = true[entity][source_id]
        if company:
            found.n_true[carried[entity, source_id]] += 1
        if account_key:
            found.n_matched[method] += 1
            if account_key == f"crm:{company}":
                found.n_right[method] += 1
            else:
                found.wrong.append((entity, source_id, account_key, company))
    return found


def _evidence(given: dict[str, list[dict[str, Any]]]) -> dict[tuple[str, str], str]:
    carried = {}
    for entity, key, table in (
        ("organization", "organization_id", "staging.stg_support__organization"),
        ("product_account", "product_account_id", "staging.stg_product__account"),
    ):
        for row in given[table]:
            carried[entity, row[key]] = "id" if row["crm_account_id"] else "domain" if row["domains"] else "name"
    return carried


def _staging_rows(records: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """Return the staging rows of the newest state of every vendor record."""
    given: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        values: dict[str, Any] = {}
        for change in record.changes:
            values |= change.values
        at = {"created_at": moment(record.at), "name": values.get("name")}
        if record.kind == "company":
            is_gone = any(change.op != "set" for change in record.changes)
            given["staging.stg_crm__account"].append(
                {"account_id": str(record.id), "domain": values["domain"], "is_deleted": is_gone, **at}
            )
            given["meta.account_merge"] += [
                {"loser_id": str(loser), "survivor_id": str(record.id)} for loser in values.get("merged_ids", [])
            ]
        elif record.kind == "organization":
            given["staging.stg_support__organization"].append(
                {
                    "organization_id": str(record.id),
                    "crm_account_id": _text(values["external"]),
                    "domains": ",".join(values["domain_names"]) or None,
                    **at,
                }
            )
        elif record.kind == "workspace":
            given["staging.stg_product__account"].append(
                {
                    "product_account_id": workspace_key(record.id),
                    "crm_account_id": _text(values["crm_ref"]),
                    "domains": values.get("domain"),
                    **at,
                }
            )
    return given


def _text(value: Any) -> str | None:
    return str(value) if value else None


def figures(found: Measured) -> list[str]:
    """Return the measurements as lines."""
    lines = [f"precision {found.precision:.4%}, recall {found.recall:.2%}, wrong: {len(found.wrong)}"]
    for method, number in sorted(found.n_matched.items()):
        lines.append(f"matched by {method}: {number}, right {found.n_right[method]}")
    lines += [f"belong to an account and carry {what}: {number}" for what, number in sorted(found.n_true.items())]
    return lines
