"""What a decision finds of its rules: which subjects each has to act on, and the last episode of each."""

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
    """What was found of one rule.

    Args:
        hits: What opens or is open, or was chosen by another rule.
        episodes: The last episode of each subject.
        is_first: Whether it was never evaluated before.
        first_scan_on: The day on which it was first evaluated.
    """

    rule: Rule[File]
    hits: Sequence[Hit]
    episodes: Mapping[str, Episode] = field(default_factory=dict)
    is_first: bool = False
    first_scan_on: date = date.min


def first_scans(
    connection: sa.Connection, names: Collection[str], today: date
) -> tuple[dict[str, date], frozenset[str]]:
    """Note which rules are evaluated today.

    Returns:
        The day on which each was first evaluated, and those that were never evaluated before.
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
