"""The analyses page: features that go with renewal, segments of small accounts, what customers write and ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from include.analyses import benchmark, competitors, feature_store, releases, requests, segments
from include.analyses.benchmark import Customer
from include.analyses.segments import Group
from include.analyses.triage import routes
from include.common.words import word
from include.config.viewers import Viewer
from include.pages import scope
from include.warehouse.engine import engine

_MOST = 50


@dataclass(frozen=True)
class Analyses:
    """The page.

    Args:
        features: Each feature with its effect, over all customers, strongest evidence first.
        unused: Customers of the viewer and a feature that they do not use, most ARR first; at most 50.
        n_unused: Number of all of them.
        segments: Small accounts of the viewer by segment, largest first.
        n_segmented: Number of those accounts.
        benchmark: Benchmark customers of the viewer by industry, for viewers who see names.
        mix: Labels of tickets in the last months, newest month first.
        bugs: Bugs of the last 28 days by feature, over all customers, most ARR due first. It, questions and topics are
            only for viewers of all accounts who see names: a bug may be that of one, and tickets are quoted.
        questions: Frequent questions, most tickets first.
        topics: What is asked to be managed, most tickets first.
        requests: Requests for features, over all customers, most ARR due first, for the same viewers; at most 50.
        lacking: What their figures need that is not connected.
        releases: Releases with their adoption, newest first. They name no account; at most 50.
        competitors: The competitor register, most ARR due first, for the same viewers as requests.
        reasons: Why deals were lost in which a competitor was named, with what answers it; at most 50.
        unknown_of_competitors: What the register needs that is not there.
    """

    features: Sequence[dict[str, Any]] = ()
    unused: Sequence[dict[str, Any]] = ()
    n_unused: int = 0
    segments: Sequence[Group] = ()
    n_segmented: int = 0
    benchmark: Sequence[Customer] = ()
    mix: Sequence[dict[str, Any]] = ()
    bugs: Sequence[dict[str, Any]] | None = None
    questions: Sequence[dict[str, Any]] = ()
    topics: Sequence[dict[str, Any]] = ()
    requests: Sequence[dict[str, Any]] | None = None
    lacking: Sequence[str] = ()
    releases: Sequence[dict[str, Any]] = ()
    competitors: Sequence[dict[str, Any]] | None = None
    reasons: Sequence[dict[str, Any]] = ()
    unknown_of_competitors: Sequence[str] = ()

    @property
    def lacks(self) -> str:
        """What is not available of requests, in the reader's words."""
        return ", ".join(map(word, self.lacking))

    @property
    def competitors_lack(self) -> str:
        """What is not available of the register, in the reader's words."""
        return ", ".join(map(word, self.unknown_of_competitors))


def read(viewer: Viewer) -> Analyses:
    """Return the newest stored analyses, the lists of customers limited to those that the viewer may see."""
    with engine("reader").connect() as connection:
        found = feature_store.stored(connection)
        chosen = scope.accounts(connection, viewer)
        unused = feature_store.unused(connection, chosen, _MOST)
        small = segments.accounts(connection, chosen)
        best = benchmark.read(connection, chosen) if viewer.sees_names else []
        days = routes.last_days(connection)
        mix = routes.mix(connection)
        sees_all = chosen is None and viewer.sees_names
        tickets = (
            (routes.bugs(connection, *days), routes.questions(connection), routes.topics(connection))
            if days and sees_all
            else ()
        )
        asked = requests.listed(connection) if sees_all else None
        shipped = releases.with_effects(connection, releases.stored(connection)[:_MOST])
        named = _competitors(connection) if sees_all else {}
    n_unused = unused[0]["n_all"] if unused else 0
    page = Analyses(found, unused, n_unused, segments.groups(small), len(small), best, mix, *tickets)
    lacking = requests.lacking(asked or ())
    return replace(page, requests=asked and asked[:_MOST], lacking=lacking, releases=shipped, **named)


def _competitors(connection: sa.Connection) -> dict[str, Any]:
    return {
        "competitors": competitors.listed(connection),
        "reasons": competitors.reasons(connection)[:_MOST],
        "unknown_of_competitors": competitors.lacking(connection),
    }
