"""A warehouse in the state that a test needs: builds, verdicts, open renewals; and what decisions made of it."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from include.alerts.decide import Decision, decide
from include.delivery import outbox
from include.renewals.checkpoint import Checkpoint
from include.warehouse.engine import engine
from tests.renewal_rows import store


class House:
    """See the module."""

    now: datetime

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def pass_time(self, now: datetime) -> None:
        """Set the time and nothing else."""
        self.now = now
        self._monkeypatch.setenv("PERENNIAL_NOW", now.isoformat())

    def set_clock(self, now: datetime) -> None:
        """Set the time; tables are built for its day, and all sources were read just before."""
        self.pass_time(now)
        for source, kind in (("crm", "crm"), ("support", "support"), ("product_db", "product")):
            self.verdict(source, kind, "green", now - timedelta(minutes=20))
        self._execute(
            "insert into meta.build"
            " (build_id, kind, state, window_start, window_end, newest_day, first_day, trigger, known_at, config_hash,"
            " finished_at, started_at) values (:build_id, 'forward', 'done', :start, :end, :start, :start, 'day',"
            " :now, 'x', :now, :now) on conflict do nothing",
            build_id=f"build {now:%Y-%m-%d}",
            start=now.date(),
            end=now.date() + timedelta(days=1),
            now=now,
        )
        self.built_up_to(now - timedelta(minutes=20), "crm", "support", "product_db")

    def built_up_to(self, watermark: datetime, *sources: str) -> None:
        """Say up to when the tables hold some sources."""
        for source in sources:
            self._execute(
                "update meta.build set watermarks = watermarks || jsonb_build_object(cast(:source as text),"
                " cast(:watermark as timestamptz)) where newest_day = :day",
                source=source,
                watermark=watermark,
                day=self.now.date(),
            )

    def verdict(self, source: str, kind: str, state: str, watermark: datetime | None, reason: str = "") -> None:
        """Set what the gate says of a source."""
        self._execute("delete from meta.verdict where source = :source", source=source)
        self._execute(
            "insert into meta.verdict (source, kind, state, reason, watermark, since, checked_at)"
            " values (:source, :kind, :state, :reason, :watermark, :now, :now)",
            source=source,
            kind=kind,
            state=state,
            reason=reason,
            watermark=watermark,
            now=self.now - timedelta(hours=3),
        )

    def unload(self, source: str) -> None:
        """Make a source one that was never loaded."""
        self._execute("delete from meta.verdict where source = :source", source=source)

    def quarantine(self, account_id: str) -> None:
        """Put a CRM record of an account into quarantine."""
        self._execute(
            "insert into quarantine.record"
            " (batch_id, source, entity, row_no, record_id, account_ref, rule_id, reason, record)"
            " values (1, 'crm', 'account', 1, :account, :account, 'crm.account.x', 'wrong', '{}')",
            account=account_id,
        )

    def renewals(self, *rows: Checkpoint) -> None:
        """Replace the open renewals, as of today: days are counted from the clock."""
        today = self.now.date()
        store(
            dataclasses.replace(row, as_of_day=today, days_to_decision=(row.decision_date - today).days) for row in rows
        )

    def settled(self, renewal_id: str, outcome: str, closed_on: date) -> None:
        """Say what became of a renewal."""
        self._execute(
            "insert into core.renewal (renewal_id, outcome, closed_on) values (:renewal_id, :outcome, :closed_on)",
            renewal_id=renewal_id,
            outcome=outcome,
            closed_on=closed_on,
        )

    def owners(self, addresses: dict[str, str]) -> None:
        """Say who works with the CRM; whoever has no address does not any more."""
        self._execute(
            "create table if not exists core.owner"
            " (owner_key text, name text, email text, team text, is_active boolean)"
        )
        for key, address in addresses.items():
            self._execute(
                "insert into core.owner values (:key, 'Bob', :email, 'East', :active)",
                key=key,
                email=address,
                active=bool(address),
            )
        self._execute("grant select on core.owner to perennial_reader, perennial_builder")

    def decide(self, **arguments: Any) -> Decision:
        """Decide at the time of the clock."""
        return decide(arguments.pop("decision_id", f"d {self.now:%Y-%m-%d %H:%M}"), now=self.now, **arguments)

    def outbox(self, **wanted: object) -> list[outbox.Letter]:
        """Return the outbox's rows whose attributes are as wanted."""
        with engine("reader").connect() as connection:
            rows = outbox.read(connection, "true")
        return [row for row in rows if all(getattr(row, name) == value for name, value in wanted.items())]

    def episodes(self, signal: str = "renewal") -> list[dict[str, Any]]:
        """Return the episodes of a signal, oldest first."""
        with engine("reader").connect() as connection:
            statement = "select * from ops.episode where signal = :signal order by entity_id, episode_no"
            return [dict(row) for row in connection.execute(sa.text(statement), {"signal": signal}).mappings()]

    def scalar(self, statement: str) -> Any:
        """Return one value."""
        with engine("reader").connect() as connection:
            return connection.execute(sa.text(statement)).scalar_one()

    def _execute(self, statement: str, **parameters: object) -> None:
        with engine("owner").begin() as connection:
            connection.execute(sa.text(statement), parameters)
