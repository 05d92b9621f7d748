"""Decide which accounts a viewer may see: their own, those of their teams or regions, or all."""

from __future__ import annotations

import sqlalchemy as sa

from include.common.texts import gettext
from include.config.viewers import Viewer
from include.warehouse.engine import has_table

_SHOWN = 10


def not_yours(account: str) -> str:
    """Return the refusal for an account that a viewer may not see."""
    return gettext("{account} is not one of your accounts.", account=account)


def accounts(connection: sa.Connection, viewer: Viewer) -> list[str] | None:
    """Return the keys of the accounts that a viewer may see; None for all."""
    if viewer.role not in _CHOSEN:
        return None
    if not has_table(connection, "core.account"):
        return []
    named = {"owner": viewer.owner, "teams": list(viewer.teams), "regions": list(viewer.regions)}
    return list(connection.execute(sa.text(_CHOSEN[viewer.role]), named).scalars())


def owners(connection: sa.Connection, viewer: Viewer) -> dict[str, str]:
    """Return the key and name of the active CSMs that a viewer may see: themselves, those of the teams, or all."""
    if not has_table(connection, "core.owner"):
        return {}
    rows = connection.execute(_OWNERS, {"owner": viewer.owner, "teams": list(viewer.teams), "role": viewer.role})
    return dict(rows.tuples().all())


def named(connection: sa.Connection, viewer: Viewer, text: str) -> tuple[str, str]:
    """Return the key of the account that a viewer means by a key, a name or a part of a name, and "".

    If the viewer may see no such account, or several: the text, and the refusal. Whoever may see all accounts gets an
    unknown text back as a key: the page says what it has on it.
    """
    chosen = accounts(connection, viewer)
    if viewer.sees_names and has_table(connection, "core.account"):
        found = connection.execute(_NAMED, {"text": text, "accounts": chosen}).all()
        best = [row for row in found if row.rank == found[0].rank]
        if len(best) == 1:
            return str(best[0].account_key), ""
        if best:
            names = ", ".join(f"{row.name} ({row.account_key})" for row in best[:_SHOWN])
            return text, gettext("{text} may mean several accounts: {names}.", text=text, names=names)
    return text, "" if chosen is None or text in chosen else not_yours(text)


def may_see(connection: sa.Connection, viewer: Viewer, account_key: str) -> bool:
    chosen = accounts(connection, viewer)
    return chosen is None or account_key in chosen


_OWNERS = sa.text(
    "select owner_key, coalesce(name, owner_key) as name from core.owner where case cast(:role as text)"
    " when 'csm' then owner_key = :owner when 'lead' then team = any(:teams) else :role in ('head', 'executive') end"
    " and coalesce(is_active, true) order by name, owner_key"
)
_NAMED = sa.text(
    "select account_key, name, case when account_key = :text then 1 when lower(name) = lower(:text) then 2 else 3 end"
    " as rank from core.account where (cast(:accounts as text[]) is null or account_key = any(:accounts))"
    " and (account_key = :text or (not is_deleted and strpos(lower(name), lower(:text)) > 0))"
    " order by rank, name, account_key limit 50"
)
_CHOSEN = {
    "csm": "select account_key from core.account where owner_key = :owner",
    "lead": "select a.account_key from core.account as a join core.owner as o on o.owner_key = a.owner_key"
    " where o.team = any(:teams)",
    "region": "select account_key from core.account where region = any(:regions)",
}
