"""Work out what a build must rebuild of a table: accounts, days, or both.

Changes propagate from table to table. The loader records which accounts' records changed (``meta.dirty_range``). A
table that is replaced records which of its rows differ (``meta.build_change``). Its downstream tables rebuild only what
those rows can alter. So the cost of a late record depends on what it changed, not on the length of the history.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from include.common import quarters
from include.models import registry
from include.models.registry import Model
from include.models.unread import ALL_ACCOUNTS
from include.warehouse.engine import has_table

# Account of rows that belong to no account, such as unmatched ids. They only alter figures over all accounts.
NO_ACCOUNT = ""
# Above this share of all accounts, naming them costs more than rebuilding all. A few accounts are always named.
ALL_ABOVE_SHARE = 0.3
_FEW_ACCOUNTS = 20
# Account-days to rebuild in one go. Sorts and hashes that exceed their memory spill to disk; in one go, most of a long
# history would.
MAX_ACCOUNT_DAYS = 3_000_000
# Shorter cuts cost more than they save: queries also read up to twelve weeks before their first day.
_FEWEST_DAYS = 56
# Tables with one row per account, or group, and day.
CUT = ("account_day", "period")
DAY = timedelta(days=1)


class Range(NamedTuple):
    """Days ``[start, end)``."""

    start: date
    end: date


@dataclass(frozen=True)
class Piece:
    """A part of a table that is rebuilt in one go.

    Args:
        start: First day.
        end: Day after the last.
        accounts: Only these accounts; None for all.
    """

    start: date
    end: date
    accounts: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Build:
    """A row of ``meta.build``.

    Args:
        kind: ``forward`` or ``rebuild``.
        state: ``running``, ``done``, ``failed`` or ``superseded``.
        trigger: ``first``; ``day``: a new day; ``work``: pending changes only; ``rebuild``: of a window.
        window: The days rebuilt for all accounts, unless the trigger is ``work``.
        newest_day: The day that counts as today.
        first_day: First day of the windowed tables.
        known_at: The build ignores facts that became known later.
    """

    build_id: str
    kind: str
    state: str
    trigger: str
    window: Range
    newest_day: date
    first_day: date
    known_at: datetime

    @property
    def is_all(self) -> bool:
        """Whether the window is rebuilt for all accounts."""
        return self.trigger != "work"

    @property
    def all_days(self) -> Range:
        """All days of the windowed tables."""
        return Range(self.first_day, self.newest_day + DAY)


class Change(NamedTuple):
    """A change in a table that the model reads. A bound of ``None`` is open."""

    origin: str
    account_key: str
    from_day: date | None
    to_day: date | None


@dataclass(frozen=True)
class Work:
    """The parts of a model that a build must rebuild, and why."""

    pieces: list[Piece]
    reason: str


def work(connection: sa.Connection, build: Build, model: Model, *, is_new: bool, redefined: str = "") -> Work:
    """Return the parts of a model that a build must rebuild.

    Args:
        connection: An open transaction of the builder.
        is_new: Whether its table was just created and must be filled from the first day.
        redefined: The change of the model's fingerprint, if any.
    """
    found = _whole(connection, build, model, "new table" if is_new else redefined)
    if model.metadata.materialisation not in CUT or not any(_is_long(piece) for piece in found.pieces):
        return found
    n_all = n_accounts(connection)
    return Work([part for piece in found.pieces for part in parts(piece, n_all)], found.reason)


def parts(piece: Piece, n_all: int) -> Iterator[Piece]:
    """Cut the days of a piece so that no part exceeds ``MAX_ACCOUNT_DAYS`` account-days.

    Args:
        piece: The piece.
        n_all: Number of all accounts.
    """
    days = piece.end - piece.start
    if _is_long(piece):
        n_named = n_all if piece.accounts is None else len(piece.accounts)
        days = min(days, timedelta(days=max(_FEWEST_DAYS, MAX_ACCOUNT_DAYS // max(n_named, 1))))
    start = piece.start
    while start < piece.end:
        yield Piece(start, min(start + days, piece.end), piece.accounts)
        start += days


def _is_long(piece: Piece) -> bool:
    return (piece.end - piece.start).days > _FEWEST_DAYS


def _whole(connection: sa.Connection, build: Build, model: Model, remade: str) -> Work:
    everything = Piece(*build.all_days)
    kind = model.metadata.materialisation
    if kind == "view":
        return Work([], "")
    if kind == "frozen" and remade != "new table":
        return Work(_new_days(connection, build, model), "new days")
    if kind == "table" or remade:
        return Work([everything], remade or "rebuilt by every build")
    changes = _changes(connection, build, model)
    if kind != "period":
        changes = [change for change in changes if change.account_key != NO_ACCOUNT]
    causes = {change.origin for change in changes}
    if kind == "account":
        # A rebuild covers the whole of a table without days: a window of days cannot select its rows.
        if build.trigger in ("first", "rebuild") or (build.trigger == "day" and _depends_on_today(model)):
            return Work([everything], _reason(build, causes))
        keys = {change.account_key for change in changes}
        pieces = _for_accounts(connection, _with_families(connection, keys, model), everything)
        return Work(pieces, _reason(None, causes))
    window = [build.window] if build.is_all else []
    ranges = [(change, days) for change in changes if (days := _days(change, build, model))]
    reason = _reason(build if window else None, {change.origin for change, _ in ranges})
    if kind == "period":
        return Work(_for_periods(window, [days for _, days in ranges], everything.end), reason)
    by_account = [(change.account_key, days) for change, days in ranges]
    return Work([Piece(*days) for days in window] + _for_account_days(connection, by_account), reason)


def _reason(build: Build | None, causes: Iterable[str]) -> str:
    """Return why a table is rebuilt: the build's trigger, if its window applies, and the changed upstream tables."""
    for_all = {"first": "first build", "day": "new day", "rebuild": "rebuild of past days"}
    changed = ", ".join(sorted(causes))
    return "; ".join(filter(None, (for_all[build.trigger] if build else "", f"{changed} changed" if changed else "")))


def _new_days(connection: sa.Connection, build: Build, model: Model) -> list[Piece]:
    """Return the days of a frozen table that no build has reached yet. Rows missing from earlier days stay missing."""
    upto = connection.execute(
        sa.text("select upto from meta.frozen where model = :model"), {"model": model.name}
    ).scalar()
    start = upto + DAY if upto else build.first_day
    return [Piece(start, build.newest_day + DAY)] if start <= build.newest_day else []


def _changes(connection: sa.Connection, build: Build, model: Model) -> list[Change]:
    statement = (
        "select distinct origin, account_key, from_day, to_day from meta.build_change"
        " where build_id = :build_id and origin = any(:origins)"
    )
    if among := model.metadata.among:
        # An account that lost its last row there is covered by the change of that table itself.
        counted = " union all ".join(f"select account_key from {table}" for table in among)  # noqa: S608 - models' names
        statement += (
            f" and (origin = any(:among) or account_key in (:all_accounts, :no_account) or account_key in ({counted}))"
        )
    bound: dict[str, object] = {"build_id": build.build_id, "origins": list(registry.parents(model.name))}
    if among:
        bound |= {"among": list(among), "all_accounts": ALL_ACCOUNTS, "no_account": NO_ACCOUNT}
    return [Change(*row) for row in connection.execute(sa.text(statement), bound)]


def _depends_on_today(model: Model) -> bool:
    """Return whether a table can change tomorrow without new data."""
    return "newest" in model.facts.parameters


def _with_families(connection: sa.Connection, keys: set[str], model: Model) -> set[str]:
    """Return the accounts, plus their families if the model reads across families."""
    if not keys or _FAMILIES not in model.models:
        return keys
    return keys | set(connection.execute(_OF_THEIR_FAMILIES, {"keys": sorted(keys)}).scalars())


_FAMILIES = "core.account_family"
_OF_THEIR_FAMILIES = sa.text(
    f"select distinct o.account_key from {_FAMILIES} as f"  # noqa: S608 - a name of this file
    f" join {_FAMILIES} as o on o.ultimate_parent_key = f.ultimate_parent_key where f.account_key = any(:keys)"
)


def n_accounts(connection: sa.Connection) -> int:
    """Return the number of accounts; 0 before the first build."""
    if not has_table(connection, "core.account"):
        return 0
    return connection.execute(sa.text("select count(*) from core.account")).scalar() or 0


def _for_accounts(connection: sa.Connection, keys: set[str], everything: Piece) -> list[Piece]:
    if not keys:
        return []
    if ALL_ACCOUNTS in keys or (len(keys) > _FEW_ACCOUNTS and len(keys) > ALL_ABOVE_SHARE * n_accounts(connection)):
        return [everything]
    return [Piece(everything.start, everything.end, tuple(sorted(keys)))]


def _days(change: Change, build: Build, model: Model) -> Range | None:
    """Return the model's days that a change can alter, without those that the build's window covers anyway."""
    bounds = build.all_days
    start = max(change.from_day or bounds.start, bounds.start)
    end = bounds.end
    if change.to_day is not None:
        end = min(change.to_day + timedelta(days=_look_back(model, change.origin)), bounds.end)
    if build.is_all and build.window.start <= start and end <= build.window.end:
        return None
    if build.is_all and build.window.end >= end:
        end = min(end, build.window.start)
    return Range(start, end) if start < end else None


def _look_back(model: Model, origin: str) -> int:
    """Return for how many days after its own day a row of the origin counts in the model."""
    written = model.metadata.look_back
    return max((days for name, days in written.items() if _origin(name) == origin), default=0)


def _origin(name: str) -> str:
    return f"raw.{name.split('__')[1]}" if name.startswith("raw.") else name


def _for_periods(window: list[Range], ranges: Iterable[Range], end: date) -> list[Piece]:
    """Return the window, and the days extended to the ends of their periods, merged where they touch."""
    joined: list[Range] = []
    reaching = [Range(days.start, min(_last_end(days.end - DAY) + DAY, end)) for days in ranges]
    for days in sorted(window + reaching):
        if joined and days.start <= joined[-1].end:
            joined[-1] = Range(joined[-1].start, max(joined[-1].end, days.end))
        else:
            joined.append(days)
    return [Piece(*days) for days in joined]


def _last_end(day: date) -> date:
    """Return the last end of the periods of a day: its quarter's, or its week's if that ends later."""
    return max(quarters.plus(quarters.start(day), 1) - DAY, day + (6 - day.weekday()) * DAY)


def _for_account_days(connection: sa.Connection, ranges: Iterable[tuple[str, Range]]) -> list[Piece]:
    """Group accounts whose changes start in the same month, so that the query runs once per month."""
    by_account: dict[str, Range] = {}
    for account, days in ranges:
        before = by_account.get(account, days)
        by_account[account] = Range(min(before.start, days.start), max(before.end, days.end))
    months: dict[tuple[int, int], list[tuple[str, Range]]] = {}
    for account, days in by_account.items():
        months.setdefault((days.start.year, days.start.month), []).append((account, days))
    found = []
    for _, members in sorted(months.items()):
        keys = {account for account, _ in members}
        whole = Piece(min(days.start for _, days in members), max(days.end for _, days in members))
        found += _for_accounts(connection, keys, whole)
    return found
