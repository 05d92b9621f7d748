"""The persistent state: API writes, messages and mails. The world itself is recomputed."""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

from include.common.errors import PerennialError
from include.sandbox.world.records import Change

SCHEMA = """
create table if not exists meta (key text primary key, value text not null);
create table if not exists change (
    seq integer primary key, at integer not null, kind text not null, id integer not null, op text not null,
    quiet integer not null, fields text not null
);
create index if not exists change_kind on change (kind, id);
create table if not exists message (
    seq integer primary key, at integer not null, channel text not null, ts text not null, body text not null
);
create unique index if not exists message_ts on message (channel, ts);
create table if not exists mail (
    seq integer primary key, at integer not null, sender text not null, recipients text not null, body blob not null
);
"""


class Journal:
    """One SQLite file. Every method is one transaction.

    Args:
        path: The file; created if missing.

    Raises:
        PerennialError: The file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)  # it contains the tokens
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            # In WAL mode a killed process loses no committed row; only a power failure could.
            self._connection.executescript("pragma journal_mode=wal; pragma synchronous=normal;" + SCHEMA)
        except (OSError, sqlite3.OperationalError) as error:
            raise PerennialError(
                f"the sandbox cannot keep its state in {path.parent}: {error}", cure="make the folder writable"
            ) from None

    def _run(self, statement: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def close(self) -> None:
        self._connection.close()

    def get(self, key: str) -> str | None:
        """Return a value, or None."""
        rows = self._run("select value from meta where key = ?", key)
        return rows[0][0] if rows else None

    def put(self, key: str, value: str) -> None:
        """Store a value."""
        self._run("insert into meta values (?, ?) on conflict (key) do update set value = excluded.value", key, value)

    def add_change(self, kind: str, number: int, change: Change) -> None:
        """Store a change of a record."""
        self._run(
            "insert into change (at, kind, id, op, quiet, fields) values (?, ?, ?, ?, ?, ?)",
            change.at, kind, number, change.op, change.quiet, json.dumps(change.values),
        )  # fmt: skip

    def changes(self) -> list[tuple[str, int, Change]]:
        """Return all changes in insertion order."""
        rows = self._run("select kind, id, at, fields, op, quiet from change order by seq")
        return [(kind, number, Change(at, json.loads(fields), op, bool(quiet)))
                for kind, number, at, fields, op, quiet in rows]  # fmt: skip

    def highest_id(self, kind: str) -> int:
        """Return the highest id written for a kind, or 0."""
        return self._run("select coalesce(max(id), 0) from change where kind = ?", kind)[0][0]

    def forget_changes(self) -> None:
        """Delete all changes of records."""
        self._run("delete from change")

    def add_message(self, at: int, channel: str, ts: str, body: dict[str, Any]) -> bool:
        """Store a chat message. Return whether its key was still free in the channel."""
        statement = "insert or ignore into message (at, channel, ts, body) values (?, ?, ?, ?) returning seq"
        return bool(self._run(statement, at, channel, ts, json.dumps(body)))

    def update_message(self, channel: str, ts: str, body: dict[str, Any]) -> bool:
        """Replace a chat message. Return whether it existed."""
        return bool(
            self._run(
                "update message set body = ? where channel = ? and ts = ? returning seq", json.dumps(body), channel, ts
            )
        )

    def delete_message(self, channel: str, ts: str) -> None:
        self._run("delete from message where channel = ? and ts = ?", channel, ts)

    def messages(self, channel: str | None = None) -> list[dict[str, Any]]:
        """Return chat messages, oldest first, each with seq, at, channel, ts and its content."""
        rows = self._run(
            "select seq, at, channel, ts, body from message where channel = coalesce(?, channel) order by seq", channel
        )
        return [
            {**json.loads(body), "seq": seq, "at": at, "channel": where, "ts": ts} for seq, at, where, ts, body in rows
        ]

    def add_mail(self, at: int, sender: str, recipients: list[str], body: bytes) -> None:
        """Store a mail unchanged."""
        self._run(
            "insert into mail (at, sender, recipients, body) values (?, ?, ?, ?)",
            at, sender, json.dumps(recipients), body,
        )  # fmt: skip

    def mails(self) -> list[dict[str, Any]]:
        rows = self._run("select seq, at, sender, recipients, body from mail order by seq")
        return [
            {"seq": seq, "at": at, "sender": sender, "recipients": json.loads(recipients), "body": body}
            for seq, at, sender, recipients, body in rows
        ]

    def forget_sent(self) -> None:
        """Delete all messages and mails."""
        self._run("delete from message")
        self._run("delete from mail")
