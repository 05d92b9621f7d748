"""Read the texts of tickets in batches, label them, keep each change of a label, and refit the model on corrections.

Texts are read from the desk's records when they are needed and never stored again: retention and erasure need to know
nothing about triage.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import orjson
import sqlalchemy as sa

from include import config
from include.analyses.triage import model, texts
from include.analyses.triage.model import Guess, Model
from include.common.errors import PerennialError
from include.config import triage as settings
from include.config.triage import LABELS, UNKNOWN, Triage
from include.warehouse import locks
from include.warehouse.engine import has_table

BATCH = 1_000
DAYS = 400  # older tickets are not labelled
AGAIN_DAYS = 90  # a new model also labels tickets that are younger than this again
REFIT_DAYS = 28
FEWEST_NEW = 40  # labels since the last fit without which it is not repeated
MOST_JUDGED, MOST_FITTED = 500, 2_000
TABLES = ("core.ticket", "staging.stg_support__ticket", "staging.stg_support__ticket_comment")
Row = Mapping[Any, Any]


def label_all(begin: Callable[[], AbstractContextManager[sa.Connection]]) -> dict[str, int]:
    """Label every ticket that is new, has changed, or was labelled by an older model. Corrections stay.

    Args:
        begin: Opens a transaction. Each batch has its own, so that a run that is killed resumes.

    Returns:
        Label -> number of tickets that got it, because they had none or another one.
    """
    rules = config.load().triage
    with begin() as connection:
        if not all(has_table(connection, name) for name in TABLES):
            return {}
        for statement in _FORGET_ERASED:
            connection.execute(statement)
        version, fitted = _newest(connection, rules)
    changed: Counter[str] = Counter()
    after, n_rows = "", BATCH
    while n_rows == BATCH:
        with begin() as connection:
            named = {"after": after, "version": version, "days": DAYS, "again": AGAIN_DAYS, "most": BATCH}
            rows = connection.execute(_TO_LABEL, named).mappings().all()
            changed.update(_label_batch(connection, rows, rules, version, fitted))
        n_rows = len(rows)
        after = rows[-1]["ticket_key"] if rows else after
    return dict(changed)


def _label_batch(
    connection: sa.Connection, rows: Sequence[Row], rules: Triage, version: int, fitted: Model
) -> list[str]:
    """Label some tickets and return the labels that are new or differ from before."""
    if not rows:
        return []
    now = locks.now(connection)
    new = []
    for row, (text, guess) in zip(rows, _guesses(rows, fitted, rules), strict=True):
        label = _label(row, text, guess, rules, version) | {"now": now}
        is_erased = row["label"] is not None and guess.by == "empty"  # what it was about stays
        if not is_erased and (row["label"], row["labelled_by"], row["about"]) != (
            guess.label,
            guess.by,
            label["about"],
        ):
            new.append(label)
    if new:
        connection.execute(_KEEP, new)
    connection.execute(_CHECKED, {"keys": [row["ticket_key"] for row in rows], "version": version, "now": now})
    return [label["label"] for label in new]


def _guesses(rows: Sequence[Row], fitted: Model, rules: Triage) -> list[tuple[str, Guess]]:
    """Return the cleaned text and the label of each ticket; only what neither desk nor spam decides is guessed."""
    words = [texts.clean(row["subject"], row["body"], rules.ignored_lines) for row in rows]
    found: list[Guess | None] = []
    for row, text in zip(rows, words, strict=True):
        label = rules.of_desk((row["ticket_type"] or "", *(row["tags"] or "").split(",")))
        if label:
            found.append(Guess(label, 1.0, "desk"))
        elif not text:
            found.append(Guess(UNKNOWN, 0.0, "empty"))
        elif settings.matches(rules.spam, text):
            found.append(Guess(UNKNOWN, 0.0, "spam"))
        else:
            found.append(None)
    rest = iter(fitted.guess([text for text, guess in zip(words, found, strict=True) if guess is None], rules))
    return [(text, guess or next(rest)) for text, guess in zip(words, found, strict=True)]


def _label(row: Row, text: str, guess: Guess, rules: Triage, version: int) -> dict[str, Any]:
    return {
        "key": row["ticket_key"],
        "label": guess.label,
        "p": guess.p,
        "by": guess.by,
        "person": "",
        "about": rules.subject_of(guess.label, text),
        "language": texts.language(text) if text else "",
        "version": version if guess.by in ("rule", "model") else 0,
        "checked_version": version,
    }


def correct(connection: sa.Connection, ticket_key: str, label: str, person: str) -> None:
    """Store an agent's label. It replaces any other, and the model learns from it.

    Raises:
        PerennialError: There is no such label or ticket.
    """
    if label not in LABELS:
        raise PerennialError(f"unknown label {label}", cure=f"labels: {', '.join(LABELS)}")
    row = connection.execute(_ONE, {"keys": [ticket_key]}).mappings().first()
    if row is None:
        raise PerennialError(f"unknown ticket {ticket_key}", cure="write it as `analysis triage` lists it: source:id")
    rules = config.load().triage
    text = texts.clean(row["subject"], row["body"], rules.ignored_lines)
    connection.execute(
        _KEEP,
        _label(row, text, Guess(label, 1.0, "agent"), rules, 0) | {"person": person, "now": locks.now(connection)},
    )


def refit(connection: sa.Connection) -> int:
    """Fit the model again on seeds and corrections, if a month has passed, and keep it if it is better.

    Both models are compared on the newest 500 labels that neither has seen: the new one in five folds. Other patterns
    or seeds always lead to a new model, since the old one does not know them.

    Returns:
        The version that labels from now on.
    """
    rules, now = config.load().triage, locks.now(connection)
    known = rules_hash(rules)
    last = connection.execute(_LAST_FIT).mappings().first()
    kept = connection.execute(_KEPT).mappings().first()
    is_same = kept is not None and kept["rules"] == known
    # Before any text is read: this runs every day.
    if kept and last and is_same:
        n_fresh = connection.execute(_N_FRESH, {"since": kept["fitted_at"]}).scalar_one()
        if last["fitted_at"] > now - timedelta(days=REFIT_DAYS) or n_fresh < FEWEST_NEW:
            return int(kept["version"])
    has_tickets = all(has_table(connection, name) for name in TABLES)
    labelled = connection.execute(_LABELLED, {"most": MOST_FITTED}).mappings().all() if has_tickets else []
    pairs = [(texts.clean(row["subject"], row["body"], rules.ignored_lines), row["label"]) for row in labelled]
    seeds = settings.seeds().labelled
    if kept and last and is_same:
        fresh = [pair for row, pair in zip(labelled, pairs, strict=True) if row["known_from"] > kept["fitted_at"]]
        if len(fresh) < FEWEST_NEW:  # some of their tickets are erased
            return int(kept["version"])
        judged, older = fresh[:MOST_JUDGED], [*fresh[MOST_JUDGED:], *pairs[len(fresh) :], *seeds]
        words, labels = [text for text, _ in judged], [label for _, label in judged]
        before = model.macro_f1(labels, [one.label for one in Model.load(kept["content"]).guess(words, rules)])
        after = model.macro_f1(labels, [one.label for one in model.cross_validated(words, labels, rules, older)])
    else:
        judged, before, after = [], None, None
    is_better = before is None or after is None or after > before
    all_of_them = [*pairs, *seeds]
    made = (
        model.fit([text for text, _ in all_of_them], [label for _, label in all_of_them], rules) if is_better else None
    )
    version = last["version"] + 1 if last else 1
    connection.execute(
        _KEEP_MODEL,
        {
            "version": version, "rules": known, "n_labels": len(all_of_them), "n_judged": len(judged), "f1": after,
            "before": before, "is_kept": is_better, "content": made.dump() if made else b"", "now": now,
        },
    )  # fmt: skip
    return version if is_better or not kept else int(kept["version"])


def rules_hash(rules: Triage) -> str:
    """Return a short hash of what a model is fitted with besides corrections."""
    content = [[one.model_dump(mode="json") for one in rules.patterns], settings.seeds().model_dump(mode="json")]
    return hashlib.sha256(orjson.dumps(content)).hexdigest()[:16]


def _newest(connection: sa.Connection, rules: Triage) -> tuple[int, Model]:
    """Return the version and the model that label, without storing one: a first run fits it from the seeds."""
    kept = connection.execute(_KEPT).mappings().first()
    if kept and kept["rules"] == rules_hash(rules):
        return int(kept["version"]), Model.load(kept["content"])
    seeds = settings.seeds().labelled
    return (int(kept["version"]) if kept else 0), model.fit([t for t, _ in seeds], [label for _, label in seeds], rules)


def texts_of(connection: sa.Connection, keys: Sequence[str]) -> dict[str, str]:
    """Return the cleaned texts of tickets."""
    ignored = config.load().triage.ignored_lines
    return {
        row["ticket_key"]: texts.clean(row["subject"], row["body"], ignored)
        for row in connection.execute(_ONE, {"keys": list(keys)}).mappings()
    }


def masked_texts(connection: sa.Connection, keys: Sequence[str]) -> dict[str, str]:
    """Return excerpts of tickets without the names of the requester and the account, addresses and numbers."""
    names = {
        row.ticket_key: [*(row.person or "").split(), row.person or "", row.company or ""]
        for row in connection.execute(_NAMES, {"keys": list(keys)})
    }
    return {key: texts.masked(text, names.get(key, ())) for key, text in texts_of(connection, keys).items()}


# The requester's first public comment, found by ticket. What the desk writes first is no question of the customer.
_COMMENT = """
left join lateral (
    select c.body, c.known_from from staging.stg_support__ticket_comment as c
    where c.source = t.source and c.ticket_id = t.ticket_id and not c.is_deleted
        and (c.author_id = s.requester_id or s.requester_id is null)
    order by c.created_at, c.comment_id limit 1
) as c on true
"""
_DESK = "join staging.stg_support__ticket as s on s.source = t.source and s.ticket_id = t.ticket_id"
# A merge commits its rows some time after their stamp, hence the hour.
_TO_LABEL = sa.text(f"""
select t.ticket_key, s.subject, s.ticket_type, s.tags, c.body, l.label, l.labelled_by, l.about
from core.ticket as t {_DESK} {_COMMENT}
left join lateral (
    select n.* from meta.ticket_label as n where n.ticket_key = t.ticket_key order by n.label_id desc limit 1
) as l on true
where t.ticket_key > :after and not t.is_deleted
    and t.created_day > (select max(created_day) from core.ticket) - :days
    and l.labelled_by is distinct from 'agent'
    and (l.ticket_key is null or greatest(s.known_from, c.known_from) > l.checked_at - interval '1 hour' or (
        l.checked_version < :version and t.created_day > (select max(created_day) from core.ticket) - :again
    ))
order by t.ticket_key limit :most
""")  # noqa: S608 - texts of this file
_ONE = sa.text(
    f"select t.ticket_key, s.subject, c.body from core.ticket as t {_DESK} {_COMMENT}"  # noqa: S608
    " where t.ticket_key = any(:keys) and not t.is_deleted"
)
_NAMES = sa.text(
    f"select t.ticket_key, u.name as person, a.name as company from core.ticket as t {_DESK}"  # noqa: S608
    " left join staging.stg_support__user as u on u.source = s.source and u.user_id = s.requester_id"
    " left join core.account as a on a.account_key = t.account_key where t.ticket_key = any(:keys)"
)
_KEEP = sa.text(
    "insert into meta.ticket_label (ticket_key, label, p, labelled_by, person, about, language, version, known_from,"
    " checked_version, checked_at) values (:key, :label, :p, :by, :person, :about, :language, :version, :now,"
    " :checked_version, :now)"
)
_CHECKED = sa.text(
    "update meta.ticket_label as l set checked_version = :version, checked_at = :now where l.label_id in"
    " (select max(label_id) from meta.ticket_label where ticket_key = any(:keys) group by ticket_key)"
)
# Deleted tickets stay in the staging table; only erased ones are not there.
_FORGET_ERASED = [
    sa.text(
        f"delete from meta.{table} as l where ticket_key is not null and not exists ("  # noqa: S608
        "select from staging.stg_support__ticket as s where s.source || ':' || s.ticket_id = l.ticket_key)"
    )
    for table in ("ticket_label", "request_entry")
]
_LAST_FIT = sa.text("select version, fitted_at from meta.triage_model order by version desc limit 1")
_KEPT = sa.text(
    "select version, rules, content, fitted_at from meta.triage_model where is_kept order by version desc limit 1"
)
_KEEP_MODEL = sa.text(
    "insert into meta.triage_model (version, rules, n_labels, n_judged, f1, f1_before, is_kept, content, fitted_at)"
    " values (:version, :rules, :n_labels, :n_judged, :f1, :before, :is_kept, :content, :now)"
)
_NEWEST = """
(
    select distinct on (ticket_key) ticket_key, label, labelled_by, known_from
    from meta.ticket_label order by ticket_key, label_id desc
) as n
"""
_IS_BY_PEOPLE = "n.labelled_by in ('agent', 'desk') and n.label <> 'unknown'"
_N_FRESH = sa.text(f"select count(*) from {_NEWEST} where {_IS_BY_PEOPLE} and n.known_from > :since")  # noqa: S608
_LABELLED = sa.text(f"""
select n.label, n.known_from, s.subject, c.body
from {_NEWEST} join core.ticket as t on t.ticket_key = n.ticket_key {_DESK} {_COMMENT}
where {_IS_BY_PEOPLE} and not t.is_deleted
    and coalesce(s.subject, c.body) is not null
order by n.known_from desc, n.ticket_key limit :most
""")  # noqa: S608 - texts of this file
