"""Decide which accounts a viewer may see: their own, those of their teams or regions, or all."""

from __future__ import annotations

import sqlalchemy as sa

from include.common.texts import gettext
from include.config.viewers import Viewer
from include.warehouse.engine import has_table


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


def may_see(connection: sa.Connection, viewer: Viewer, account_key: str) -> bool:
    chosen = accounts(connection, viewer)
    return chosen is None or account_key in chosen


_OWNERS = sa.text(
    "select owner_key, coalesce(name, owner_key) as name from core.owner where case cast(:role as text)"
    " when 'csm' then owner_key = :owner when 'lead' then team = any(:teams) else :role in ('head', 'executive') end"
    " and coalesce(is_active, true) order by name, owner_key"
)
_CHOSEN = {
    "csm": "select account_key from core.account where owner_key = :owner",
    "lead": "select a.account_key from core.account as a join core.owner as o on o.owner_key = a.owner_key"
    " where o.team = any(:teams)",
    "region": "select account_key from core.account where region = any(:regions)",
}
