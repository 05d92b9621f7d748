"""HubSpot's endpoints as functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from include.common.errors import Unavailable
from include.connectors.crm.hubspot.resources import (
    ASSOCIATION_BATCH,
    ASSOCIATIONS,
    BATCH_READ,
    HISTORY_PAGE,
    LIST_PAGE,
    MAX_NAMES_LENGTH,
    OBJECTS,
    OWNERS,
    PIPELINES,
    PROPERTIES,
    SEARCH_PAGE,
)
from include.http.client import Client
from include.http.loops import Loop, Loops

Row = dict[str, Any]

# Association types that HubSpot itself calls primary: contact to company, deal to company. Lists return their names.
# The names of all other companies end with "_unlabeled" or are the portal's own labels.
_PRIMARY = {1, 5}
_PRIMARY_NAMES = {"contact_to_company", "deal_to_company"}
# A list omits the key of associations that a row does not have. Some keys differ from the requested name ("line
# items"), so an absent key means "none" only for these.
_KEYS_AS_REQUESTED = {"companies", "contacts", "deals"}
_MAX_FAILURES = 4


@dataclass(frozen=True)
class HubSpotApi:
    """The endpoints used for reading."""

    client: Client
    _loops: Loops = field(default_factory=Loops, init=False, repr=False, compare=False)

    def properties(self, object_type: str) -> list[Row]:
        """Return all properties of an object type, with labels and options."""
        return _rows(self.client.get(f"{PROPERTIES}/{object_type}").data)

    def property_types(self, object_type: str) -> dict[str, str]:
        """Return the types of all properties of an object type, by name."""
        return {row["name"]: str(row.get("type", "")) for row in self.properties(object_type)}

    def pipelines(self, object_type: str) -> list[Row]:
        """Return the pipelines of an object type, with their stages."""
        return _rows(self.client.get(f"{PIPELINES}/{object_type}").data)

    def list_page(
        self,
        object_type: str,
        properties: Sequence[str],
        after: str | None,
        is_archived: bool,
        associations: Sequence[str] = (),
    ) -> tuple[list[Row], str | None]:
        """Return one page of all objects in id order, and the cursor of the next one.

        Args:
            properties: Property names.
            after: Cursor of the page.
            is_archived: Whether to list archived objects instead of live ones.
            associations: Object types whose associations are returned with each row.
        """
        names = ",".join(properties)
        fits = len(names) <= MAX_NAMES_LENGTH
        params = {
            "limit": LIST_PAGE,
            "after": after,
            "archived": "true" if is_archived else "false",
            "properties": names if fits else None,
            "associations": ",".join(associations) or None,
        }
        rows, following = self._page(f"{OBJECTS}/{object_type}", params, "list")
        if not fits and rows:
            read = self.batch_read(object_type, properties, [row["id"] for row in rows], is_archived)
            found = {row["id"]: row for row in read}
            # An object that disappeared between the two calls no longer exists. The next pass sees what happened to it.
            rows = [found[row["id"]] | {"associations": row.get("associations")} for row in rows if row["id"] in found]
        return rows, following

    def history_page(
        self, object_type: str, properties: Sequence[str], with_history: Sequence[str], after: str | None
    ) -> tuple[list[Row], str | None]:
        """Return one page of objects with earlier values of some properties, and the cursor of the next one."""
        names = {"properties": ",".join(properties), "propertiesWithHistory": ",".join(with_history)}
        fits = sum(map(len, names.values())) <= MAX_NAMES_LENGTH
        params = {"limit": HISTORY_PAGE, "after": after, "archived": "false"} | (names if fits else {})
        rows, following = self._page(f"{OBJECTS}/{object_type}", params, "history list")
        if not fits:
            rows = self.batch_read(object_type, properties, [row["id"] for row in rows], with_history=with_history)
        return rows, following

    def batch_read(
        self,
        object_type: str,
        properties: Sequence[str],
        ids: Sequence[str],
        is_archived: bool = False,
        with_history: Sequence[str] = (),
    ) -> list[Row]:
        """Return the objects with these ids; missing ones are left out.

        All properties of an object come in one response, so they are from one point in time.

        Raises:
            Unavailable: HubSpot repeatedly failed for some of the ids.
        """
        rows: list[Row] = []
        pending, failures = list(ids), 0
        while pending:
            batch, pending = pending[:BATCH_READ], pending[BATCH_READ:]
            body = {
                "inputs": [{"id": one} for one in batch],
                "properties": list(properties),
                "propertiesWithHistory": list(with_history),
            }
            data = self.client.call(
                "POST",
                f"{OBJECTS}/{object_type}/batch/read",
                params={"archived": "true" if is_archived else "false"},
                json=body,
                is_repeatable=True,
            ).data
            found = _results(data)
            rows += found
            failed = _failed(data, batch, {str(row["id"]) for row in found})
            failures += bool(failed)
            if failures > _MAX_FAILURES:
                raise Unavailable(
                    f"HubSpot failed to return {len(failed)} {object_type}, such as {failed[0]}:"
                    f" {_error_message(data)}",
                    cure="try again later; if it persists, ask HubSpot support about that record",
                )
            pending += failed
        return rows

    def search(
        self, object_type: str, properties: Sequence[str], filters: list[dict[str, str]]
    ) -> tuple[list[Row], int]:
        """Return the matching objects with the lowest ids, and the total number of matches."""
        body = {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": list(properties),
            "limit": SEARCH_PAGE,
            "after": "0",
        }
        path = f"{OBJECTS}/{object_type}/search"
        data = self.client.call("POST", path, json=body, kind="search", is_repeatable=True).data
        rows = _rows(data)
        # Without a total, a full page means that there may be more.
        return rows, int(data.get("total", len(rows) + (len(rows) == SEARCH_PAGE)))

    def newest(
        self, object_type: str, properties: Sequence[str], groups: list[list[Row]], newest_by: str, limit: int
    ) -> list[Row]:
        """Return up to ``limit`` objects that match any of the filter groups, newest first."""
        rows: list[Row] = []
        while len(rows) < limit:
            body = {
                "filterGroups": [{"filters": filters} for filters in groups],
                "sorts": [{"propertyName": newest_by, "direction": "DESCENDING"}],
                "properties": list(properties),
                "limit": min(SEARCH_PAGE, limit - len(rows)),
                "after": str(len(rows)),
            }
            path = f"{OBJECTS}/{object_type}/search"
            data = self.client.call("POST", path, json=body, kind="search", is_repeatable=True).data
            rows += _rows(data)
            if not _results(data) or _after(data) is None:
                break
        return rows

    def owners_page(self, after: str | None, is_archived: bool) -> tuple[list[Row], str | None]:
        """Return one page of owners, and the cursor of the next one."""
        params = {"limit": LIST_PAGE, "after": after, "archived": "true" if is_archived else "false"}
        return self._page(OWNERS, params, "list")

    def ids_page(self, object_type: str, after: str | None) -> tuple[list[Row], str | None]:
        """Return one page of all live objects, with as few properties as HubSpot allows."""
        params = {"limit": LIST_PAGE, "after": after, "archived": "false", "properties": "hs_object_id"}
        return self._page(f"{OBJECTS}/{object_type}", params, "id list")

    def _page(self, path: str, params: Row, what: str) -> tuple[list[Row], str | None]:
        """Return one page of a list, and the cursor of the next one."""
        data = self.client.get(path, params).data
        rows, following = _rows(data), _after(data)
        state = "archived" if params["archived"] == "true" else "live"
        known = [str(row.get("id")) for row in rows]
        self._loops.check(f"HubSpot's {what} {path} ({state} records)", params["after"], following, known)
        return rows, following

    def associated(self, from_type: str, to_type: str, ids: Sequence[str]) -> dict[str, str]:
        """Return the associated object of each id that has one: the primary one, or else the one with the lowest id.

        Raises:
            Unavailable: HubSpot repeatedly failed for some of the ids.
        """
        return {one: _target(targets) for one, targets in self.targets(from_type, to_type, ids).items() if targets}

    def targets(self, from_type: str, to_type: str, ids: Sequence[str]) -> dict[str, list[Row]]:
        """Return all associated objects of each id, as HubSpot returns them.

        Raises:
            Unavailable: HubSpot repeatedly failed for some of the ids.
        """
        found: dict[str, list[Row]] = {}
        pending: list[Row] = [{"id": one} for one in dict.fromkeys(ids)]
        failures = 0
        loops: dict[str, Loop] = {}
        while pending:
            batch, pending = pending[:ASSOCIATION_BATCH], pending[ASSOCIATION_BATCH:]
            more, failed = self._associations(from_type, to_type, batch, found, loops)
            failures += bool(failed)
            if failures > _MAX_FAILURES:
                raise Unavailable(
                    f"HubSpot failed to return the {to_type} of {len(failed)} {from_type}, such as {failed[0]['id']}",
                    cure="try again later; if it persists, ask HubSpot support about that record's associations",
                )
            pending += more + failed
        return found

    def _associations(
        self, from_type: str, to_type: str, batch: list[Row], found: dict[str, list[Row]], loops: dict[str, Loop]
    ) -> tuple[list[Row], list[Row]]:
        """Read one batch into ``found``; return the inputs with more pages, and those that failed."""
        path = f"{ASSOCIATIONS}/{from_type}/{to_type}/batch/read"
        data = self.client.call("POST", path, json={"inputs": batch}, is_repeatable=True).data
        more: dict[str, Row] = {}
        asked = {item["id"]: item.get("after") for item in batch}
        answered = set()
        for row in _results(data):
            one = str(row["from"]["id"])
            targets = row.get("to") or ()
            if one in asked and one not in more and "paging" in row and (following := _after(row)):
                loop = loops.setdefault(one, Loop(f"HubSpot's {path}, of {from_type} {one}"))
                loop.check(asked[one], following, (to["toObjectId"] for to in targets))
                more[one] = {"id": one, "after": following}
            answered.add(one)
            found.setdefault(one, []).extend(targets)
        failed = set(_failed(data, [item["id"] for item in batch], answered))
        return list(more.values()), [item for item in batch if item["id"] in failed]


def associated_id(row: Row, to_type: str) -> str | None:
    """Return the associated object of a listed row, chosen as in ``associated``.

    Returns:
        Its id; "" if the row has none; None if the row does not say.
    """
    associations = row.get("associations") or {}
    if to_type not in associations and to_type not in _KEYS_AS_REQUESTED:
        return None
    shown = associations.get(to_type) or {}
    targets = {int(to["id"]): to.get("type") for to in sorted(shown.get("results") or [], key=_is_primary_name)}
    primary = {one for one, name in targets.items() if name in _PRIMARY_NAMES}
    if len(primary) > 1 or ("paging" in shown and not primary):
        return None
    return str(min(primary or targets)) if targets else ""


def _is_primary_name(to: Row) -> bool:
    return to.get("type") in _PRIMARY_NAMES


def _failed(data: Row, asked: Sequence[str], answered: set[str]) -> list[str]:
    """Return the inputs that failed by a 207 response. A missing record or association is not a failure."""
    errors = [error for error in data.get("errors") or [] if not _is_absence(error)]
    if not errors:
        return []
    named = {one for error in errors for one in _named(error)}
    # An error without ids may be about any input without a result.
    absent = {one for error in data.get("errors") or [] if _is_absence(error) for one in _named(error)}
    return [one for one in asked if one not in answered and (one in named if named else one not in absent)]


def _error_message(data: Row) -> str:
    errors = [error for error in data.get("errors") or [] if not _is_absence(error)]
    return str(errors[0].get("message", "")) if errors else ""


def _rows(data: Any) -> list[Row]:
    """Return the rows of a page. An incomplete page is an error, because its missing rows are on no later page."""
    rows = _results(data)
    if data.get("errors"):
        reason = _error_message(data) or "no reason given"
        raise Unavailable(f"HubSpot returned an incomplete page: {reason}", cure="try again later")
    return rows


def _results(data: Any) -> list[Row]:
    if not isinstance(data, dict) or not isinstance(data.get("results"), list):
        raise Unavailable("HubSpot's response has no results", cure="try again later; check the connection's host")
    return data["results"]


def _after(data: Row) -> str | None:
    """Return the cursor of the next page. Its ``link`` uses another form of path and is never followed."""
    following = ((data.get("paging") or {}).get("next") or {}).get("after")
    return None if following is None else str(following)


def _target(targets: list[Row]) -> str:
    """Return the id of the primary object, or else the lowest id. It comes as a number or as text."""
    if len(targets) == 1:
        return str(int(targets[0]["toObjectId"]))
    # The negated flag sorts the primary first.
    return str(min((not _is_primary(to), int(to["toObjectId"])) for to in targets)[1])


def _is_primary(to: Row) -> bool:
    return any(
        kind.get("typeId") in _PRIMARY or str(kind.get("label") or "").lower() == "primary"
        for kind in to.get("associationTypes") or []
    )


def _is_absence(error: Row) -> bool:
    categories = f"{error.get('category', '')} {error.get('subCategory', '')}"
    return "NOT_FOUND" in categories or "NO_ASSOCIATIONS_FOUND" in categories


def _named(error: Row) -> list[str]:
    context = error.get("context") or {}
    return [str(one) for key in ("fromObjectId", "ids", "id") for one in context.get(key) or []]
