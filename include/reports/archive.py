"""The archive of reports, ``ops.report``: every edition ever made. Rows never change."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from include.common.errors import ConfigError


@dataclass(frozen=True)
class Edition:
    """One edition of a report.

    Args:
        regions: The regions that it covers; empty for all.
        sha256: Hash of the page.
        html, data: The page and its content; empty in listings.
    """

    report_id: int
    report: str
    period: str
    audience: str
    regions: tuple[str, ...]
    edition: int
    sha256: str
    made_at: datetime
    html: str = ""
    data: dict[str, Any] = field(default_factory=dict)


def keep(
    connection: sa.Connection, data: dict[str, Any], html: str, regions: Sequence[str], made_at: datetime
) -> Edition:
    """Store an edition."""
    sha256 = hashlib.sha256(html.encode()).hexdigest()
    named = {name: data[name] for name in ("report", "period", "audience", "edition")}
    values = {**named, "regions": list(regions), "sha256": sha256, "html": html, "made_at": made_at}
    row = connection.execute(_KEEP, {**values, "data": orjson.dumps(data).decode()})
    return Edition(row.scalar_one(), **{**values, "regions": tuple(regions), "data": data})


def last(connection: sa.Connection, report: str, period: str) -> Edition | None:
    """Return the newest edition of a period."""
    row = connection.execute(_LAST, {"report": report, "period": period}).mappings().one_or_none()
    return Edition(**{**row, "regions": tuple(row["regions"])}) if row else None


def get(connection: sa.Connection, report_id: int) -> Edition:
    """Return one edition with its page.

    Raises:
        ConfigError: There is no edition with this id.
    """
    row = connection.execute(_GET, {"id": report_id}).mappings().one_or_none()
    if row is None:
        raise ConfigError(f"there is no report {report_id}", cure="`python -m include.cli report list` shows them")
    return Edition(**{**row, "regions": tuple(row["regions"])})


def listing(connection: sa.Connection, most: int = 200) -> list[Edition]:
    """Return editions without their content, newest first."""
    rows = connection.execute(_LIST, {"most": most}).mappings()
    return [Edition(**{**row, "regions": tuple(row["regions"])}) for row in rows]


_NAMES = "report_id, report, period, audience, regions, edition, sha256, made_at"
_KEEP = sa.text(
    "insert into ops.report (report, period, audience, regions, edition, sha256, html, data, made_at) values"
    " (:report, :period, :audience, :regions, :edition, :sha256, :html, cast(:data as jsonb), :made_at)"
    " returning report_id"
)
_LAST = sa.text(
    f"select {_NAMES}, html, data from ops.report where report = :report and period = :period"  # noqa: S608
    " order by edition desc limit 1"
)
_GET = sa.text(f"select {_NAMES}, html, data from ops.report where report_id = :id")  # noqa: S608
_LIST = sa.text(f"select {_NAMES} from ops.report order by report_id desc limit :most")  # noqa: S608
