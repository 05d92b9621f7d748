"""Touches: their recent lists, who is not on them by reason, and the lists themselves for those who may see people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from include.common.errors import ConfigError
from include.common.texts import gettext
from include.config.viewers import Viewer
from include.decide.touches import exclusions, lists, store
from include.decide.touches.load import load
from include.decide.touches.schema import Touch
from include.decide.touches.store import TouchList
from include.experiments import words
from include.experiments.overview import Entry
from include.pages import scope
from include.warehouse.engine import engine


@dataclass(frozen=True)
class Row:
    """One touch.

    Args:
        lists: Its recent lists, newest first, each with its contacts at accounts that the viewer may see.
        excluded: Reason in words -> contacts that are not on the newest list, over all accounts.
        effect: What its hold-out shows, in sentences.
    """

    touch: Touch
    lists: Sequence[tuple[TouchList, int]] = ()
    excluded: Sequence[tuple[str, int]] = ()
    effect: tuple[str, ...] = ()


def read(connection: sa.Connection, accounts: Sequence[str] | None, found: Mapping[str, Entry]) -> list[Row]:
    """Return the touches in force with their recent lists.

    Args:
        accounts: The accounts that the viewer may see; None for all.
        found: Name -> what hold-outs show.
    """
    touches, recent = load(), lists.recent(connection)
    mine = store.n_in(connection, {one.day for each in recent.values() for one in each}, accounts)
    rows = []
    for name, rule in touches.items():
        newest_first = recent.get(name, [])
        counts = exclusions.in_order(newest_first[0].n_excluded) if newest_first else ()
        rows.append(
            Row(
                rule.file,
                [(one, mine.get((name, one.day), 0)) for one in newest_first],
                [(gettext(exclusions.WORDS[reason]), n) for reason, n in counts],
                words.shown(found[name]) if name in found else (),
            )
        )
    return rows


def csv(viewer: Viewer, name: str, day: date | None = None) -> str:
    """Return a list as a CSV file, limited to the accounts that the viewer may see.

    Args:
        day: The day of the list; None for the newest.

    Raises:
        ConfigError: The viewer's role does not show persons, or there is no such list.
    """
    if not viewer.sees_people:
        cure = gettext("ask for the role csm, lead or head in viewers.yaml")
        raise ConfigError(gettext("Your role does not show persons."), cure=cure)
    lists.named(name)
    with engine("reader").connect() as connection:
        found = store.get(connection, name, day)
        if found is None:
            raise ConfigError(gettext("There is no such list."), cure="`python -m include.cli touches list`")
        return store.as_csv(store.lines(connection, name, found.day, scope.accounts(connection, viewer)))
