"""Back-test the health score on another project's simulated customers.

``python -m benchmarks.churnsim postgresql://host/database`` reads a simulation that ``churnsim`` of the PyPI package
fightchurn (1.2.0) wrote into PostgreSQL: accounts, subscriptions, events. Install it into its own environment, name an
empty database in its variables ``CHURN_DB*``, and run ``python -m fightchurn.churnsim.churnsim --config-name crm6
init_customers=200 random_seed=42 n_parallel=1 force=True``; for losses by behaviour and price alone also
``acausal_churn=0 transition.churn.offset=0``. In this simulation the rates of an account's behaviours never change. An
account leaves because its usage is low, not because it falls.

Every end of a subscription is a decision. It is lost if no other subscription begins on that day. At 90, 60 and 30 days
before, the usage measures of the shipped profiles are computed as ``sql/`` defines them, with every event as a value
event and every kind of event as a key feature. A second profile has a measure ``peer(feature_events('...'))`` for each
behaviour; its quantiles are those of the previous month end, over all customers by time as a customer. Whether more is
better or worse is taken from the other accounts, as a team would from a back-test. Cross-validation has five folds by
account: no account is judged by a model that was fitted on it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import sql

from include.models import health
from include.models.health import Profile
from include.models.health_peer_query import AGE_BANDS, FEWEST, POSITIONS
from include.scores import statistics
from include.scores.health import learn, peers
from include.scores.health.score import Reading, score, sub_score

Numbers = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
_NONE: Counts = np.zeros((0, 3), dtype=np.int64)
BEFORE = (90, 60, 30)
FOLDS, DRAWS = 5, 400
USE = ("use_vs_usual", "active_seats", "breadth", "depth")
FILE, LEARNED = "score, weights of the file", "score, learned weights"
FAIR, HINDSIGHT = "best single behaviour, chosen on other accounts", "best single behaviour, chosen with hindsight"
EQUAL, EACH = "a measure per behaviour, equal weights", "a measure per behaviour, learned weights"


@dataclass(frozen=True)
class Case:
    """One decision at one checkpoint.

    Args:
        values: Usage measure -> its value; None if unknown.
        counts: Events of each kind in the last 28 days.
        positions: Their positions among peers, 0 to 100.
        days_as_customer: Days since the first subscription.
    """

    account: int
    decided_on: date
    days_before: int
    is_lost: bool
    days_as_customer: int
    values: Mapping[str, float | None]
    counts: Numbers
    positions: Numbers


def main() -> None:
    """Read, judge, and print the table of the document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.churnsim", description=__doc__)
    parser.add_argument("url", help="the database of the simulation, as a libpq URL")
    parser.add_argument("--schema", default="crm6")
    given = parser.parse_args()
    with psycopg.connect(given.url) as connection:
        connection.execute(sql.SQL("set search_path to {}").format(sql.Identifier(given.schema)))
        kinds = [name for (name,) in connection.execute(_NAMES)]
        cases = list(_cases(connection, len(kinds)))
    risks, chosen = _risks(cases, kinds)
    print(f"{len({case.account for case in cases})} accounts, {_n(cases)} decisions, {_n(cases, lost=True)} lost")
    for days, name in chosen.items():
        print(f"best single behaviour at T-{days} with hindsight: {name}")
    _print(cases, risks)


def _n(cases: list[Case], *, lost: bool = False) -> int:
    return len({(case.account, case.decided_on) for case in cases if case.is_lost or not lost})


def _cases(connection: psycopg.Connection[tuple[object, ...]], n_kinds: int) -> Iterator[Case]:
    """Yield every decision at its checkpoints, from the account's 14th day on."""
    plans: dict[int, list[tuple[date, date, float]]] = {}
    for account, start, end, seats in connection.execute(_PLANS).fetchall():
        plans.setdefault(account, []).append((start, end, seats))
    # The simulation decided nothing after the last start.
    until = max(start for terms in plans.values() for start, _, _ in terms)
    users, kinds = (_by_account(connection.execute(statement).fetchall()) for statement in (_USERS, _KINDS))
    uses = {
        account: _Use(
            users.get(account, _NONE), kinds.get(account, _NONE), n_kinds, min(start for start, _, _ in terms)
        )
        for account, terms in plans.items()
    }
    known = _Peers(plans, uses)
    for account, terms in plans.items():
        use = uses[account]
        first = use.first
        begins = {start for start, _, _ in terms}
        for end in sorted({end for _, end, _ in terms if end <= until}):
            for days in BEFORE:
                as_of = end - timedelta(days=days)
                if (as_of - first).days < 14:
                    continue
                seats = max((n for start, to, n in terms if start <= as_of < to), default=0)
                values, counts = use.at((as_of - first).days, seats)
                positions = known.positions(as_of, (as_of - first).days, counts)
                yield Case(account, end, days, end not in begins, (as_of - first).days, values, counts, positions)


def _by_account(rows: list[tuple[object, ...]]) -> dict[int, Counts]:
    """Group rows by their first column, the account. Rows must be sorted by account."""
    table = np.array(rows, dtype=np.int64)
    accounts, starts = np.unique(table[:, 0], return_index=True)
    return dict(zip(accounts.tolist(), np.split(table[:, 1:], starts[1:]), strict=True))


class _Use:
    """The events of one account by day, user and kind. Day 0 is its first day."""

    def __init__(self, users: Counts, kinds: Counts, n_kinds: int, first: date) -> None:
        self.first = first
        n_days = int(max(users[:, 1].max(initial=0), kinds[:, 1].max(initial=0))) + 1
        self.users = np.zeros((int(users[:, 0].max(initial=0)) + 1, n_days), dtype=bool)
        self.users[users[:, 0], users[:, 1]] = True
        self.kinds = np.zeros((n_kinds, n_days))
        self.kinds[kinds[:, 0], kinds[:, 1]] = kinds[:, 2]

    def at(self, day: int, seats: float) -> tuple[dict[str, float | None], Numbers]:
        """Return the usage measures at the close of a day, and the events of each kind in its 28 days."""
        counts = _window(self.kinds, day).sum(axis=1)
        per_user = _window(self.users, day).sum(axis=1)
        active = int((per_user > 0).sum())
        values = {
            "use_vs_usual": self._ratio(day, int(per_user.sum())),
            "active_seats": active / seats if seats else None,
            "breadth": float((counts > 0).mean()),
            "depth": float((per_user >= 10).sum() / active) if active else None,
        }
        return values, counts

    def _ratio(self, day: int, now: int) -> float | None:
        if day < 112:
            return None
        before = [float(_window(self.users, day - 28 * n).sum()) for n in range(1, 7)]
        usual = np.mean(before[:3])
        if day >= 28 * 7:
            usual = max(usual, np.mean(before[3:]))
        if usual < 20:
            return float((now + 4) / (usual + 4))
        weeks = [float(_window(self.kinds, day - 7 * n).sum()) for n in range(1, 13) if day - 7 * n >= 27]
        middle = float(np.median(weeks))
        return min(float(now / usual), float(_window(self.kinds, day).sum()) / middle if middle else np.inf)


class _Peers:
    """The quantiles of each behaviour among all customers, by month end and time as a customer."""

    def __init__(self, plans: Mapping[int, list[tuple[date, date, float]]], uses: Mapping[int, _Use]) -> None:
        self._plans, self._uses = plans, uses
        self._known: dict[date, dict[str, Numbers]] = {}

    def positions(self, as_of: date, days_as_customer: int, counts: Numbers) -> Numbers:
        """Return each behaviour's position on a day; nan if there were no peers."""
        at = peers.month_end(as_of)
        if at not in self._known:
            self._known[at] = self._of(at)
        groups = self._known[at]
        of_age = groups.get(_age(days_as_customer), groups.get(""))
        if of_age is None:
            return np.full(len(counts), np.nan)
        return np.array([peers.position(x, row) for x, row in zip(counts, of_age.tolist(), strict=True)])

    def _of(self, month_end: date) -> dict[str, Numbers]:
        by_age: dict[str, list[Numbers]] = {}
        for account, terms in self._plans.items():
            use = self._uses[account]
            age = (month_end - use.first).days
            if age >= 14 and any(start <= month_end < end for start, end, _ in terms):
                counts = _window(use.kinds, age).sum(axis=1)
                for name in (_age(age), ""):
                    by_age.setdefault(name, []).append(counts)
        return {
            name: np.quantile(np.array(rows), np.array(POSITIONS) / 100, axis=0).T
            for name, rows in by_age.items()
            if len(rows) >= FEWEST or not name
        }


def _age(days: int) -> str:
    return next(name for below, name in AGE_BANDS if below is None or days < below)


def _window(table: npt.NDArray[np.generic], day: int) -> npt.NDArray[np.generic]:
    return table[:, max(0, day - 27) : max(0, day + 1)]


def _profile(days_as_customer: int) -> Profile:
    name = "onboarding" if days_as_customer < 120 else "standard"
    return max((each for each in health.load().profiles if each.name == name), key=lambda each: each.version)


def _risks(cases: list[Case], kinds: list[str]) -> tuple[dict[str, Numbers], dict[int, str]]:
    """Return each method's risk for every case, and the best single behaviours."""
    found = {name: np.zeros(len(cases)) for name in (FILE, LEARNED, FAIR, HINDSIGHT, EQUAL, EACH)}
    found[FILE] = np.array([-_configured(case) for case in cases])
    standard = _profile(120)
    measures = [measure for measure in standard.measures if measure.id in USE]
    weights = np.array([measure.weight for measure in measures])
    subs = np.array([
        [np.nan if (value := case.values[m.id]) is None else sub_score(m, value) for m in measures] for case in cases
    ])  # fmt: skip
    counts = np.array([case.counts for case in cases])
    at = np.array([case.days_before for case in cases])
    accounts = np.array([case.account for case in cases])
    order = np.random.default_rng(1).permutation(np.unique(accounts))
    fold = np.array([int(np.flatnonzero(order == each)[0]) % FOLDS for each in accounts])
    use = _rows(cases, USE, learn.filled(subs, weights))
    for number in range(FOLDS):
        seen, judged = fold != number, fold == number
        _say(f"fold {number + 1} of {FOLDS}")
        configured = dict(zip(USE, weights.tolist(), strict=True))
        found[LEARNED][judged] = _learn(use, configured, seen).risk(use.where(judged))
        for days in BEFORE:
            one, sign, _ = _best(counts, use, seen & (at == days), kinds)
            inside = judged & (at == days)
            found[FAIR][inside] = sign * counts[inside, one]
        each = _rows(cases, kinds, _feature_losses(cases, counts, use, seen))
        found[EQUAL][judged] = each.losses[judged].mean(axis=1)
        found[EACH][judged] = _learn(each, dict.fromkeys(kinds, 1.0), seen).risk(each.where(judged))
    chosen = {}
    for days in BEFORE:
        one, sign, chosen[days] = _best(counts, use, at == days, kinds)
        found[HINDSIGHT][at == days] = sign * counts[at == days, one]
    return found, chosen


def _say(text: str) -> None:
    print(f"  {text}", flush=True)


def _configured(case: Case) -> float:
    profile = _profile(case.days_as_customer)
    readings = {
        measure.id: Reading(case.values.get(measure.id), is_left_out=measure.id not in USE)
        for measure in profile.measures
    }
    return float(score(profile, readings).number or 0)


def _learn(rows: learn.Rows, configured: Mapping[str, float], seen: npt.NDArray[np.bool_]) -> learn.Fit:
    inside = rows.where(seen)
    months = np.unique(inside.decided_on.astype("datetime64[M]")).astype("datetime64[D]")
    # Every third month is enough to choose the ridge.
    return learn.choose(inside, configured, [each.astype(date) for each in months[::3]])


def _rows(cases: list[Case], measures: tuple[str, ...] | list[str], losses: Numbers) -> learn.Rows:
    decided = np.array([case.decided_on for case in cases], dtype="datetime64[D]")
    return learn.Rows(
        tuple(measures),
        losses,
        np.array([case.days_before for case in cases]),
        np.array([case.is_lost for case in cases]),
        np.array([str(case.account) for case in cases]),
        np.array([f"{case.account} {case.decided_on}" for case in cases]),
        decided,
        decided,
    )


def _best(counts: Numbers, rows: learn.Rows, chosen: npt.NDArray[np.bool_], kinds: list[str]) -> tuple[int, float, str]:
    """Return the behaviour with the best AUC in either direction: its number, its sign as a risk, its name."""
    lost = rows.is_lost[chosen].tolist()
    areas = np.array([statistics.auc(counts[chosen, n].tolist(), lost) or 0.5 for n in range(len(kinds))])
    one = int(np.abs(areas - 0.5).argmax())
    sign = 1.0 if areas[one] > 0.5 else -1.0
    return one, sign, f"{'more' if sign > 0 else 'less'} {kinds[one]}"


def _feature_losses(cases: list[Case], counts: Numbers, rows: learn.Rows, seen: npt.NDArray[np.bool_]) -> Numbers:
    """Return losses of points of a measure per behaviour: its position among peers, in the direction of the others."""
    lost = rows.is_lost[seen].tolist()
    subs = np.array([case.positions for case in cases])
    for number in range(counts.shape[1]):
        if (statistics.auc(counts[seen, number].tolist(), lost) or 0.5) > 0.5:
            subs[:, number] = 100 - subs[:, number]
    return learn.filled(subs, np.ones(subs.shape[1]))


def _print(cases: list[Case], risks: Mapping[str, Numbers]) -> None:
    """Print each method's AUC, and its gain over the best single behaviour, with 95% intervals."""
    at = np.array([case.days_before for case in cases])
    lost = np.array([case.is_lost for case in cases])
    accounts = np.array([case.account for case in cases])
    print("| | " + " | ".join(f"T-{days}" for days in BEFORE) + " |")
    print("|---|" + "---|" * len(BEFORE))
    cells: dict[str, list[str]] = {name: [] for name in risks}
    for days in BEFORE:
        inside = np.flatnonzero(at == days)
        number = np.unique(accounts[inside], return_inverse=True)[1]
        members = [inside[number == each] for each in range(int(number.max()) + 1)]
        chance = np.random.default_rng(1)
        draws = [
            np.concatenate([members[n] for n in chance.integers(0, len(members), len(members))]) for _ in range(DRAWS)
        ]
        base: Callable[[npt.NDArray[np.int64]], float] = lambda rows: _auc(risks[HINDSIGHT], lost, rows)  # noqa: E731
        bases = np.array([base(rows) for rows in draws])
        for name, risk in risks.items():
            drawn = np.array([_auc(risk, lost, rows) for rows in draws])
            low, high = np.quantile(drawn, (0.025, 0.975))
            less, more = np.quantile(drawn - bases, (0.025, 0.975))
            gain = _auc(risk, lost, inside) - base(inside)
            cells[name].append(
                f"{_auc(risk, lost, inside):.3f} ({low:.3f} to {high:.3f}); {gain:+.3f} ({less:+.3f} to {more:+.3f})"
            )
        print(f"T-{days}: {len(inside)} decisions, {int(lost[inside].sum())} lost")
    for name, texts in cells.items():
        print(f"| {name} | " + " | ".join(texts) + " |")


def _auc(risk: Numbers, lost: npt.NDArray[np.bool_], rows: npt.NDArray[np.int64]) -> float:
    return statistics.auc(risk[rows].tolist(), lost[rows].tolist()) or 0.5


# An account that leaves in the middle of a term ends only one of its products.
_PLANS = (
    "select account_id, start_date, min(end_date), max(quantity) filter (where units = 'users')"
    " from subscription group by account_id, start_date"
)
_NAMES = (
    "select event_type_name from event_type where event_type_id <= (select max(event_type_id) from event)"
    " order by event_type_id"
)
_FIRST = "(select account_id, min(start_date) as day from subscription group by account_id) as f using (account_id)"
_USERS = (
    f"select account_id, user_id, event_time::date - f.day, 1 from event join {_FIRST}"  # noqa: S608 - a constant
    " where event_time >= f.day group by 1, 2, 3 order by 1"
)
_KINDS = (
    f"select account_id, event_type_id, event_time::date - f.day, count(*) from event join {_FIRST}"  # noqa: S608 - a constant
    " where event_time >= f.day group by 1, 2, 3 order by 1"
)

if __name__ == "__main__":
    main()
