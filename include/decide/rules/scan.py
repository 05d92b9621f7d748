"""The scan of a rule: the subjects that it must act on, and the last episode of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Generic

import sqlalchemy as sa

from include.decide.episodes import Episode
from include.decide.rules.evaluate import Hit
from include.decide.rules.load import File, Rule


@dataclass(frozen=True)
class Scanned(Generic[File]):
    """The scan of one rule.

    Args:
        hits: Subjects that open, are open, or were chosen by another rule.
        episodes: The last episode of each subject.
        is_first: Whether the rule was never evaluated before.
        first_scan_on: The day of its first evaluation.
    """

    rule: Rule[File]
    hits: Sequence[Hit]
    episodes: Mapping[str, Episode] = field(default_factory=dict)
    is_first: bool = False
    first_scan_on: date = date.min


def first_scans(
    connection: sa.Connection, names: Collection[str], today: date
) -> tuple[dict[str, date], frozenset[str]]:
    """Record which rules are evaluated for the first time today.

    Returns:
        The day of each rule's first evaluation, and the rules that were never evaluated before.
    """
    values = {"names": list(names), "today": today}
    fresh = connection.execute(
        sa.text(
            "insert into ops.signal (signal, first_scan_on) select name, :today from unnest(cast(:names as text[]))"
            " as name on conflict do nothing returning signal"
        ),
        values,
    ).scalars()
    rows = connection.execute(
        sa.text("select signal, first_scan_on from ops.signal where signal = any(:names)"), values
    )
    return dict(rows.tuples().all()), frozenset(fresh)
