"""What people did, the newest first: decisions on data, answers, judgements and approvals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from include.config.viewers import Viewer
from include.warehouse.engine import engine

_MOST = 200


@dataclass(frozen=True)
class Ledger:
    """The page.

    Args:
        is_for_viewer: Whether the viewer's role may read it.
    """

    is_for_viewer: bool
    rows: Sequence[dict[str, Any]] = ()


def read(viewer: Viewer, person: str = "") -> Ledger:
    """Return the last actions: all of them for a head, those about data for an operator.

    Args:
        person: Only what this person did; "" for everybody.
    """
    if viewer.role not in ("head", "operator"):
        return Ledger(False)
    parameters = {"person": person.strip(), "all": viewer.role == "head", "most": _MOST}
    with engine("reader").connect() as connection:
        return Ledger(True, [dict(row) for row in connection.execute(_ACTIONS, parameters).mappings()])


_ACTIONS = sa.text(
    "select done_at, person, action, subject, account_key, reason from ops.human_action"
    " where (:person = '' or person = :person) and (:all or topic = 'data')"
    " order by done_at desc nulls last, subject limit :most"
)
