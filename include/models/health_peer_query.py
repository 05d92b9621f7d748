"""Generate the query of ``marts.health_peer``: quantiles of peer groups, for measures whose value is ``peer(...)``.

Quantiles are computed once, at the close of a month, and apply to the following month. So a score never moves because
other accounts move.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from include.models import health
from include.models.health import Definition

FOLDER = "marts/health_peer"
SOURCE = "sql/health"
TABLE = "marts.health_peer"
# Quantiles in percent, which are also the positions they stand for. The ends are minimum and maximum.
POSITIONS = (0, 10, 30, 50, 70, 90, 100)
# Minimum size of a peer group. Smaller groups are compared with their tier, and smaller tiers with all accounts.
FEWEST = 30
UNKNOWN_TIER = "none"
TIER = f"coalesce(tier, '{UNKNOWN_TIER}')"
# Upper bound of days as a customer, exclusive -> age band.
AGE_BANDS = ((365, "below 12 months"), (1096, "12 to 36 months"), (None, "above 36 months"))
_HEAD = """\
-- Purpose: quantiles per peer group at the close of a month, for health measures that compare with peers.
-- Grain: month end, version of a profile, measure, tier and age band. Inputs: the inputs of the health score.
-- Window: month ends on days [start, end).
-- Caveats: generated from sql/health. An empty age band means all ages of the tier, an empty tier all accounts. Groups
-- of fewer than 30 accounts are left out, except the group of all accounts.
"""


def age_band() -> str:
    arms = " ".join(f"when days_as_customer < {days} then '{name}'" for days, name in AGE_BANDS if days)
    return f"case {arms} else '{AGE_BANDS[-1][1]}' end"


def choice(known: Definition) -> str:
    """Return the SQL of a row's profile: the first whose condition holds, in the version valid on its day."""
    arms = []
    for profile in known.profiles:
        following = next(
            (e for e in known.profiles if (e.name, e.version) == (profile.name, profile.version + 1)), None
        )
        terms = [
            f"day >= date '{profile.valid_from}'" if profile.version > 1 else "",
            f"day < date '{following.valid_from}'" if following else "",
            f"({condition})" if (condition := known.conditions.get((profile.key, ""))) else "",
        ]
        arms.append(f"when {' and '.join(filter(None, terms)) or 'true'} then '{profile.key}'")
    return f"case {' '.join(arms)} end"


def position(x: str, quantiles: Sequence[str]) -> str:
    """Return the SQL of a position among peers. A value shared by many peers gets the middle of their range.

    Args:
        x: Name of a column.
        quantiles: Names of the columns with the quantiles, rising.
    """
    edges = list(pairwise(zip(quantiles, POSITIONS, strict=True)))

    def between(low: tuple[str, int], high: tuple[str, int]) -> str:
        return f"{low[1]} + ({x} - {low[0]}) * {high[1] - low[1]} / nullif({high[0]} - {low[0]}, 0)"

    up = " ".join(f"when {x} <= {high[0]} then {between(low, high)}" for low, high in edges)
    down = " ".join(f"when {x} >= {low[0]} then {between(low, high)}" for low, high in reversed(edges))
    first, last = quantiles[0], quantiles[-1]
    return (
        f"case when {first} is not null and {x} is not null then (case when {x} <= {first} then 0 {up} else 100 end"
        f" + case when {x} >= {last} then 100 {down} else 0 end) / 2.0 end"
    )


def text() -> str:
    """Return the query for the definitions in force."""
    known = health.load()
    readings = [
        _reading(known, key, measure)
        for key, measure in sorted(known.peers)
    ]  # fmt: skip
    quantiles = [
        f"{'min(x)' if n == 0 else 'max(x)' if n == 100 else f'percentile_cont({n / 100}) within group (order by x)'}"
        f" as p{n}"
        for n in POSITIONS
    ]
    nothing = (
        "select\n        day, cast('' as text) as profile, 0 as version, cast('' as text) as measure,"
        " cast('' as text) as tier, cast('' as text) as age_band, cast(null as double precision) as x\n"
        "    from chosen\n    where false"
    )
    union = "\n    union all\n    ".join([nothing, *readings])
    measured = ",\n    ".join(
        f"cast({each.partition(' as ')[0]} as double precision) as {each.rpartition(' as ')[2]}" for each in quantiles
    )
    return f"""{_HEAD}with chosen as (
    select i.*, {TIER} as peer_tier, {age_band()} as peer_age, {choice(known)} as profile_key
    from {health.INPUT} as i
    join (select day as ended_on from meta.calendar where is_month_end) as c on c.ended_on = i.day
    where i.day >= :start and i.day < :end
),

readings as (
    {union}
),

levels as (
    select 0 as level
    union all
    select 1
    union all
    select 2
),

grouped as (
    select
        r.day,
        r.profile,
        r.version,
        r.measure,
        case when l.level < 2 then r.tier else '' end as tier,
        case when l.level < 1 then r.age_band else '' end as age_band,
        r.x
    from readings as r
    cross join levels as l
    where r.x is not null
)

select
    day as month_end,
    profile,
    cast(version as integer) as version,
    measure,
    tier,
    age_band,
    cast(count(*) as integer) as n_accounts,
    {measured}
from grouped
group by day, profile, version, measure, tier, age_band
having count(*) >= {FEWEST} or tier = ''
"""  # noqa: S608 - made of checked definitions


def _reading(known: Definition, key: str, measure: str) -> str:
    """Return the SQL of a measure's values by one version of a profile, for the accounts of all its versions."""
    name, _, version = key.partition("@")
    keys = ", ".join(f"'{each.key}'" for each in known.profiles if each.name == name)
    applies = known.conditions.get((key, measure))
    where = f"profile_key in ({keys})" + (f" and ({applies})" if applies else "")
    return (
        f"select day, '{name}', {version}, '{measure}', peer_tier, peer_age,"  # noqa: S608 - checked
        f" {known.values[key, measure]}\n    from chosen\n    where {where}"
    )
