"""Where tickets lead: bugs to product by ARR, frequent questions to the help centre, management to operations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa

from include.analyses.triage import model, store, texts
from include.warehouse import locks
from include.warehouse.engine import has_table

DUE_DAYS = 180
LEAST_COSINE = 0.45
FEWEST_TICKETS, FEWEST_ACCOUNTS, WITHIN_DAYS = 5, 3, 28
MOST_COMPARED = 5_000  # newest questions per language
_AT_ONCE = 500
_OFTEN = 0.2  # share of repeats from which a topic is to be optimised rather than documented


def bugs(connection: sa.Connection, first: date, last: date) -> list[dict[str, Any]]:
    """Return the bugs that were reported in some days, by feature, most ARR due first. Each account's ARR counts once.

    ``arr`` is null if none of the accounts is a known customer.
    """
    if not _is_built(connection):
        return []
    named = {"first": first, "last": last, "due": DUE_DAYS}
    rows = [dict(row) for row in connection.execute(_BUGS, named).mappings()]
    examples = store.masked_texts(connection, [row["example_key"] for row in rows])
    return [row | {"example": examples.get(row["example_key"], "")} for row in rows]


def topics(connection: sa.Connection) -> list[dict[str, Any]]:
    """Return what accounts asked to be managed in the last 28 days, most tickets first.

    ``proposal`` is *optimise* if accounts often ask again within 28 days, else *document*.
    """
    if not _is_built(connection):
        return []
    rows = [dict(row) for row in connection.execute(_TOPICS, {"days": WITHIN_DAYS}).mappings()]
    return [
        row | {"proposal": "optimise" if row["n_repeats"] >= _OFTEN * row["n_tickets"] else "document"} for row in rows
    ]


def keep_questions(connection: sa.Connection) -> int:
    """Group the questions of the last 28 days and store the frequent ones. Repeating it replaces the day.

    Returns:
        Number of frequent questions.
    """
    if not _is_built(connection):
        return 0
    rows = connection.execute(_QUESTIONS, {"days": WITHIN_DAYS, "most": MOST_COMPARED}).mappings().all()
    as_of = newest_day(connection)
    found = []
    for language in ("en", "zh"):
        chosen = [row for row in rows if row["language"] == language]
        for group in _groups(connection, [row["ticket_key"] for row in chosen]):
            members = [chosen[place] for place in group]
            n_accounts = len({row["account_key"] for row in members})
            if len(members) >= FEWEST_TICKETS and n_accounts >= FEWEST_ACCOUNTS:
                about = Counter(row["about"] for row in members).most_common(1)[0][0]
                rated = [row for row in members if row["n_replies"]]
                best = max(rated, key=lambda row: (_VALUE.get(row["rating"], 1), row["ticket_key"]), default=None)
                found.append(
                    {
                        "language": language, "about": about, "n_tickets": len(members), "n_accounts": n_accounts,
                        "keys": [row["ticket_key"] for row in members],
                        "answer": best["ticket_key"] if best and best["rating"] == "good" else None,
                    }
                )  # fmt: skip
    found.sort(key=lambda one: (-one["n_tickets"], one["keys"]))
    connection.execute(_FORGET, {"as_of": as_of})
    if found:
        now = locks.now(connection)
        connection.execute(
            _KEEP, [{**one, "as_of": as_of, "no": number, "now": now} for number, one in enumerate(found, 1)]
        )
    return len(found)


_VALUE = {"good": 2, "bad": 0}


def _groups(connection: sa.Connection, keys: Sequence[str]) -> Iterator[list[int]]:
    """Yield groups of similar tickets as places in ``keys``, the most typical ticket first.

    The ticket with the most like ones takes them all; then the next among the rest. So each is like the first one, and
    a chain of small steps cannot join two questions.
    """
    words: dict[str, str] = {}
    for start in range(0, len(keys), store.BATCH):
        words |= store.texts_of(connection, keys[start : start + store.BATCH])
    if len(keys) < FEWEST_TICKETS:
        return
    rows = model.vectors([words.get(key, "") for key in keys])
    alike = np.zeros((len(keys), len(keys)), dtype=bool)  # sets of the same pairs took a hundred times the memory
    for start in range(0, len(keys), _AT_ONCE):
        alike[start : start + _AT_ONCE] = (rows[start : start + _AT_ONCE] @ rows.T).toarray() >= LEAST_COSINE
    counts, is_free = alike.sum(axis=1), np.ones(len(keys), dtype=bool)
    while is_free.any():
        first = int(np.where(is_free, counts, -1).argmax())
        members = np.flatnonzero(alike[first] & is_free)
        if len(members) < FEWEST_TICKETS:
            return
        is_free[members] = False
        counts -= alike[:, members].sum(axis=1)
        yield [first, *(place for place in members.tolist() if place != first)]


def questions(connection: sa.Connection) -> list[dict[str, Any]]:
    """Return the newest labelled day's questions, with a masked example and the best-rated answer as a draft."""
    rows = [dict(row) for row in connection.execute(_STORED).mappings()] if _is_built(connection) else []
    examples = store.masked_texts(connection, [row["example_key"] for row in rows])
    keys = [row["answer_key"] for row in rows if row["answer_key"]]
    answers = {row.ticket_key: row for row in connection.execute(_ANSWERS, {"keys": keys})} if keys else {}
    for row in rows:
        row["example"] = examples.get(row["example_key"], "")
        found = answers.get(row["answer_key"])
        names = [found.person or "", *(found.person or "").split(), found.company or ""] if found else []
        row["draft"] = texts.masked(texts.clean("", found.body), names, most=400) if found else ""
    return rows


def unknown(connection: sa.Connection, most: int = 50) -> list[dict[str, Any]]:
    """Return the newest unknown tickets with masked texts, for an agent to label."""
    if not _is_built(connection):
        return []
    rows = [dict(row) for row in connection.execute(_UNKNOWN, {"most": most}).mappings()]
    shown = store.masked_texts(connection, [row["ticket_key"] for row in rows])
    return [row | {"text": shown.get(row["ticket_key"], "")} for row in rows]


def mix(connection: sa.Connection, months: int = 3) -> list[dict[str, Any]]:
    """Return the labels of the last months, newest month first."""
    if not _is_built(connection):
        return []
    return [dict(row) for row in connection.execute(_MIX, {"months": months}).mappings()]


def newest_day(connection: sa.Connection) -> date | None:
    """Return the last day with a labelled ticket; None if there is none."""
    if not _is_built(connection):
        return None
    found: date | None = connection.exec_driver_sql("select max(created_day) from core.ticket_triage").scalar()
    return found


def last_days(connection: sa.Connection, days: int = WITHIN_DAYS) -> tuple[date, date] | None:
    newest = newest_day(connection)
    return (newest - timedelta(days=days - 1), newest) if newest else None


def _is_built(connection: sa.Connection) -> bool:
    return all(
        has_table(connection, name) for name in ("core.ticket_triage", "marts.triage_period", "marts.qa_candidate")
    ) and has_table(connection, "marts.act_account")


_UNKNOWN = sa.text(
    "select ticket_key, created_day, language, p from core.ticket_triage"
    " where known_to is null and label = 'unknown' and labelled_by in ('rule', 'model')"
    " order by created_day desc, ticket_key limit :most"
)
_BUGS = sa.text("""
with reported as (
    select * from core.ticket_triage
    where known_to is null and label = 'bug' and created_day >= :first and created_day <= :last
),

accounts as (
    select r.about, r.account_key, a.arr, a.days_to_decision <= :due as is_due
    from (select distinct about, account_key from reported) as r
    left join marts.act_account as a on a.account_key = r.account_key
),

amounts as (
    select about, count(*) as n_accounts, sum(arr) as arr, sum(case when is_due then arr end) as arr_due
    from accounts group by about
),

seen as (
    select about, min(created_day) as first_seen from core.ticket_triage
    where known_to is null and label = 'bug' and created_day <= :last group by about
),

ranked as (
    select r.about, r.ticket_key, row_number() over (
        partition by r.about order by a.arr desc nulls last, r.p desc, r.ticket_key
    ) as place
    from reported as r left join marts.act_account as a on a.account_key = r.account_key
)

select m.about, (select count(*) from reported as r where r.about = m.about) as n_tickets, m.n_accounts, m.arr,
    case when m.arr is not null then coalesce(m.arr_due, 0) end as arr_due, s.first_seen, k.ticket_key as example_key
from amounts as m
join seen as s on s.about = m.about
join ranked as k on k.about = m.about and k.place = 1
order by m.arr_due desc nulls last, m.arr desc nulls last, n_tickets desc, m.about
""")
_TOPICS = sa.text("""
with asked as (
    select *, lag(created_day) over (partition by account_key, about order by created_day, ticket_key) as before
    from core.ticket_triage
    where known_to is null and label = 'management'
)

select about, count(*) as n_tickets, count(distinct account_key) as n_accounts,
    count(*) filter (where about <> '' and created_day - before <= :days) as n_repeats
from asked
where created_day > (select max(created_day) from core.ticket_triage) - :days
group by about order by n_tickets desc, about
""")
_QUESTIONS = sa.text("""
with newest as (
    select max(created_day) as day from core.ticket_triage
)

select * from (
    select t.ticket_key, t.account_key, t.language, t.about, k.rating, k.n_replies,
        row_number() over (partition by t.language order by t.created_day desc, t.ticket_key) as place
    from core.ticket_triage as t
    join core.ticket as k on k.ticket_key = t.ticket_key
    cross join newest as n
    where t.known_to is null and t.label = 'how_to' and t.created_day > n.day - :days
) as q where place <= :most order by ticket_key
""")
_FORGET = sa.text("delete from meta.qa_cluster where as_of = :as_of")
_KEEP = sa.text(
    "insert into meta.qa_cluster (as_of, cluster_no, language, about, n_tickets, n_accounts, ticket_keys, answer_key,"
    " known_from) values (:as_of, :no, :language, :about, :n_tickets, :n_accounts, :keys, :answer, :now)"
)
_STORED = sa.text(
    "select * from marts.qa_candidate where as_of = (select max(created_day) from core.ticket_triage)"
    " order by cluster_no"
)
_ANSWERS = sa.text("""
select t.ticket_key, c.body, u.name as person, a.name as company
from core.ticket as t
join staging.stg_support__ticket as s on s.source = t.source and s.ticket_id = t.ticket_id
join lateral (
    select body from staging.stg_support__ticket_comment as c
    where c.source = t.source and c.ticket_id = t.ticket_id and not c.is_deleted
        and c.author_id is distinct from s.requester_id
    order by c.created_at desc, c.comment_id limit 1
) as c on true
left join staging.stg_support__user as u on u.source = s.source and u.user_id = s.requester_id
left join core.account as a on a.account_key = t.account_key
where t.ticket_key = any(:keys)
""")
_MIX = sa.text(
    "select * from marts.triage_period where month in (select distinct month from marts.triage_period"
    " order by month desc limit :months) order by month desc, n_tickets desc, label"
)
