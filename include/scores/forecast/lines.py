"""Read the renewals of this quarter and the next three, as of the newest build, and which had a reminder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import sqlalchemy as sa

from include.common.errors import ConfigError
from include.common.texts import gettext
from include.common.words import word
from include.warehouse.engine import has_table

TABLE = "marts.forecast_line"
OPEN = ("open", "auto_renew")


@dataclass(frozen=True)
class Line:
    """One renewal.

    Args:
        as_of: The day of the forecast.
        quarter_start: First day of the quarter in which it is due.
        csm: The CSM's name.
        line_class: won, lost, committed_churn, auto_renew or open.
        category: The forecast category; auto_renew for contracts that auto-renew.
        band: red, yellow, green or unknown.
        horizon: Days before the decision in which renewals count as similar, such as 31-90.
        n: Settled renewals behind the probability; None if there is nothing to forecast.
        n_renewed: Those that were renewed.
        configured: Probability by the category alone.
        p: Probability by category and band.
        target: ARR that is up for renewal.
        amount: ARR that counts if it is renewed.
        renewed_share: Share of the target that remains if it is renewed.
        pulse: The CSM's pulse, 1 to 5, if recorded within 90 days.
    """

    as_of: date
    renewal_id: str
    account_key: str
    account: str
    quarter_start: date
    decision_date: date
    owner_key: str
    csm: str
    team: str
    region: str
    tier: str
    line_class: str
    category: str
    band: str
    horizon: str
    n: int | None
    n_renewed: int | None
    configured: float
    p: float
    target: Decimal
    amount: Decimal
    renewed_share: float
    score: Decimal | None
    score_28d_ago: Decimal | None
    pulse: int | None
    currency: str

    @property
    def is_open(self) -> bool:
        """Whether there is something to forecast."""
        return self.line_class in OPEN

    @property
    def reason(self) -> str:
        """Why it has this probability, in the reader's language."""
        return why(self.line_class, self.category, self.band, self.horizon, self.n, self.n_renewed)


def why(line_class: str, category: str, band: str, horizon: str, n: int | None, n_renewed: int | None) -> str:
    """Return why a renewal has its probability, in the reader's language."""
    if line_class == "committed_churn":
        return gettext("notice was given")
    if line_class in ("won", "lost"):
        return word(line_class)
    if not n:
        return gettext("no settled renewal had its category, band and distance: the configured probability")
    alike = word(category)
    if band != "unknown":
        alike = gettext("{category} and {band}", category=alike, band=word(band))
    return gettext(
        "{n_renewed} of {n} renewed: {alike}, {horizon} days before",
        n_renewed=n_renewed,
        n=n,
        alike=alike,
        horizon=horizon,
    )


def read(connection: sa.Connection) -> list[Line]:
    """Return all lines, by decision date.

    Raises:
        ConfigError: No build has created the table yet.
    """
    if not has_table(connection, TABLE):
        raise ConfigError("there is no renewal forecast yet", cure="run `python -m include.cli build`")
    return [Line(**row) for row in connection.execute(_LINES).mappings()]


def reminded(connection: sa.Connection) -> frozenset[str]:
    """Return the renewals whose CSM has received a reminder."""
    return frozenset(connection.execute(_REMINDED).scalars())


_REMINDED = sa.text(
    "select distinct entity_id from ops.outbox"
    " where rule = 'renewal' and entity_kind = 'renewal' and state = 'sent' and channel <> 'crm_task'"
    " and step not like 'deadline_notice:%'"
)
_LINES = sa.text("""
select
    l.as_of, l.renewal_id, l.account_key, coalesce(a.name, l.account_key) as account, l.quarter_start, l.decision_date,
    coalesce(l.owner_key, '') as owner_key,
    coalesce(o.name, l.owner_key, 'nobody') as csm, coalesce(o.team, '') as team,
    coalesce(a.region, '') as region, coalesce(l.tier, 'no tier') as tier,
    l.line_class, l.category, l.band, l.horizon, l.n_settled as n, l.n_renewed,
    l.configured_probability as configured, l.probability as p,
    l.target_arr as target, l.amount_arr as amount, l.renewed_share, l.score, l.score_28d_ago, l.pulse,
    l.currency
from marts.forecast_line as l
left join core.account as a on a.account_key = l.account_key
left join core.owner as o on o.owner_key = l.owner_key
order by l.decision_date, l.renewal_id
""")
