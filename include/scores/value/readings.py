"""Read the inputs of a customer value score, and compute it by the definition that produced it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from include.common.errors import ConfigError
from include.models import value
from include.models.value import Version
from include.scores.value.score import Reading, Score, score


@dataclass(frozen=True)
class Month:
    """The inputs of an account's score at a month end.

    Args:
        version: The definition that scores it.
        readings: Dimension -> its input.
        values: All columns of ``marts.value_input``, used in texts.
        is_preliminary: Whether the account is so new that only its order amount counts.
        not_connected: Dimensions that no connected source provides.
    """

    version: Version
    readings: Mapping[str, Reading]
    values: Mapping[str, Any]
    is_preliminary: bool
    not_connected: frozenset[str]

    @property
    def score(self) -> Score:
        return score(self.version, self.readings)


def newest(connection: sa.Connection, account_key: str) -> date:
    """Return the last month end at which an account has a score.

    Raises:
        ConfigError: There is none.
    """
    found: date | None = connection.execute(_NEWEST, {"account_key": account_key}).scalar()
    if found is None:
        raise ConfigError(
            f"{account_key} has no customer value score",
            cure="customers are scored from their first month end; trials, excluded and former customers are not",
        )
    return found


def read(connection: sa.Connection, account_key: str, as_of: date) -> Month:
    """Read the inputs of an account's score at a month end.

    Raises:
        ConfigError: The account has no score on that day.
    """
    known = value.load()
    version = known.of(as_of)
    columns = [f"({known.conditions[version.key, '', 'preliminary']}) is true as preliminary_"]
    for each in version.dimensions:
        columns += [
            f"{known.values[version.key, each.id, position]} as x{position}_{each.id}"
            for position in range(len(each.parts))
        ]
        for kind, otherwise in (("applies", "true"), ("cap", "false")):
            condition = known.conditions.get((version.key, each.id, kind))
            columns.append(f"{f'({condition}) is true' if condition else otherwise} as {kind}_{each.id}")
    row = (
        connection.execute(
            sa.text(
                f"select i.*, {', '.join(columns)} from {value.INPUT} as i"  # noqa: S608 - checked
                " where account_key = :account_key and as_of = :as_of"
            ),
            {"account_key": account_key, "as_of": as_of},
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise ConfigError(
            f"{account_key} has no customer value score on {as_of}", cure="choose the last day of a past month"
        )
    gaps = not_connected(connection)
    readings = {
        each.id: Reading(
            tuple(row[f"x{position}_{each.id}"] for position in range(len(each.parts))),
            row[f"cap_{each.id}"],
            not row[f"applies_{each.id}"] or each.id in gaps,
        )
        for each in version.dimensions
    }
    return Month(version, readings, dict(row), row["preliminary_"], gaps)


def not_connected(connection: sa.Connection) -> frozenset[str]:
    """Return the dimensions that no connected source provides."""
    return frozenset(connection.execute(_GAPS, {"prefix": value.GAP}).scalars())


_NEWEST = sa.text("select max(as_of) from marts.value_input where account_key = :account_key")
_GAPS = sa.text(
    "select substr(metric_id, length(:prefix) + 1) from meta.metric_gap"
    " where metric_id like :prefix || '%' and from_day = date '1990-01-01'"
)
