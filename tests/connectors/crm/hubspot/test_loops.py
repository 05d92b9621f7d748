"""HubSpot responses out of order, repeated or endless: nothing is skipped, and every loop ends with an error."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from include.common.errors import Unavailable
from tests.connectors.crm.hubspot.portal import LAG, MINUTE, connect, land, live, pull
from tests.fixtures.fake_hubspot import FakeHubSpot
from tests.fixtures.fake_vendor import Reply, Request

Page = dict[str, Any]
SEARCH = "/crm/v3/objects/companies/search"


class Odd(FakeHubSpot):
    """A portal whose responses are altered before they are sent."""

    change: Callable[[Request, Page], Page] = staticmethod(lambda request, page: page)

    def __call__(self, request: Request) -> Reply | BaseException:
        reply = super().__call__(request)
        assert isinstance(reply, tuple)
        return (reply[0], self.change(request, reply[1])) if "results" in reply[1] else reply


STRAY = 9_000_000


def _stray_last(request: Request, page: Page) -> Page:
    return page | {"results": [*_without(page)[:199], *_only(page)]}


def _stray_first(request: Request, page: Page) -> Page:
    return page | {"results": [*_only(page), *_without(page)[:199]]}


def _without(page: Page) -> list[Page]:
    return [row for row in page["results"] if row["id"] != str(STRAY)]


def _only(page: Page) -> list[Page]:
    """The record with the high id, as long as it matches too."""
    row = page["results"][:1]
    return [one | {"id": str(STRAY), "properties": one["properties"] | {"name": "stray"}} for one in row]


def _backwards(request: Request, page: Page) -> Page:
    return page | {"results": page["results"][::-1]}


def _every_other(request: Request, page: Page) -> Page:
    return page | {"results": page["results"][::2]}


def _twice(request: Request, page: Page) -> Page:
    return page | {"results": [row for row in page["results"][:100] for _ in range(2)]}


def _small_total(request: Request, page: Page) -> Page:
    return page | {"total": min(page["total"], len(page["results"]))}


def _no_total(request: Request, page: Page) -> Page:
    return {name: value for name, value in page.items() if name != "total"}


@pytest.mark.parametrize(
    "change",
    [_stray_last, _stray_first, _backwards, _twice, _small_total, _no_total],
    ids=lambda f: f.__name__,
)
def test_odd_search_responses_skip_nothing(change: Callable[[Request, Page], Page]) -> None:
    portal = Odd()
    source = connect(portal)
    position = pull(source, "account", portal)[-1].next_position
    for one in range(1, 501):
        portal.put("companies", one, name=f"n{one}")
    portal.put("companies", STRAY, name="stray")
    portal.now += LAG + MINUTE
    portal.change = lambda request, page: change(request, page) if request.path == SEARCH else page
    rows: dict = {}
    land(rows, pull(source, "account", portal, position))
    assert live(rows) == portal.live("companies")


@pytest.mark.parametrize("change", [_every_other, lambda request, page: page | {"results": page["results"][1:]}])
def test_search_with_fewer_rows_than_its_total_is_an_error(change: Callable[[Request, Page], Page]) -> None:
    portal = Odd()
    source = connect(portal)
    position = pull(source, "account", portal)[-1].next_position
    for one in range(1, 99):
        portal.put("companies", one, name=f"n{one}")
    portal.now += LAG + MINUTE
    portal.change = lambda request, page: change(request, page) if request.path == SEARCH else page
    with pytest.raises(Unavailable, match="HubSpot's"):
        pull(source, "account", portal, position)


CURSORS = {
    "is still": lambda n: "7",
    "alternates": lambda n: str(7 + n % 2),
    "is always new": lambda n: str(700 + n),
}


def _leading(path: str, cursor: Callable[[int], str], *, empty: bool) -> Callable[[Request, Page], Page]:
    numbers = itertools.count()

    def change(request: Request, page: Page) -> Page:
        if request.path != path:
            return page
        rows = [] if empty else page["results"]
        return page | {"results": rows, "paging": {"next": {"after": cursor(next(numbers))}}}

    return change


@pytest.mark.parametrize("cursor", CURSORS.values(), ids=CURSORS)
@pytest.mark.parametrize("empty", [True, False])
@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("/crm/v3/objects/companies", lambda source, portal: pull(source, "account", portal)),
        ("/crm/v3/objects/companies", lambda source, portal: list(source.ids("account"))),
        ("/crm/v3/objects/companies", lambda source, portal: list(source.history("account"))),
        ("/crm/v3/owners", lambda source, portal: pull(source, "owner", portal)),
        ("/crm/v3/owners", lambda source, portal: list(source.ids("owner"))),
    ],
    ids=["rows", "ids", "history", "owners", "ids of owners"],
)
def test_endless_list_ends_with_an_error(
    cursor: Callable[[int], str], empty: bool, path: str, read: Callable[..., Any]
) -> None:
    portal = Odd()
    for one in range(1, 4):
        portal.put("companies", one, name=f"n{one}")
    portal.before = lambda request: (200, {"results": []}) if request.path.endswith("batch/read") else None
    portal.change = lambda request, page: page
    source = connect(portal)
    portal.change = _leading(path, cursor, empty=empty)
    # Beyond the cursor there is nothing, unless the same rows are returned again.
    portal._page = lambda rows, request: (200, {"results": rows[:3]})  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match=rf"HubSpot's .*{path}.*: the vendor returned"):
        read(source, portal)
    assert len(portal.seen) < 40


@pytest.mark.parametrize("cursor", CURSORS.values(), ids=CURSORS)
@pytest.mark.parametrize("empty", [True, False])
def test_endless_associations_end_with_an_error(cursor: Callable[[int], str], empty: bool) -> None:
    portal = Odd()
    portal.put("contacts", 1, email="a@b.example")
    # More companies than a list shows.
    portal.links["contacts", "companies"] = {1: [{"toObjectId": to, "associationTypes": []} for to in (5, 6, 7)]}
    numbers = itertools.count()

    def change(request: Request, page: Page) -> Page:
        if "associations" not in request.path:
            return page
        result = {"from": {"id": "1"}, "to": [] if empty else [{"toObjectId": 5}]}
        return page | {"results": [result | {"paging": {"next": {"after": cursor(next(numbers))}}}], "errors": []}

    portal.change = change
    with pytest.raises(Unavailable, match=r"HubSpot's /crm/v4/associations/contacts/companies.*: the vendor returned"):
        pull(connect(portal), "contact", portal)
    assert len(portal.seen) < 40
