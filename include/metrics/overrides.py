"""Keep manual corrections of KPI values.

A correction is a row of ``meta.kpi_override``. It is shown wherever the value is, and never overwrites the computed
value.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from include.common import clock
from include.common.errors import ConfigError
from include.models import metrics
from include.warehouse.engine import engine


@dataclass(frozen=True)
class Override:
    """A manual correction.

    Args:
        override_id: Number of the correction.
        period: Length of the period.
        as_of: Last day of the period.
        grain: How accounts are grouped.
        grain_key: The group.
        value: The corrected value.
        entered_by: The person who entered it.
        approved_by: The person who approved it, never the one who entered it.
        expires_on: The day from which the computed value is shown again.
    """

    override_id: int
    metric_id: str
    period: str
    as_of: date
    grain: str
    grain_key: str
    value: float
    reason: str
    entered_by: str
    approved_by: str
    entered_at: datetime
    expires_on: date

    def __str__(self) -> str:
        return f"manually corrected until {self.expires_on}: {self.reason} (approved by {self.approved_by})"


_COLUMNS = ", ".join(Override.__dataclass_fields__)


def enter(
    metric_id: str,
    period: str,
    as_of: date,
    value: float,
    *,
    grain: str = "all",
    grain_key: str = "all",
    reason: str,
    entered_by: str,
    approved_by: str,
    expires_on: date,
) -> Override:
    """Enter a correction of an existing value.

    Raises:
        ConfigError: The value does not exist or is already corrected, or an argument is missing or not allowed.
    """
    metrics.get(metric_id)
    for name, text in (("reason", reason), ("approver", approved_by)):
        if not text.strip():
            raise ConfigError(f"a correction needs a {name}", cure=f"give --{name}")
    if approved_by.strip().lower() == entered_by.strip().lower():
        raise ConfigError(
            "the person who enters a correction cannot approve it", cure="name another person as --approver"
        )
    if expires_on <= clock.now().date():
        raise ConfigError(f"the correction's expiry day {expires_on} is not in the future", cure="give a later day")
    key = {"metric_id": metric_id, "period": period, "as_of": as_of, "grain": grain, "grain_key": grain_key}
    with engine("builder").begin() as connection:
        connection.execute(sa.text("select pg_advisory_xact_lock(hashtext('perennial.kpi_override'))"))
        if not connection.execute(_HAS_VALUE, key).scalar():
            raise ConfigError(
                f"{metric_id} has no value for the {period} that ends on {as_of}, {grain} {grain_key}",
                cure=f"`python -m include.cli metrics show {metric_id} --period {period}` shows the last one",
            )
        before = [each for each in in_force(connection, metric_id) if _key(each) == tuple(key.values())]
        if before:
            raise ConfigError(
                f"correction {before[0].override_id} is already in force for this value",
                cure=f"`python -m include.cli metrics withdraw {before[0].override_id} --reason ...` first",
            )
        row = connection.execute(
            _ENTER,
            {
                **key,
                "value": value,
                "reason": reason.strip(),
                "entered_by": entered_by,
                "approved_by": approved_by.strip(),
                "entered_at": clock.now(),
                "expires_on": expires_on,
            },
        ).one()
    return Override(**row._mapping)


def withdraw(override_id: int, reason: str) -> None:
    """Withdraw a correction before it expires. Its row stays.

    Raises:
        ConfigError: The correction does not exist or is already withdrawn, or no reason is given.
    """
    if not reason.strip():
        raise ConfigError("withdrawing a correction needs a reason", cure="give --reason")
    with engine("builder").begin() as connection:
        done = connection.execute(
            sa.text(
                "update meta.kpi_override set withdrawn_at = :now, withdrawal_reason = :reason"
                " where override_id = :id and withdrawn_at is null"
            ),
            {"id": override_id, "reason": reason.strip(), "now": clock.now()},
        )
        if done.rowcount != 1:
            raise ConfigError(
                f"correction {override_id} does not exist or is already withdrawn",
                cure="`python -m include.cli metrics overrides` lists them",
            )


def in_force(connection: sa.Connection, metric_id: str = "") -> list[Override]:
    """Return the corrections in force today, of one metric or of all."""
    rows = connection.execute(
        sa.text(
            f"select {_COLUMNS} from meta.kpi_override where withdrawn_at is null and expires_on > :today"  # noqa: S608
            " and (:metric_id = '' or metric_id = :metric_id) order by override_id"
        ),
        {"today": clock.now().date(), "metric_id": metric_id},
    )
    return [Override(**row._mapping) for row in rows]


def of(found: list[Override], metric_id: str, period: str, as_of: date, grain: str, grain_key: str) -> Override | None:
    """Return the correction of a value, if there is one."""
    wanted = (metric_id, period, as_of, grain, grain_key)
    return next((each for each in found if _key(each) == wanted), None)


def _key(one: Override) -> tuple[str, str, date, str, str]:
    return one.metric_id, one.period, one.as_of, one.grain, one.grain_key


_HAS_VALUE = sa.text(
    "select exists (select from marts.kpi_value where metric_id = :metric_id and period = :period and as_of = :as_of"
    " and grain = :grain and grain_key = :grain_key)"
)
_ENTER = sa.text(
    "insert into meta.kpi_override (metric_id, period, as_of, grain, grain_key, value, reason, entered_by, approved_by,"  # noqa: S608 - names of this file
    " entered_at, expires_on) values (:metric_id, :period, :as_of, :grain, :grain_key, :value, :reason, :entered_by,"
    f" :approved_by, :entered_at, :expires_on) returning {_COLUMNS}"
)
