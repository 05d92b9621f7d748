"""Read the renewals of this quarter and the next three, as of the newest build, and which had a reminder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import sqlalchemy as sa

from include.common.errors import ConfigError
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
        n: Settled renewals behind the probability; None if there is nothing to forecast.
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
    n: int | None
    configured: float
    p: float
    reason: str
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
    l.line_class, l.category, l.band, l.n_settled as n, l.configured_probability as configured, l.probability as p,
    l.reason, l.target_arr as target, l.amount_arr as amount, l.renewed_share, l.score, l.score_28d_ago, l.pulse,
    l.currency
from marts.forecast_line as l
left join core.account as a on a.account_key = l.account_key
left join core.owner as o on o.owner_key = l.owner_key
order by l.decision_date, l.renewal_id
""")
