"""The growth page: the funnel, channels, paths to activation, referrals and campaigns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from include import config
from include.analyses import growth
from include.common.words import word
from include.config.viewers import Viewer
from include.pages import scope
from include.warehouse.engine import engine

_MOST = 50


@dataclass(frozen=True)
class Page:
    """The page.

    Args:
        growth: Over all customers. It names no account.
        margin: Gross margin, for the months until a customer has paid back its cost.
        referrers: Accounts of the viewer that referred others; at most 50.
        sees_company: Whether the viewer sees amounts of all accounts together.
    """

    growth: growth.Growth
    margin: float
    referrers: Sequence[dict[str, Any]]
    sees_company: bool

    @property
    def lacks(self) -> str:
        """What is not available, in the reader's words."""
        return ", ".join(word(need) for need in self.growth.missing)


def read(viewer: Viewer) -> Page:
    """Return the funnel and the channels over all customers, and the viewer's accounts that referred others."""
    settings = config.load()
    with engine("reader").connect() as connection:
        found = growth.read(connection, settings, config.today())
        chosen = scope.accounts(connection, viewer)
        referrers = growth.referrers(connection, chosen)[:_MOST]
    return Page(found, settings.kpis.gross_margin, referrers, viewer.sees_company)
