"""Touches: their newest lists, who is not on them by reason, and the lists themselves for those who may see people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from include.common.errors import ConfigError
from include.common.texts import gettext
from include.config.viewers import Viewer
from include.decide.touches import exclusions, store
from include.decide.touches.lists import named
from include.decide.touches.load import load
from include.decide.touches.schema import Touch
from include.decide.touches.store import List
from include.experiments import overview, words
from include.pages import scope
from include.warehouse.engine import engine


@dataclass(frozen=True)
class Row:
    """One touch.

    Args:
        list: Its newest list; None before the first.
        n_mine: Contacts on it at accounts that the viewer may see.
        excluded: Reason in words -> contacts, over all accounts.
        effect: What its hold-out shows, in sentences.
    """

    touch: Touch
    list: List | None = None
    n_mine: int = 0
    excluded: Sequence[tuple[str, int]] = ()
    effect: tuple[str, ...] = ()


def read(connection: sa.Connection, accounts: Sequence[str] | None) -> list[Row]:
    """Return the touches in force with their newest lists.

    Args:
        accounts: The accounts that the viewer may see; None for all.
    """
    touches, lists, mine = load(), store.newest(connection), store.n_in(connection, accounts)
    effects = overview.read(connection, touches)
    rows = []
    for name, rule in touches.items():
        newest = lists.get(name)
        counts = exclusions.in_order(newest.n_excluded) if newest else ()
        rows.append(
            Row(
                rule.file,
                newest,
                mine.get((name, newest.day), 0) if newest else 0,
                [(gettext(exclusions.WORDS[reason]), n) for reason, n in counts],
                words.of(effects[name]) if rule.file.hold_out else (),
            )
        )
    return rows


def csv(viewer: Viewer, name: str, day: date | None = None) -> str:
    """Return a list as a CSV file, limited to the accounts that the viewer may see.

    Raises:
        ConfigError: The viewer's role does not show persons, or there is no such list.
    """
    if not viewer.sees_people:
        cure = gettext("ask for the role csm, lead or head in viewers.yaml")
        raise ConfigError(gettext("Your role does not show persons."), cure=cure)
    named(name)
    with engine("reader").connect() as connection:
        found = store.get(connection, name, day)
        if found is None:
            raise ConfigError(gettext("There is no such list."), cure="`python -m include.cli touches list`")
        return store.as_csv(store.lines(connection, name, found.day, scope.accounts(connection, viewer)))
