"""Read ``marts.health_checkpoint``: each renewal as it was known at its checkpoints, and its outcome.

Every back-test reads only this table. Its rows are recorded on their day and never change, so information that arrived
later cannot improve a result.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from include.models import health
from include.models.health import Profile
from include.scores.health import learn, peers
from include.scores.health.score import freshness, sub_score
from include.warehouse.engine import has_table

TABLE = "marts.health_checkpoint"
DAYS_BEFORE = (180, 150, 120, 90, 60, 30)


@dataclass(frozen=True)
class Checkpoints:
    """Settled renewals at their checkpoints, one row each.

    Args:
        rows: The input for fitting. Unknown sub-scores are set to the row's mean.
        sub_scores: One column per measure; nan where it was unknown.
        computed: The score as users saw it, without overrides; nan where nothing was known.
        band: red, yellow or green; "" where it was never known.
        coverage: Share of the weight that was known.
        target: Target ARR of the renewal.
        probability: Probability of the CRM's forecast category at that time; nan where it was not recorded.
        n_open: Number of renewals left out because they are not settled yet.
        tier: The account's tier at that time; "none" where it had none.
    """

    rows: learn.Rows
    sub_scores: npt.NDArray[np.float64]
    computed: npt.NDArray[np.float64]
    band: npt.NDArray[np.str_]
    coverage: npt.NDArray[np.float64]
    target: npt.NDArray[np.float64]
    probability: npt.NDArray[np.float64]
    n_open: int
    tier: npt.NDArray[np.str_]

    def where(self, chosen: npt.NDArray[np.bool_]) -> Checkpoints:
        return Checkpoints(
            self.rows.where(chosen),
            self.sub_scores[chosen],
            self.computed[chosen],
            self.band[chosen],
            self.coverage[chosen],
            self.target[chosen],
            self.probability[chosen],
            self.n_open,
            self.tier[chosen],
        )


def read(connection: sa.Connection, profile: Profile, *, only: bool = False) -> Checkpoints:
    """Read the settled renewals.

    Args:
        connection: An open connection of the reader.
        profile: Its measures and points define the sub-scores.
        only: Leave out renewals scored by another profile.
    """
    known = health.load()
    columns = []
    for measure in profile.measures:
        applies = known.conditions.get((profile.key, measure.id))
        value = known.values[profile.key, measure.id]
        columns.append(
            f"case when {applies} then {value} end as x_{measure.id}" if applies else f"{value} as x_{measure.id}"
        )
        columns.append(f"{f'as_of - {measure.dated}' if measure.dated else '0'} as age_{measure.id}")
    statement = _ROWS.format(columns=", ".join(columns), only="and f.profile = :profile" if only else "")
    is_built = has_table(connection, TABLE)
    found = connection.execute(sa.text(statement), {"profile": profile.name}).mappings().all() if is_built else []
    n_open = connection.execute(_OPEN).scalar() or 0 if is_built else 0
    compared = peers.read(connection, profile)
    sub_scores = np.full((len(found), len(profile.measures)), np.nan)
    for number, row in enumerate(found):
        for column, measure in enumerate(profile.measures):
            x = row[f"x_{measure.id}"]
            if measure.id in compared.measures:
                at = peers.month_end(row["as_of"])
                x = compared.position(measure.id, x, at, row["tier"], row["days_as_customer"])
            if x is not None and freshness(measure, row[f"age_{measure.id}"] or 0) > 0:
                sub_scores[number, column] = sub_score(measure, x)
    weights = np.array([measure.weight for measure in profile.measures])

    def numbers(name: str) -> npt.NDArray[np.float64]:
        return np.array([np.nan if row[name] is None else float(row[name]) for row in found], dtype=float)

    def days(name: str) -> npt.NDArray[np.datetime64]:
        return np.array([row[name] for row in found], dtype="datetime64[D]")

    rows = learn.Rows(
        tuple(measure.id for measure in profile.measures),
        learn.filled(sub_scores, weights),
        np.array([row["days_before"] for row in found], dtype=int),
        np.array([row["part"] == "lost" for row in found], dtype=bool),
        np.array([row["family"] for row in found], dtype=str),
        np.array([row["renewal_id"] for row in found], dtype=str),
        days("settled_on"),
        days("decision_date"),
    )
    return Checkpoints(
        rows,
        sub_scores,
        numbers("computed"),
        np.array([row["band"] or "" for row in found], dtype=str),
        numbers("coverage"),
        numbers("target_arr"),
        numbers("probability"),
        n_open,
        np.array([row["tier"] or "none" for row in found], dtype=str),
    )


def months(found: Checkpoints) -> list[date]:
    """Return the first day of each month with a decision, in ascending order."""
    if not len(found.rows.decided_on):
        return []
    first = np.unique(found.rows.decided_on.astype("datetime64[M]"))
    return [each.astype("datetime64[D]").astype(date) for each in first]


_ROWS = """
select f.*, d.part, d.settled_on, coalesce(y.ultimate_parent_key, f.account_key) as family
from (
    select
        renewal_id, account_key, days_before, decision_date, target_arr, computed, coverage, band, probability, profile,
        as_of, tier, days_as_customer,
        {columns}
    from marts.health_checkpoint
) as f
join marts.renewal_due as d on d.renewal_id = f.renewal_id
join core.renewal as r on r.account_key = d.account_key and r.renewal_id = d.renewal_id
left join core.account_family as y on y.account_key = d.account_key
where d.part <> 'open' and d.settled_on is not null and f.computed is not null {only}
    and r.due_date + r.grace_days <= (select max(day) from marts.health_score)
order by f.decision_date, f.renewal_id, f.days_before desc
"""
_OPEN = sa.text(
    "select count(distinct f.renewal_id) from marts.health_checkpoint as f"
    " join core.renewal as r on r.renewal_id = f.renewal_id"
    " where r.outcome = 'open' or r.due_date + r.grace_days > (select max(day) from marts.health_score)"
)
