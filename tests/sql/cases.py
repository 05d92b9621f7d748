"""SQL tests as data: a YAML file lists rows of input tables and the expected rows of others.

The models in between run in order, in one transaction that is rolled back. ``given`` may name any table, so
that a case can start at the sources' records or right before the model it is about. Columns that are left out take the
defaults below, else null. ``expect`` lists, per table, all its rows that satisfy ``where``, by the columns it names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml

from include.models import materialize, registry, tables
from include.models.increments import DAY, Piece
from include.models.registry import Model

HERE = Path(__file__).parent
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_VERSION = {
    "source": "crm",
    "known_from": LONG_AGO,
    "batch_id": 1,
    "is_first_load": False,
    "is_deleted": False,
}
_CRM = {"source": "crm", "is_deleted": False}
_SUPPORT = {"source": "support", "is_deleted": False}
_PRODUCT = {"source": "product_db", "is_deleted": False}
DEFAULTS: dict[str, dict[str, Any]] = {
    "staging.stg_crm__account": _VERSION | {"is_test": False},
    "staging.stg_billing__customer": {"source": "stripe", "known_from": LONG_AGO, "batch_id": 1, "is_deleted": False},
    "staging.stg_crm__contact": _VERSION,
    "staging.stg_crm__account_history": {"source": "crm", "known_from": LONG_AGO, "is_test": False},
    "staging.stg_crm__contact_history": {"source": "crm", "known_from": LONG_AGO},
    "staging.stg_crm__owner": _VERSION | {"is_active": True},
    "staging.stg_crm__opportunity": _VERSION
    | {
        "opportunity_type": "new",
        "is_closed": True,
        "is_won": True,
        "is_auto_renew": False,
        "is_evergreen": False,
        "is_ended": False,
        "is_paused": False,
        "created_at": LONG_AGO,
    },
    "staging.stg_crm__contract_line": _VERSION
    | {"is_recurring": True, "is_overage": False, "is_evergreen": False, "product": "Core", "quantity": 1},
    "staging.stg_crm__contract_line_history": {
        "source": "crm",
        "is_recurring": True,
        "is_evergreen": False,
        "product": "Core",
        "quantity": 1,
    },
    "staging.stg_crm__lead": _CRM | {"known_from": LONG_AGO, "batch_id": 1},
    "staging.stg_crm__activity": _CRM,
    "staging.stg_crm__invoice": _CRM,
    "staging.stg_crm__survey_response": _CRM,
    "staging.stg_crm__milestone": _CRM,
    "staging.stg_support__organization": _SUPPORT | {"known_from": LONG_AGO, "batch_id": 1},
    "staging.stg_support__user": _SUPPORT,
    "staging.stg_support__user_role": {"source": "support", "valid_from": LONG_AGO},
    "staging.stg_support__ticket": _SUPPORT,
    "staging.stg_support__rating": _SUPPORT,
    "staging.stg_product__account": _PRODUCT
    | {"is_internal": False, "created_at": LONG_AGO, "known_from": LONG_AGO, "batch_id": 1},
    "staging.stg_support__ticket_event": _SUPPORT,
    "staging.stg_support__ticket_comment": _SUPPORT | {"is_public": True},
    "staging.stg_product__user": _PRODUCT | {"is_bot": False},
    "staging.stg_product__usage_day": _PRODUCT,
    "staging.stg_product__seat_day": _PRODUCT,
    "staging.stg_product__channel_cost": _PRODUCT,
    "core.ticket": {"is_reply_known": True},
    "ops.outbox": {
        "channel": "crm_task",
        "state": "sent",
        "entity_kind": "account",
        "entity_id": "crm:A",
        "rule": "usage_drop",
        "episode_no": 1,
        "step": "task",
        "account_key": "crm:A",
        "owner_key": "crm:7",
        "recipient": "ada@example.com",
        "address": "7",
        "subject": "Look",
        "reads": [],
        "not_after": LONG_AGO,
        "decision_id": "d",
        "version": "1",
        "resolved_at": LONG_AGO,
    },
    "ops.task": {"read_at": LONG_AGO},
    "ops.experiment": {"known_from": LONG_AGO},
    "ops.experiment_account": {
        "experiment": "usage_drop",
        "stratum": "small green",
        "assigned_on": date(2026, 1, 1),
        "known_from": LONG_AGO,
    },
    "ops.episode": {
        "signal": "usage_drop",
        "entity_kind": "account",
        "evidence": "{}",
        "updated_on": LONG_AGO.date(),
    },
    "meta.batch": {
        "source": "crm",
        "vendor": "hubspot",
        "state": "merged",
        "is_full": True,
        "until": LONG_AGO,
        "read_until": LONG_AGO,
    },
    "meta.renewal_answer": {
        "is_match": True,
        "reason": "seen",
        "answered_by": "ana",
        "origin": "cli",
        "known_from": LONG_AGO,
    },
    "meta.account_merge": {"source": "crm", "batch_id": 1, "known_from": LONG_AGO},
    "meta.account_merge_history": {"source": "crm", "batch_id": 1, "known_from": LONG_AGO},
    "meta.identity_answer": {
        "source": "support",
        "is_match": True,
        "reason": "seen",
        "answered_by": "ana",
        "origin": "cli",
        "known_from": LONG_AGO,
    },
}


@dataclass(frozen=True)
class Case:
    """One file.

    Args:
        path: Where it is.
        case: The behaviour it shows, in a sentence.
        newest: The day that counts as today.
        start: First day of the window; ``newest`` by default.
        accounts: The accounts that are built; all by default.
        parameters: Query parameters that differ from the defaults.
        example: The worked example of the definitions that it covers.
        edge: The edge cases of the definitions that it covers, separated by spaces.
        given: Table -> rows.
        expect: Table -> rows, or ``{where: ..., rows: ...}``.
    """

    path: Path
    case: str
    newest: date
    given: dict[str, list[dict[str, Any]]]
    expect: dict[str, Any]
    start: date | None = None
    accounts: tuple[str, ...] | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    example: str = ""
    edge: str = ""

    @property
    def name(self) -> str:
        """The test id."""
        return self.path.relative_to(HERE).with_suffix("").as_posix()


def read_all() -> list[Case]:
    """Return the cases of all files. A file may contain several, separated by ``---``."""
    return [
        Case(path=path, **content)
        for path in sorted(HERE.glob("*/*/*.yaml"))
        for content in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]


def create_tables(connection: sa.Connection) -> None:
    """Create the table of every model, those of staging too, so that a case can fill any of them."""
    for model in registry.load().values():
        if model.schema == "staging":
            columns = ", ".join(f'"{name}" {column.type}' for name, column in model.metadata.columns.items())
            connection.exec_driver_sql(f"create table {model.name} ({columns})")
        else:
            tables.prepare(connection, model, None)


def run(connection: sa.Connection, case: Case) -> Iterator[tuple[str, list, list]]:
    """Insert the given rows, run the models in between, and yield table, expected and found rows."""
    for table, rows in case.given.items():
        _insert(connection, table, rows)
    for model in _between(case):
        _build(connection, model, case)
    for table, wanted in case.expect.items():
        where, rows = ("true", wanted) if isinstance(wanted, list) else (wanted["where"], wanted["rows"])
        columns = list(rows[0]) if rows else ["1"]
        chosen = ", ".join(columns)
        found = connection.execute(sa.text(f"select {chosen} from {table} where {where} order by {chosen}"))
        yield (
            table,
            sorted(([_plain(row[name]) for name in columns] for row in rows), key=repr),
            sorted(([_plain(value) for value in row] for row in found), key=repr),
        )


def _between(case: Case) -> list[Model]:
    """Return the models to run between the given and the expected tables."""
    known = registry.load()
    needed, stack = set(), [table for table in case.expect if table not in case.given]
    while stack:
        name = stack.pop()
        if name in needed or name in case.given or known[name].schema == "staging":
            continue
        needed.add(name)
        stack += known[name].models
    return [one for name, one in known.items() if name in needed and one.metadata.materialisation != "view"]


def _build(connection: sa.Connection, model: Model, case: Case) -> None:
    piece = Piece(case.start or case.newest, case.newest + DAY, case.accounts)
    materialize.partition(connection, model, piece.start, piece.end)
    parameters = {
        "known_at": datetime(2100, 1, 1, tzinfo=UTC),
        "newest": case.newest,
        "zone": "UTC",
        "currency": "USD",
        "early_days": 30,
        "renewal_pipelines": ["renewals"],
        "free_months": "spread",
        "contract_ways": ["deal", "billing", "company"],
        "horizon_days": 200,
        "competitors": [],
        "behind_days": 30,
        "gross_margin": 0.8,
        "pause_days": 90,
        "first_value_days": 30,
        "ticket_cost": 25,
        "touch_cost": 60,
        "auto_renew_probability": 0.9,
        "daily_days": model.metadata.daily_days,
        **case.parameters,
    }
    materialize.replace(connection, "test", model, [piece], parameters, is_new=True)
    for check in model.checks:
        bad = materialize.execute(connection, check.query, {**parameters, **materialize.bounds(piece)}).all()
        assert not (check.severity == "fail" and bad), f"{model.name}: {check.name}: {bad[:3]}"


def _insert(connection: sa.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    if table.startswith("meta.") and table not in ("meta.batch", "meta.account_merge", "meta.account_merge_history"):
        connection.exec_driver_sql(f"delete from {table}")
    elif table in registry.load():
        model = registry.get(table)
        days = [row[model.metadata.window_column] for row in rows if model.metadata.is_windowed]
        if days:
            materialize.partition(connection, model, min(days), max(days) + DAY)
    for row in rows:
        values = {**DEFAULTS.get(table, {}), **row}
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join(f":{name}" for name in values)
        connection.execute(sa.text(f"insert into {table} ({names}) values ({marks})"), values)


def _plain(value: Any) -> Any:
    """Normalise a value: 100, 100.00 and 1e2 are equal, and ratios are rounded to four digits."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float, Decimal)):
        return round(float(value), 4)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.replace(tzinfo=UTC).isoformat()
    return value.isoformat() if isinstance(value, date) else value
