"""Judge the analysis of features on another project's simulated customers, whose utility per behaviour is known.

``python -m benchmarks.churnsim_features postgresql://host/database`` reads a simulation that ``churnsim`` made, as in
``benchmarks.churnsim``. A row is a decision: an end of a subscription from the account's 28th day on. It is lost if no
other subscription begins on that day. The rates of an account never change in this simulation, so its mean rate stands
for its rate before each decision. A behaviour is used if its rate is above the median of all accounts: every account
does everything at some rate. Strata are the channel, the age, and thirds of the rate of all other kinds. The truth of a
behaviour is its utility times the spread of its rate: what it adds to the difference between accounts.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import psycopg
from psycopg import sql
from scipy.stats import rankdata, spearmanr

from include.analyses import features
from include.analyses.features import Behaviour, Finding
from include.analyses.strata import Stratum

# Of the configuration crm6 of fightchurn 1.2.0. Events without one have no utility.
UTILITY = {
    "search": 10.0, "create_search": -1, "edit_search": -1, "delete_search": -1, "win_opportunity": 0.4,
    "advance_stage": 2.0, "add_competitor": -5, "disqualify_opportunity": -5, "lose_opportunity": -0.05, "quote": 2.0,
    "create_opportunity": 1.0, "add_contact": 20.0, "edit_contact": -1, "add_lead": 10.0, "unsub_lead": -1,
    "edit_lead": -1, "email_lead": 1.0, "call_lead": 1.0, "create_list": -1, "delete_list": 1, "email_list": 2.0,
    "meeting": 20.0, "schedule_meeting": 1.0, "edit_meeting": -1, "cancel_meeting": -2,
}  # fmt: skip
FEWEST_PER_ARM = 5


def main() -> None:
    """Read, judge and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.churnsim_features", description=__doc__)
    parser.add_argument("url", help="the database of the simulation, as a libpq URL")
    parser.add_argument("--schema", default="crm6")
    given = parser.parse_args()
    with psycopg.connect(given.url) as connection:
        connection.execute(sql.SQL("set search_path to {}").format(sql.Identifier(given.schema)))
        rows = connection.execute(_ROWS).fetchall()
        rates = connection.execute(_RATES).fetchall()
        names = [name for (name,) in connection.execute(_NAMES)]
    accounts = np.array([row[0] for row in rows])
    channels = np.array([row[1] for row in rows])
    ages = np.digitize([row[2] for row in rows], (90, 365))
    is_kept = np.array([not row[3] for row in rows])
    known, place = np.unique(accounts, return_inverse=True)
    by_account = np.zeros((len(known), len(names)))
    for account, name, rate in rates:
        if account in known:
            by_account[np.searchsorted(known, account), names.index(name)] = rate
    findings = features.judge(
        [_behaviour(n, names[n], by_account, place, channels, ages, is_kept) for n in range(len(names))]
    )
    print(f"{len(known)} accounts, {len(rows)} decisions, {int((~is_kept).sum())} lost, {len(names)} behaviours")
    _print(findings, {name: UTILITY.get(name, 0.0) * by_account[:, n].std() for n, name in enumerate(names)})


def _behaviour(n: int, name: str, rates: Any, place: Any, channels: Any, ages: Any, is_kept: Any) -> Behaviour:
    """Return a behaviour's strata. ``place`` is the account of each decision, a row of ``rates``."""
    own, others = rates[:, n], rates.sum(axis=1) - rates[:, n]
    is_used = (own > np.median(own))[place]
    third = np.ceil(rankdata(others, method="ordinal") * 3 / len(others)).astype(int)[place]
    half = place % 2
    found: dict[int, list[Stratum]] = {0: [], 1: [], 2: []}
    for part, chosen in ((0, half >= 0), (1, half == 0), (2, half == 1)):
        for key in sorted(set(zip(channels, ages, third, strict=True))):
            inside = (channels == key[0]) & (ages == key[1]) & (third == key[2]) & chosen
            with_it, without = inside & is_used, inside & ~is_used
            stratum = Stratum(
                int(is_kept[with_it].sum()), int(with_it.sum()), int(is_kept[without].sum()), int(without.sum())
            )
            if min(stratum.n_with, stratum.n_without) >= (FEWEST_PER_ARM if part == 0 else 1):
                found[part].append(stratum)
    return Behaviour(name, tuple(found[0]), (tuple(found[1]), tuple(found[2])))


def _print(findings: tuple[Finding, ...], truth: dict[str, float]) -> None:
    shown = [one for one in findings if one.effect]
    for one in shown:
        assert one.effect and one.p_adjusted is not None
        print(
            f"{one.name:24} truth {truth[one.name]:10.0f} effect {one.effect.interval.share * 100:+6.1f}"
            f" p {one.p_adjusted:.4f} {one.verdict}"
        )
    effects = [one.effect.interval.share for one in shown if one.effect]
    for name, known in (("truth", truth), ("utility", UTILITY)):
        found = spearmanr(effects, [known.get(one.name, 0.0) for one in shown]).statistic
        print(f"rank correlation with the {name}: {found:.2f}")
    goes = [one.name for one in shown if one.verdict == "goes_with"]
    print(f"found {len(goes)}, without positive utility: {', '.join(n for n in goes if truth[n] <= 0) or 'none'}")


_NAMES = "select event_type_name from event_type order by event_type_id"
_ROWS = """
with firsts as (
    select account_id, min(start_date) as first, (select max(start_date) from subscription) as last_start
    from subscription group by account_id
),

ends as (
    select distinct s.account_id, s.end_date, f.first
    from subscription as s
    join firsts as f on f.account_id = s.account_id and s.end_date <= f.last_start and s.end_date - f.first >= 28
)

select
    e.account_id, a.channel, e.end_date - e.first,
    not exists (select from subscription as n where n.account_id = e.account_id and n.start_date = e.end_date)
from ends as e
join account as a on a.id = e.account_id
order by e.end_date, e.account_id
"""
# Events a day of each account and kind.
_RATES = """
select e.account_id, t.event_type_name, count(*) / cast(max(s.days) as double precision)
from event as e
join event_type as t on t.event_type_id = e.event_type_id
join (
    select account_id, least(max(end_date), date '2024-01-01') - min(start_date) as days
    from subscription group by account_id
) as s on s.account_id = e.account_id and s.days > 0
group by e.account_id, t.event_type_name
"""


if __name__ == "__main__":
    main()
