"""The catalogue page: datasets with their owners, the tracking plan, and the definitions in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from include.config.viewers import Viewer
from include.operations import catalogue
from include.operations.catalogue import Dataset, Definition, PlannedEvent


@dataclass(frozen=True)
class Catalogue:
    """The page."""

    datasets: Sequence[Dataset]
    events: Sequence[PlannedEvent]
    definitions: Sequence[Definition]


def read(viewer: Viewer) -> Catalogue:
    """Return the page. It contains no data of customers, so every role sees all of it."""
    return Catalogue(catalogue.datasets(), catalogue.events(), catalogue.definitions())
