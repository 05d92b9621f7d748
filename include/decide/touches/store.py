"""The archive of hand-off lists, ``ops.touch_list``. Rows are only added, so a list of a day never changes."""

from __future__ import annotations

import csv as csv_format
import hashlib
import io
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
import sqlalchemy as sa

from include.config.touches import Consent
from include.decide.touches import exclusions
from include.decide.touches.exclusions import Contact
from include.ingest.suppression import ERASED
from include.warehouse.engine import has_table

COLUMNS = ("contact_key", "account_key", "account_name", "email", "name", "language", "subject", "body_html")
# A spreadsheet takes a cell for a formula by its first character, and some split at other separators than the comma:
# https://owasp.org/www-community/attacks/CSV_Injection
_SIGNS = "=+@＝＋－＠-"
_FORMULA = re.compile(rf"(^|[;|])(\s*)(?=[{_SIGNS}])")
_FORMULA_IN_HTML = re.compile(rf"(?:^|[;|])[\s{_SIGNS}]+")
_AS_ENTITIES = {ord(sign): f"&#{ord(sign)};" for sign in _SIGNS}  # a mail shows the sign itself


@dataclass(frozen=True)
class TouchList:
    """One list.

    Args:
        n_accounts: Accounts in the audience.
        n_excluded: Reason -> contacts that are not listed.
        sha256: Hash of the CSV file.
        made_at: None for a dry listing.
    """

    touch: str
    day: date
    version: int
    n_accounts: int
    n_listed: int
    n_excluded: Mapping[str, int]
    sha256: str
    made_at: datetime | None = None


def line(values: Sequence[str]) -> str:
    """Return one line of the CSV file. Values have no line breaks, so that a person is one line."""
    written = io.StringIO()
    *cells, body = [" ".join(value.split()) for value in values]
    safe = [_FORMULA.sub(r"\1\2'", cell) for cell in cells]
    body = _FORMULA_IN_HTML.sub(lambda found: found[0].translate(_AS_ENTITIES), body)
    csv_format.writer(written, lineterminator="").writerow([*safe, body])
    return written.getvalue()


def as_csv(lines: Sequence[str]) -> str:
    """Return the CSV file, without lines that an erasure or housekeeping has blanked."""
    return "".join(f"{one}\n" for one in (line(COLUMNS), *lines) if one != ERASED)


def digest(lines: Sequence[str]) -> str:
    return hashlib.sha256(as_csv(lines).encode()).hexdigest()


def keep(
    connection: sa.Connection,
    made: TouchList,
    contacts: Sequence[Contact],
    lines: Sequence[str],
    whole: Collection[str],
) -> None:
    """Store a list with its lines, one for each contact.

    Args:
        whole: Accounts all of whose contacts with an address are listed.
    """
    excluded = orjson.dumps(dict(made.n_excluded)).decode()
    connection.execute(_KEEP, {**vars(made), "n_excluded": excluded})
    if contacts:
        rows = [
            {
                "touch": made.touch, "day": made.day, "number": number, "contact_key": contact.contact_key,
                "account_key": contact.account_key, "line": text, "is_whole": contact.account_key in whole,
            }
            for number, (contact, text) in enumerate(zip(contacts, lines, strict=True), 1)
        ]  # fmt: skip
        connection.execute(_KEEP_CONTACTS, rows)


def get(connection: sa.Connection, touch: str, day: date | None = None) -> TouchList | None:
    """Return the list of a day; by default the newest one."""
    row = connection.execute(_GET, {"touch": touch, "day": day}).mappings().one_or_none()
    return TouchList(**row) if row else None


def recent(connection: sa.Connection, since: date) -> dict[str, list[TouchList]]:
    """Return touch -> its lists after a day, newest first; at least the newest one."""
    found: dict[str, list[TouchList]] = {}
    for row in connection.execute(_RECENT, {"since": since}).mappings():
        found.setdefault(row["touch"], []).append(TouchList(**row))
    return found


def lines(connection: sa.Connection, touch: str, day: date, accounts: Collection[str] | None = None) -> list[str]:
    """Return the lines of a list.

    Args:
        accounts: Only those of these accounts; None for all.
    """
    named = {"touch": touch, "day": day, "accounts": None if accounts is None else list(accounts)}
    return list(connection.execute(_LINES, named).scalars())


def n_in(
    connection: sa.Connection, days: Collection[date], accounts: Collection[str] | None
) -> dict[tuple[str, date], int]:
    """Return touch and day -> the contacts of some accounts on the lists of these days; None for all accounts."""
    named = {"days": list(days), "accounts": None if accounts is None else list(accounts)}
    return {(touch, day): n for touch, day, n in connection.execute(_N_IN, named)}


def last_of_accounts(
    connection: sa.Connection, since: date, consent: Consent, rules: Mapping[str, str]
) -> dict[str, str]:
    """Return account -> the touch of its last list after a day, if all of its contacts with an address are on it.

    A value of the account applies to all its contacts: one that may not be written to rules out the account, also one
    who joined since, or may not be written to any more.

    Args:
        rules: Touch -> its ``consent``.
    """
    if not all(has_table(connection, name) for name in ("core.account", "core.contact", "staging.stg_crm__contact")):
        return {}
    rows = connection.execute(_OF_ACCOUNT, {"since": since}).all()
    out = {row.account_key for row in rows if row.contact_key and not _is_still_fit(row, consent, rules)}
    return {row.account_key: row.touch for row in rows if row.account_key not in out}


def _is_still_fit(row: Any, consent: Consent, rules: Mapping[str, str]) -> bool:
    contact = Contact(
        row.contact_key, row.account_key, region=row.region, consent=row.consent, is_opted_out=row.is_opted_out,
        has_bounced=bool(row.has_bounced),
    )  # fmt: skip
    return row.is_listed and not exclusions.barred(contact, consent, rules.get(row.touch, "by_region"))


# The addresses of each CRM record, and address -> whether it opted out or bounced. One record with an address is
# enough, also a deleted one or one without an account. For an opt-out, so is one that has it as a further address:
# after a merge, the mail would reach the same person at another address.
OPT_OUTS = """
addresses as (
    select v.contact_key, lower(trim(each.address)) as address, each.place, v.is_opted_out, v.has_bounced
    from (
        select distinct on (source, contact_id)
            source || ':' || contact_id as contact_key, email, other_emails, is_opted_out,
            has_bounced
        from staging.stg_crm__contact
        order by source, contact_id, known_from desc, batch_id desc
    ) as v
    cross join lateral unnest(array[v.email] || string_to_array(v.other_emails, ','))
        with ordinality as each (address, place)
    where trim(each.address) <> ''
),

opted_out as (
    select distinct contact_key from addresses where address in (select address from addresses where is_opted_out)
),

opt_outs as (
    select
        a.address,
        bool_or(o.contact_key is not null or case when a.place = 1 then a.is_opted_out end) as is_opted_out,
        bool_or(a.has_bounced and a.place = 1) as has_bounced
    from addresses as a
    left join opted_out as o on o.contact_key = a.contact_key
    group by a.address
)
""".strip()
_NAMES = "touch, day, version, n_accounts, n_listed, n_excluded, sha256, made_at"
_OF_ACCOUNTS = "(cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))"
_KEEP = sa.text(
    f"insert into ops.touch_list ({_NAMES}) values (:touch, :day, :version, :n_accounts, :n_listed,"  # noqa: S608
    " cast(:n_excluded as jsonb), :sha256, :made_at)"
)
_KEEP_CONTACTS = sa.text(
    "insert into ops.touch_contact (touch, day, number, contact_key, account_key, line, is_whole)"
    " values (:touch, :day, :number, :contact_key, :account_key, :line, :is_whole)"
)
_GET = sa.text(
    f"select {_NAMES} from ops.touch_list where touch = :touch"  # noqa: S608
    " and (cast(:day as date) is null or day = :day) order by day desc limit 1"
)
_RECENT = sa.text(
    f"select {_NAMES} from ops.touch_list as t where day > :since"  # noqa: S608
    " or day = (select max(day) from ops.touch_list as n where n.touch = t.touch) order by touch, day desc"
)
_LINES = sa.text(
    f"select line from ops.touch_contact where touch = :touch and day = :day and {_OF_ACCOUNTS}"  # noqa: S608
    " order by number"
)
_N_IN = sa.text(
    "select touch, day, count(*) from ops.touch_contact where day = any(:days)"  # noqa: S608
    f" and {_OF_ACCOUNTS} group by touch, day"
)
_OF_ACCOUNT = sa.text(f"""
with newest_lists as (
    select distinct on (account_key) account_key, touch, day, is_whole
    from ops.touch_contact
    where day > :since
    order by account_key, day desc, touch
),

{OPT_OUTS}

select
    l.account_key, l.touch, c.contact_key, coalesce(c.region, a.region) as region, c.consent, o.is_opted_out,
    o.has_bounced, t.contact_key is not null as is_listed
from newest_lists as l
left join core.account as a on a.account_key = l.account_key
left join core.contact as c
    on c.account_key = l.account_key and trim(c.email) <> '' and not coalesce(c.is_deleted, false)
left join opt_outs as o on o.address = lower(trim(c.email))
left join ops.touch_contact as t on t.touch = l.touch and t.day = l.day and t.contact_key = c.contact_key
where l.is_whole
""")  # noqa: S608
