"""Summarize the business in a few metrics, read from the marts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import sqlalchemy as sa

from include import config
from include.metrics import overrides
from include.warehouse.engine import engine

# Metric -> label and format. First those of the newest day, then those of the last closed quarter.
TODAY = {
    "arr": ("ARR", "money"),
    "kept_arr": ("ARR retained, including late renewals", "money"),
    "customers": ("Customers", "count"),
    "nrr": ("Net revenue retention, 12 months", "share"),
    "grr": ("Gross revenue retention, 12 months", "share"),
    "activity_rate": ("Activity rate, 28 days", "share"),
    "licence_utilisation": ("Licence utilisation", "share"),
    "backlog": ("Open tickets", "count"),
}
LAST_QUARTER = {
    "gross_renewal_rate": ("Gross renewal rate", "share"),
    "net_renewal_rate": ("Net renewal rate", "share"),
    "renewal_rate_by_count": ("Renewal rate by count", "share"),
    "on_time_rate": ("Renewed on time", "share"),
    "logo_churn_rate": ("Logo churn", "share"),
}


@dataclass(frozen=True)
class Figure:
    """A metric of the summary.

    Args:
        metric_id: Its id in ``marts.kpi_value``.
        label: Its label for people.
        kind: ``money``, ``count`` or ``share``.
        value: None if the denominator is zero.
        numerator: The numerator of a ratio, or the amount itself.
        denominator: The denominator of a ratio; None for amounts.
        n: Number of accounts, renewals or tickets behind it.
        coverage: Share of them with all inputs known.
        start: First day of its period.
        as_of: Last day of its period.
        note: Approver and reason of the manual correction in force. ``value`` is then the corrected one.
    """

    metric_id: str
    label: str
    kind: str
    value: float | None
    numerator: float
    denominator: float | None
    n: int
    coverage: float
    start: date
    as_of: date
    note: str = ""

    def shown(self, currency: str = "") -> str:
        """Return the formatted value. Manual corrections are marked."""
        return f"{self._shown(currency)} (manually corrected)" if self.note else self._shown(currency)

    def _shown(self, currency: str) -> str:
        if self.value is None:
            return "not available"
        if self.kind == "share":
            return f"{self.value:.1%}"
        return f"{self.value:,.0f} {currency}".rstrip() if self.kind == "money" else f"{self.value:,.0f}"


@dataclass(frozen=True)
class RenewalsDue:
    """Renewals that are due in the next days.

    Args:
        days: How many days ahead.
        n_due: Number of renewals due.
        n_open: Number of them that are still open.
    """

    days: int
    n_due: int
    target_arr: float
    n_open: int
    open_arr: float


@dataclass(frozen=True)
class Summary:
    """The metrics on the newest day that was built."""

    as_of: date
    currency: str
    figures: tuple[Figure, ...]
    renewals_due: RenewalsDue | None  # None until contracts are completely read


def summarize(days: int = 120) -> Summary | None:
    """Return the summary, or None until the first build is done.

    Args:
        days: How many days ahead renewals are counted.
    """
    with engine("reader").connect() as connection:
        as_of = connection.execute(
            sa.text("select max(newest_day) from meta.build where kind = 'forward' and state = 'done'")
        ).scalar()
        if as_of is None:
            return None
        figures = [*_figures(connection, TODAY, "day", as_of), *_figures(connection, LAST_QUARTER, "quarter", as_of)]
        return Summary(as_of, config.load().currency, tuple(figures), _renewals_due(connection, as_of, days))


def _figures(connection: sa.Connection, wanted: dict[str, tuple[str, str]], period: str, as_of: date) -> list[Figure]:
    """Return the figures of the newest period. A metric that is not available has none."""
    rows = connection.execute(
        sa.text(
            "select metric_id, value, numerator, denominator, n, coverage, period_start, as_of from marts.kpi_value"
            " where grain = 'all' and period = :period and metric_id = any(:metrics) and as_of ="
            " (select max(as_of) from marts.kpi_value where period = :period and as_of <= :as_of)"
        ),
        {"period": period, "metrics": list(wanted), "as_of": as_of},
    )
    found = {row.metric_id: row for row in rows}
    corrected = overrides.in_force(connection)
    by_hand = {name: overrides.of(corrected, name, period, row.as_of, "all", "all") for name, row in found.items()}
    return [
        Figure(
            metric_id,
            label,
            kind,
            override.value if (override := by_hand[metric_id]) else row.value,
            float(row.numerator or 0),
            None if row.denominator is None else float(row.denominator),
            row.n,
            float(row.coverage),
            row.period_start,
            row.as_of,
            str(override) if override else "",
        )
        for metric_id, (label, kind) in wanted.items()
        if (row := found.get(metric_id))
    ]


def _renewals_due(connection: sa.Connection, as_of: date, days: int) -> RenewalsDue | None:
    gap = sa.text("select exists (select from meta.metric_gap where metric_id = 'renewals_due' and from_day <= :as_of)")
    if connection.execute(gap, {"as_of": as_of}).scalar():
        return None
    row = connection.execute(
        sa.text(
            "select count(*), coalesce(sum(target_arr), 0), count(*) filter (where part = 'open'),"
            " coalesce(sum(open_arr), 0) from marts.renewal_due where due_date > :as_of and due_date <= :until"
        ),
        {"as_of": as_of, "until": as_of + timedelta(days=days)},
    ).one()
    return RenewalsDue(days, row[0], float(row[1]), row[2], float(row[3]))
