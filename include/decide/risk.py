"""Say whether an account is at risk. Messages, tasks, playbooks and CRM fields all use this one definition.

An account is at risk while a live signal of kind ``risk`` is open for it or for one of its contacts. Missing data is
never read as good news: without an open signal, and with usage or tickets unknown, the risk is *unknown*, not *none*.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

import sqlalchemy as sa

from include.config import own_texts
from include.decide.readiness import Readiness
from include.decide.renewals.checkpoint import Checkpoint
from include.decide.rules.load import Rule
from include.decide.signals.schema import Signal

Band = Literal["none", "some", "high", "unknown"]
# Kind of source -> the name that messages use for its data.
SPOKEN = {"product": "usage", "support": "tickets"}


@dataclass(frozen=True)
class OpenRisk:
    """One open risk signal."""

    signal: str
    title: str
    severity: str
    since: date


@dataclass(frozen=True)
class Risk:
    """The risk of one account.

    Args:
        open: Its open risks, the most severe first, then the oldest.
        unknown: The data that is missing: ``usage``, ``tickets``.
    """

    open: tuple[OpenRisk, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def band(self) -> Band:
        if self.open:
            return "high" if any(one.severity == "high" for one in self.open) else "some"
        return "unknown" if self.unknown else "none"

    @property
    def titles(self) -> tuple[str, ...]:
        """The names of its open risks, in the reader's language."""
        return tuple(dict.fromkeys(own_texts.translated(one.title) for one in self.open))

    @property
    def signals(self) -> frozenset[str]:
        return frozenset(one.signal for one in self.open)


@dataclass(frozen=True)
class Risks:
    """The risks of all accounts on one day.

    Args:
        open: Account -> its open risks.
        kinds: The connected kinds of source that the live risk signals depend on, in addition to the CRM.
    """

    readiness: Readiness
    open: Mapping[str, tuple[OpenRisk, ...]] = field(default_factory=dict)
    kinds: frozenset[str] = frozenset()

    def of_renewal(self, renewal: Checkpoint) -> Risk:
        has_data = {"product": renewal.usage_28d is not None, "support": renewal.n_open_tickets is not None}
        return self.of(renewal.account_key, has_data)

    def of(self, account_key: str, has_data: Mapping[str, bool]) -> Risk:
        """Return the risk of an account.

        Args:
            has_data: Kind of source -> whether the account has any data of it.
        """
        unfit = self.readiness.unfit_kinds(account_key)
        unknown = tuple(SPOKEN[kind] for kind in sorted(self.kinds) if kind in unfit or not has_data[kind])
        return Risk(self.open.get(account_key, ()), unknown)


def read(
    connection: sa.Connection, readiness: Readiness, rules: Mapping[str, Rule[Signal]], account_key: str | None = None
) -> Risks:
    """Read the open risks from the episodes: of all accounts, or of one."""
    live = live_risks(rules)
    rows = connection.execute(
        sa.text(
            "select account_key, signal, severity, min(opened_on) as since from ops.episode"
            " where state = 'open' and signal = any(:signals)"
            " and (cast(:account_key as text) is null or account_key = :account_key)"
            " group by 1, 2, 3 order by severity, since, signal"
        ),
        {"signals": list(live), "account_key": account_key},
    )
    found: dict[str, list[OpenRisk]] = defaultdict(list)
    for row in rows:
        found[row.account_key].append(OpenRisk(row.signal, live[row.signal].file.title, row.severity, row.since))
    kinds = frozenset[str]().union(*(rule.kinds for rule in live.values()))
    connected = frozenset(kind for kind in kinds & SPOKEN.keys() if readiness.of_kind(kind))
    return Risks(readiness, {key: tuple(risks) for key, risks in found.items()}, connected)


def live_risks(rules: Mapping[str, Rule[Signal]]) -> dict[str, Rule[Signal]]:
    """Return the live signals that put an account at risk."""
    return {name: rule for name, rule in rules.items() if rule.file.kind == "risk" and rule.file.status == "live"}
