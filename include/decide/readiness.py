"""Read the gate's verdicts in the form that decisions and messages need."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from include.common import clock, formatting
from include.common.texts import N_, gettext
from include.config import Settings
from include.gate import newest_build
from include.gate import verdicts as gate
from include.models import unread
from include.warehouse.engine import engine, has_table

ACTION = "renewal_alert"
EVIDENCE_KINDS = ("product", "support")
_READ = {
    "crm": N_("CRM"),
    "billing": N_("billing system"),
    "support": N_("support desk"),
    "product": N_("product database"),
}
_READ_UNTIL = {
    "crm": N_("CRM, complete up to {time}"),
    "billing": N_("billing system, complete up to {time}"),
    "support": N_("support desk, complete up to {time}"),
    "product": N_("product database, complete up to {time}"),
}
_NOT_LOADED = {
    "support": N_("the support desk has not been loaded"),
    "product": N_("the product database has not been loaded"),
}
_OLD = {
    "support": N_("the support desk's data is {age} old"),
    "product": N_("the product database's data is {age} old"),
}
_LATE = {
    "crm": N_("The CRM's data is {age} old."),
    "billing": N_("The billing system's data is {age} old."),
    "support": N_("The support desk's data is {age} old."),
    "product": N_("The product database's data is {age} old."),
}
_BEHIND = {
    "support": N_("the support desk has not caught up yet"),
    "product": N_("the product database has not caught up yet"),
}
_QUARANTINED = {
    "crm": N_("a CRM record of this account did not pass its checks"),
    "billing": N_("a record of this account from the billing system did not pass its checks"),
    "support": N_("a record of this account from the support desk did not pass its checks"),
    "product": N_("a record of this account from the product database did not pass its checks"),
}


@dataclass(frozen=True)
class SourceState:
    """The state of one source.

    Args:
        kind: crm, billing (the system that bills a CRM's customers), support or product.
        reasons: Why it is not up to date and validated; empty if it is.
        watermark: The time up to which its data is complete, validated and in the tables; None without any.
        quarantined: Accounts that have a record in quarantine or on hold.
        late_after: The age from which messages say that the data is old.
        behind: Accounts of which nothing of this kind has been read yet.
        billed: For a billing system: accounts that have, or had, a contract there; None before its first build.
        paying_elsewhere: Accounts with a current contract in another source.
    """

    source: str
    kind: str
    reasons: tuple[gate.Reason, ...]
    watermark: datetime | None
    quarantined: frozenset[str] = frozenset()
    late_after: timedelta | None = None
    behind: frozenset[str] = frozenset()
    billed: frozenset[str] | None = frozenset()
    paying_elsewhere: frozenset[str] = frozenset()

    @property
    def is_fit(self) -> bool:
        return not self.reasons

    def bills(self, account_key: str) -> bool:
        """Return whether an account's contract comes from this billing system, or may while none of it is built."""
        is_known = self.billed is None or account_key in self.billed
        return is_known and account_key not in self.paying_elsewhere


@dataclass(frozen=True)
class Readiness:
    """The state of all sources."""

    sources: tuple[SourceState, ...]

    def of_kind(self, kind: str) -> tuple[SourceState, ...]:
        return tuple(state for state in self.sources if state.kind == kind)

    def of_source(self, source: str) -> SourceState:
        """Return one source. A source that the settings do not list counts as never loaded."""
        for state in self.sources:
            if state.source == source:
                return state
        return SourceState(source, "crm", (gate.unlisted(source),), None)

    @cached_property
    def unfit(self) -> dict[str, Collection[str] | None]:
        """Kind of evidence that counts as unknown -> the accounts it is unknown for; None for all accounts."""
        found: dict[str, Collection[str] | None] = {}
        for kind in EVIDENCE_KINDS:
            states = self.of_kind(kind)
            if not states or any(not state.is_fit for state in states):
                found[kind] = None
            elif quarantined := frozenset[str]().union(*(state.quarantined | state.behind for state in states)):
                found[kind] = quarantined
        return found

    def unfit_kinds(self, account_key: str) -> frozenset[str]:
        """Return the kinds of evidence that count as unknown for one account."""
        return frozenset(kind for kind, accounts in self.unfit.items() if accounts is None or account_key in accounts)

    def why_on_hold(self, source: str, account_key: str) -> str:
        """Return why messages about an account of a CRM may not show figures; "" if they may."""
        state = self.of_source(source)
        if not state.is_fit:
            return _joined(state.reasons)
        if account_key in state.quarantined:
            return gettext(_QUARANTINED["crm"])
        for billing in self.billing(account_key):
            if not billing.is_fit:
                return _joined(billing.reasons)
            if account_key in billing.quarantined:
                return gettext(_QUARANTINED["billing"])
        return ""

    def billing(self, account_key: str) -> tuple[SourceState, ...]:
        """Return the billing systems of an account's contract."""
        return tuple(state for state in self.of_kind("billing") if state.bills(account_key))

    def why_unknown(self, kind: str, account_key: str, now: datetime) -> str:
        """Return, as part of a sentence, why evidence of a kind is not shown, and how old the last good data is."""
        states = self.of_kind(kind)
        if not states or all(state.watermark is None for state in states):
            return gettext(_NOT_LOADED[kind])
        for state in states:
            if not state.is_fit:
                return f"{_age_text(state, now)}: {_joined(state.reasons)}"
        if any(account_key in state.behind for state in states):
            return gettext(_BEHIND[kind])
        return gettext(_QUARANTINED[kind])

    def sources_shown(self, crm_source: str, account_key: str) -> tuple[str, ...]:
        """Return the sources whose data a message about an account shows."""
        unfit = self.unfit_kinds(account_key)
        evidence = [state.source for kind in EVIDENCE_KINDS if kind not in unfit for state in self.of_kind(kind)]
        return (crm_source, *(state.source for state in self.billing(account_key)), *evidence)

    def late_note(self, source: str, now: datetime) -> str:
        """Return a sentence that says how old a late source's data is; "" if the source is not late."""
        state = self.of_source(source)
        if not (state.watermark and state.late_after) or now - state.watermark <= state.late_after:
            return ""
        return gettext(_LATE[state.kind], age=formatting.age(state.watermark, now))

    def source_label(self, kind: str, crm_source: str, zone: ZoneInfo) -> str:
        """Return a kind of source by name, and the time up to which it was read. Only the account's own CRM counts."""
        states = self.of_kind(kind) if kind != "crm" else (self.of_source(crm_source),)
        marks = [state.watermark for state in states if state.watermark]
        if not marks:
            return gettext(_READ[kind])
        return gettext(_READ_UNTIL[kind], time=formatting.timestamp(min(marks), zone))

    def as_json(self) -> dict[str, object]:
        """Return the summary that is stored with a decision."""
        return {
            state.source: {
                "reasons": list(map(str, state.reasons)),
                "watermark": state.watermark,
                "n_quarantined_accounts": len(state.quarantined),
            }
            for state in self.sources
        }


def read(
    settings: Settings,
    now: datetime,
    built: Mapping[str, datetime],
    tables_reason: gate.Reason | None = None,
    *,
    account_key: str | None = None,
) -> Readiness:
    """Ask the gate about every source in the settings.

    Args:
        built: Source -> the watermark of the built tables. Figures are never newer, even if more data has been read
            since.
        tables_reason: Why the tables as a whole cannot be used, such as their age; None if they can.
        account_key: Read the contracts of this account only; of all accounts by default.
    """
    watermarks = {verdict.source: verdict.watermark for verdict in gate.verdicts() if not verdict.entity}
    states = []
    with engine("reader").connect() as connection:
        behind = unread.behind(connection)
        has_lines = has_table(connection, "core.committed_line")
        bound = {"today": now.date(), "account_key": account_key}
        contracts = connection.execute(_CONTRACTS, bound).all() if has_lines else []
    for source in settings.sources:
        read, held = watermarks.get(source.id), built.get(source.id)
        watermark = min(read, held) if read and held else None
        reasons = list(gate.blockers((source.id,), ACTION, now, built))
        if tables_reason:
            reasons.append(tables_reason)
        states.append(
            SourceState(
                source.id,
                "billing" if source.is_billing else source.kind,
                tuple(reasons),
                watermark,
                frozenset(gate.quarantined((source.id,))),
                timedelta(minutes=source.stale_after_minutes),
                behind.get(source.kind, frozenset()),
                frozenset(row.account_key for row in contracts if row.source == source.id) if held else None,
                frozenset(row.account_key for row in contracts if row.source != source.id and row.runs),
            )
        )
    return Readiness(tuple(states))


def of_newest(
    connection: sa.Connection, settings: Settings, now: datetime, *, account_key: str | None = None
) -> Readiness:
    """Return the readiness that a decision on the newest tables would use now, for all accounts or one."""
    newest = newest_build.read(connection)
    if newest is None:
        return read(settings, now, {}, gate.Reason(N_("no tables have been built yet")), account_key=account_key)
    today = clock.day_in(settings.reporting_zone, now)
    return read(settings, now, newest.watermarks, too_old(newest.newest_day, today), account_key=account_key)


def too_old(as_of: date, today: date) -> gate.Reason | None:
    """Return why tables of a day are too old; yesterday's are not, since today's may not be built yet."""
    if as_of >= today - timedelta(days=1):
        return None
    return gate.Reason(N_("the tables were last built for {day}"), {"day": as_of})


def first_loads(connection: sa.Connection, settings: Settings, built: Mapping[str, datetime]) -> list[str]:
    """Return the sources whose very first load is in progress: active in the last 30 minutes, without a failure
    or a batch on hold.

    On a new installation the sources finish their first loads one after the other. A decision after the first of them
    would send every CSM messages that say their customers' usage and tickets are unknown.

    Args:
        built: Source -> the watermark of the built tables.
    """
    never_built = [source.id for source in settings.sources if source.id not in built]
    rows = connection.execute(
        sa.text(
            "select distinct source from meta.batch where source = any(:sources)"
            " and greatest(opened_at, closed_at, merged_at) > now() - interval '30 minutes'"
            " and source not in (select source from meta.source_failure)"
            " and source not in (select source from meta.batch where state = 'held') order by source"
        ),
        {"sources": never_built},
    )
    return [row.source for row in rows]


_CONTRACTS = sa.text(
    "select split_part(line_key, ':', 1) as source, account_key, bool_or(active_to > :today) as runs"
    " from core.committed_line where active_from <= :today"
    " and (cast(:account_key as text) is null or account_key = :account_key) group by 1, 2"
)


def _joined(reasons: Iterable[gate.Reason]) -> str:
    return gettext("; ").join(map(str, reasons))


def _age_text(state: SourceState, now: datetime) -> str:
    if state.watermark is None:
        return gettext(_NOT_LOADED[state.kind])
    return gettext(_OLD[state.kind], age=formatting.age(state.watermark, now))
