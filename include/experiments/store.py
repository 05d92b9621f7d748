"""Read experiments from the warehouse, and store their weekly read-outs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from include.experiments.reading import Counts, Design, Last, Reading, Side, read_out
from include.experiments.statistics import EMPTY, NO_FAMILIES, Arm, Families
from include.scores.statistics import Interval
from include.warehouse import locks
from include.warehouse.engine import has_table

TABLE = "marts.experiment_account"


def read(connection: sa.Connection, in_force: Mapping[str, Mapping[str, Any]]) -> dict[str, Reading]:
    """Return the read-out of each started experiment by name, as of the newest day with figures.

    Args:
        in_force: Playbook -> the design in its file. Experiments without one have ended and are not read.
    """
    if not has_table(connection, TABLE) or not has_table(connection, "marts.account_day"):
        return {}
    day = connection.exec_driver_sql("select max(day) from marts.account_day").scalar()
    if day is None:
        return {}
    designs = [Design(**row) for row in connection.execute(_DESIGNS, {"names": list(in_force)}).mappings()]
    counted = counts(connection, {design.name: design for design in designs})
    return {design.name: read_out(design, counted[design.name], day, in_force[design.name]) for design in designs}


def last(connection: sa.Connection) -> dict[str, Last]:
    """Return the newest stored reading of each experiment by name."""
    return {
        row.experiment: Last(
            row.read_on,
            row.verdict,
            row.n,
            None if row.difference is None else Interval(row.difference, row.low, row.high),
        )
        for row in connection.execute(_LAST)
    }


def counts(connection: sa.Connection, designs: Mapping[str, Design]) -> dict[str, Counts]:
    """Return the sums over the accounts of each experiment."""
    named = {"names": list(designs)}
    sides: dict[str, dict[str, Any]] = {name: {} for name in designs}
    for row in connection.execute(_SIDES, named).mappings():
        sides[row["experiment"]][row["arm"]] = row
    families = {row[0]: Families(*row[1:]) for row in connection.execute(_FAMILIES, named)}
    balance = {row["experiment"]: row for row in connection.execute(_BALANCE, named).mappings()}
    return {
        name: Counts(
            _side(arms.get("acted")),
            _side(arms.get("held_out")),
            (_at_end(arms.get("acted")), _at_end(arms.get("held_out"))),
            families.get(name, NO_FAMILIES),
            {key: float(balance[name][key]) for key in _COMPARED if balance[name][key] is not None}
            if name in balance
            else {},
            balance[name]["n_shared_csms"] if name in balance else 0,
        )
        for name, arms in sides.items()
    }


def keep(connection: sa.Connection, reading: Reading) -> str | None:
    """Store a read-out under its day. Reading a day again replaces it.

    Returns:
        The verdict of the reading before; None if this is the first.
    """
    bound = {"experiment": reading.design.name, "read_on": reading.day}
    before: str | None = connection.execute(_BEFORE, bound).scalar()
    acted, held_out = reading.counts.at_end
    fixed, sequence = reading.fixed, reading.sequence
    connection.execute(_FORGET, bound)
    connection.execute(
        _KEEP,
        {
            **bound,
            "verdict": reading.verdict,
            "n_acted": acted.settled,
            "n_renewed_acted": acted.renewed,
            "n_held_out": held_out.settled,
            "n_renewed_held_out": held_out.renewed,
            "n_open": reading.counts.acted.n_open + reading.counts.held_out.n_open,
            "difference": fixed.share if fixed else None,
            "low": fixed.low if fixed else None,
            "high": fixed.high if fixed else None,
            "sequence_low": sequence.low if sequence else None,
            "sequence_high": sequence.high if sequence else None,
            "detectable": reading.detectable,
            "warnings": list(reading.warnings),
            "now": locks.now(connection),
        },
    )
    return before


def _side(row: Mapping[str, Any] | None) -> Side:
    if row is None:
        return Side()
    given = {key: row[key] for key in Side.__dataclass_fields__ if key != "settled"}
    return Side(Arm(row["n_renewed"], row["n_settled"]), **given)


def _at_end(row: Mapping[str, Any] | None) -> Arm:
    return Arm(row["n_renewed_at_end"], row["n_settled_at_end"]) if row else EMPTY


_LAST = sa.text(
    "select distinct on (experiment) experiment, read_on, verdict, n_acted + n_held_out as n, difference,"
    " coalesce(sequence_low, low) as low, coalesce(sequence_high, high) as high"
    " from meta.experiment_reading order by experiment, read_on desc"
)
_DESIGNS = sa.text(
    "select experiment as name, hold_out, horizon_days, smallest_effect, started_on, ends_on from ops.experiment"
    " where experiment = any(:names) order by experiment"
)
_SIDES = sa.text("""
select
    a.experiment, a.arm,
    count(distinct a.unit_key) as n_families,
    count(distinct a.unit_key) filter (where a.triggered_on is not null) as n_triggered,
    count(*) filter (where a.state = 'settled') as n_settled,
    count(*) filter (where a.is_renewed) as n_renewed,
    count(*) filter (where a.state = 'settled' and a.decision_date <= coalesce(e.ends_on, 'infinity')) as
        n_settled_at_end,
    count(*) filter (where a.is_renewed and a.decision_date <= coalesce(e.ends_on, 'infinity')) as n_renewed_at_end,
    count(*) filter (where a.state = 'open') as n_open,
    count(*) filter (where a.state = 'open' and a.decision_date <= e.ends_on) as n_open_at_end,
    count(*) filter (where a.state = 'no_renewal') as n_without_renewal,
    count(*) filter (where a.state = 'settled' and a.n_tasks_done > 0) as n_exposed,
    count(*) filter (where a.is_contaminated) as n_contaminated,
    cast(coalesce(sum(a.target_arr) filter (where a.state = 'settled'), 0) as double precision) as target_arr,
    cast(coalesce(sum(a.renewed_of_target_arr), 0) as double precision) as renewed_arr,
    cast(coalesce(sum(a.n_rated), 0) as int) as n_rated,
    cast(coalesce(sum(a.n_bad), 0) as int) as n_bad,
    sum(a.contact_minutes) / nullif(count(*) filter (where a.triggered_on is not null), 0) as minutes
from marts.experiment_account as a
join ops.experiment as e on e.experiment = a.experiment
where a.experiment = any(:names)
group by a.experiment, a.arm
""")
_FAMILIES = sa.text("""
with families as (
    select experiment, arm, unit_key, count(*) as n, count(*) filter (where is_renewed) as k
    from marts.experiment_account
    where state = 'settled' and experiment = any(:names)
    group by experiment, arm, unit_key
),

arms as (
    select
        experiment, arm, count(*) as n_families, sum(n) as n, sum(n * n) as squares,
        sum(k - k * k / cast(n as double precision)) as within,
        sum(k * k / cast(n as double precision)) - sum(k) * sum(k) / cast(sum(n) as double precision) as between
    from families
    group by experiment, arm
)

select
    experiment, cast(sum(n_families) as int), cast(sum(n) as int), cast(sum(squares) as double precision),
    sum(within), sum(between), cast(count(*) as int)
from arms group by experiment
""")
_COMPARED = ("log_arr", "red_or_yellow", "small")
# Standardised differences of the arms at assignment.
_BALANCE = sa.text("""
with characteristics as (
    select
        experiment, arm, owner_key, ln(nullif(greatest(arr, 0), 0)) as log_arr,
        case when band in ('red', 'yellow') then 1.0 else 0.0 end as red_or_yellow,
        case when tier = 'small' then 1.0 else 0.0 end as small
    from marts.experiment_account
    where experiment = any(:names)
),

arms as (
    select
        experiment, arm, avg(log_arr) as log_arr, var_samp(log_arr) as v_log_arr, avg(red_or_yellow) as red_or_yellow,
        var_samp(red_or_yellow) as v_red_or_yellow, avg(small) as small, var_samp(small) as v_small
    from characteristics group by experiment, arm
),

shared as (
    select experiment, count(*) as n
    from (
        select experiment, owner_key from characteristics
        where owner_key is not null group by experiment, owner_key having count(distinct arm) = 2
    ) as both_arms
    group by experiment
)

select
    a.experiment, coalesce(s.n, 0) as n_shared_csms,
    (a.log_arr - h.log_arr) / nullif(sqrt((a.v_log_arr + h.v_log_arr) / 2), 0) as log_arr,
    (a.red_or_yellow - h.red_or_yellow) / nullif(sqrt((a.v_red_or_yellow + h.v_red_or_yellow) / 2), 0)
        as red_or_yellow,
    (a.small - h.small) / nullif(sqrt((a.v_small + h.v_small) / 2), 0) as small
from arms as a
join arms as h on h.experiment = a.experiment and h.arm = 'held_out'
left join shared as s on s.experiment = a.experiment
where a.arm = 'acted'
""")
_BEFORE = sa.text(
    "select verdict from meta.experiment_reading where experiment = :experiment and read_on < :read_on"
    " order by read_on desc limit 1"
)
_FORGET = sa.text("delete from meta.experiment_reading where experiment = :experiment and read_on = :read_on")
_KEEP = sa.text(
    "insert into meta.experiment_reading (experiment, read_on, verdict, n_acted, n_renewed_acted, n_held_out,"
    " n_renewed_held_out, n_open, difference, low, high, sequence_low, sequence_high, detectable, warnings, read_at)"
    " values (:experiment, :read_on, :verdict, :n_acted, :n_renewed_acted, :n_held_out, :n_renewed_held_out, :n_open,"
    " :difference, :low, :high, :sequence_low, :sequence_high, :detectable, :warnings, :now)"
)
