"""The Reports page: the archive. Each role opens the reports of its audience; an operator sees only the list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from include.common.errors import ConfigError
from include.config.viewers import Viewer
from include.reports import archive, document
from include.reports.archive import Edition
from include.reports.page import Section
from include.warehouse.engine import engine


@dataclass(frozen=True)
class ReportsPage:
    """The list, or one report.

    Args:
        editions: Each with whether the viewer may open it.
    """

    editions: Sequence[tuple[Edition, bool]] = ()
    found: Edition | None = None
    title: str = ""
    sections: Sequence[Section] = ()


def read(viewer: Viewer, report_id: int = 0) -> ReportsPage:
    """Return the list, or one report.

    Raises:
        ConfigError: There is no report with this id, or the viewer may not open it.
    """
    with engine("reader").connect() as connection:
        if not report_id:
            listed = [(one, may_open(viewer, one)) for one in archive.listing(connection)]
            return ReportsPage([(one, opens) for one, opens in listed if opens or viewer.role == "operator"])
        found = archive.get(connection, report_id)
    if not may_open(viewer, found):
        raise ConfigError(f"your role may not open report {report_id}", cure="roles are set in viewers.yaml")
    with document.reading(found.data):
        return ReportsPage(found=found, title=document.title(found.data), sections=document.sections(found.data))


def may_open(viewer: Viewer, one: Edition) -> bool:
    """Return whether a viewer may open a report: heads any, executives theirs, regions only their own."""
    if viewer.role == "region":
        return one.audience == "regions" and bool(one.regions) and set(one.regions) <= set(viewer.regions)
    return viewer.role == "head" or (viewer.role == "executive" and one.audience == "executives")
